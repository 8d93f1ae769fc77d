//! Valid scripts, and every error.

use super::*;

#[track_caller]
fn parse(text: &str) -> Vec<(usize, Event)> {
    let script = Script::parse(text).unwrap();
    script.entries().iter().map(|entry| (entry.line, entry.event.clone())).collect()
}

fn client(line: &str, matching: Matching) -> Event {
    Event::Client { octets: line.as_bytes().to_vec(), matching }
}

fn server(line: &str) -> Event {
    Event::Server(line.as_bytes().to_vec())
}

#[test]
fn lines_of_the_dialogue() {
    assert_eq!(
        parse("S: 220 a\nC: EHLO b\nC| DATA\nC~ EHLO *\nS: two\n"),
        [
            (1, server("220 a\r\n")),
            (2, client("EHLO b\r\n", Matching::Exact)),
            (3, client("DATA\r\n", Matching::Group)),
            (4, client("EHLO *\r\n", Matching::Glob)),
            (5, server("two\r\n")),
        ]
    );
}

#[test]
fn comments_and_empty_lines_count_as_lines() {
    assert_eq!(
        parse("\n  # a comment\n\t \n   C: QUIT"),
        [(4, client("QUIT\r\n", Matching::Exact))]
    );
}

#[test]
fn white_space_after_the_separator_and_at_the_end_belongs_to_the_line() {
    assert_eq!(
        parse("C:  a \t\nC:\nC: \nC: # no comment\r\nC: a\r\r\n"),
        [
            (1, client(" a \t\r\n", Matching::Exact)),
            (2, client("\r\n", Matching::Exact)),
            (3, client("\r\n", Matching::Exact)),
            (4, client("# no comment\r\n", Matching::Exact)),
            (5, client("a\r\r\n", Matching::Exact)),
        ]
    );
}

#[test]
fn escapes_are_literal_outside_of_raw() {
    assert_eq!(parse(r"C: a\r\n"), [(1, client("a\\r\\n\r\n", Matching::Exact))]);
}

#[test]
fn stage_directions() {
    for (text, event) in [
        ("[text]", Event::Text),
        ("  [ text ]  ", Event::Text),
        ("[chunk 0]", Event::Chunk(0)),
        ("[chunk 86]", Event::Chunk(86)),
        ("[delay 10ms]", Event::Delay(Duration::from_millis(10))),
        ("[delay 30s]", Event::Delay(Duration::from_secs(30))),
        ("[delay 5m]", Event::Delay(Duration::from_secs(300))),
        ("[delay 1h]", Event::Delay(Duration::from_secs(3600))),
        ("[tls]", Event::Tls),
        ("[starttls]", Event::StartTls),
        ("[tls-abort]", Event::TlsAbort),
        ("[close]", Event::Close),
        ("[abort]", Event::Abort),
        ("[reset]", Event::Reset),
        ("[half-close]", Event::HalfClose),
        ("[stall]", Event::Stall),
        ("[expect-close]", Event::ExpectClose),
        (
            r#"[raw "a\r\n\x00\xfF\t\0\\\"[]é"]"#,
            Event::Raw(b"a\r\n\0\xFF\t\0\\\"[]\xC3\xA9".to_vec()),
        ),
        (r#"[raw ""]"#, Event::Raw(Vec::new())),
    ] {
        assert_eq!(parse(text), [(1, event)], "{text}");
    }
}

#[test]
fn displayed_events_can_be_parsed_again() {
    let text = r#"S: 220 a
C: b
C| c
C~ d*
[chunk 3]
[text]
[delay 1500ms]
[delay 60s]
[dribble 3 250ms]
S: 220 b
[split 1]
S:
[raw "\xFF\r\n"]
[starttls]
[half-close]
[expect-close]
[stall]"#;
    let shown: Vec<String> = parse(text).iter().map(|(_, event)| event.to_string()).collect();
    assert_eq!(shown.join("\n"), text);
}

#[test]
fn an_empty_script_is_a_script() {
    assert_eq!("".parse::<Script>().unwrap().entries(), []);
}

#[track_caller]
fn check(text: &str, line: usize, kind: ScriptErrorKind) {
    let error = Script::parse(text).unwrap_err();
    assert_eq!((error.line(), error.kind()), (line, &kind), "{text:?}");
}

#[test]
fn unknown_lines() {
    check("S: 220 a\n\n220 b", 3, ScriptErrorKind::UnknownLine);
    check("c: QUIT", 1, ScriptErrorKind::UnknownLine);
    check("C:QUIT", 1, ScriptErrorKind::MissingSpace { prefix: "C:" });
    check("S:\t220 a", 1, ScriptErrorKind::MissingSpace { prefix: "S:" });
}

#[test]
fn invalid_stage_directions() {
    let name = "chunk";
    check("[text", 1, ScriptErrorKind::UnclosedBracket);
    check("[dance]", 1, ScriptErrorKind::UnknownDirection { name: "dance".to_owned() });
    check("[]", 1, ScriptErrorKind::UnknownDirection { name: String::new() });
    check("[close now]", 1, ScriptErrorKind::UnexpectedArgument { name: "close" });
    check("[chunk]", 1, ScriptErrorKind::MissingArgument { name, needs: "a number of octets" });
    check("[chunk -1]", 1, ScriptErrorKind::BadCount { name, written: "-1".to_owned() });
    check("[split 0]", 1, ScriptErrorKind::BadCount { name: "split", written: "0".to_owned() });
    for written in ["30", "s", "1.5s", "-1s", "30 s", "9d", "99999999999999999999s"] {
        let kind = ScriptErrorKind::BadTime { written: written.to_owned() };
        check(&format!("[delay {written}]"), 1, kind);
    }
    check("[raw 220]", 1, ScriptErrorKind::Unquoted);
    check(r#"[raw "220]"#, 1, ScriptErrorKind::Unquoted);
    check(r#"[raw "\q"]"#, 1, ScriptErrorKind::BadEscape { escape: "\\q".to_owned() });
}

#[test]
fn stage_directions_in_the_wrong_place() {
    let after = |last: &str| ScriptErrorKind::AfterTheEnd { last: last.to_owned() };
    check("[split 1]", 1, ScriptErrorKind::SplitWithoutReply);
    check("[split 1]\nC: QUIT", 2, ScriptErrorKind::SplitWithoutReply);
    check("S: 220 a\n[tls]", 2, ScriptErrorKind::TlsNotFirst);
    check("[dribble 1 1s]", 1, ScriptErrorKind::SplitWithoutReply);
    check("[dribble 1]\nS: 220 a", 1, missing_time());
    check(
        "[dribble 0 1s]\nS: 220 a",
        1,
        ScriptErrorKind::BadCount { name: "dribble", written: "0".into() },
    );
    check("[tls]\n[starttls]", 2, ScriptErrorKind::TlsTwice);
    check("[starttls]\n[tls-abort]", 2, ScriptErrorKind::TlsTwice);
    check("[close]\nC: QUIT", 2, after("[close]"));
    check("[reset]\n[close]", 2, after("[reset]"));
    check("[stall]\nS: 220 a", 2, after("[stall]"));
    check("[half-close]\nS: 220 a", 2, ScriptErrorKind::AfterHalfClose);
    check("[half-close]\nC: QUIT\n[raw \"a\"]", 3, ScriptErrorKind::AfterHalfClose);
    check("[expect-close]\nC: QUIT", 2, ScriptErrorKind::AfterExpectClose);
    check("[expect-close]\nS: 221 bye\n[text]", 3, ScriptErrorKind::AfterExpectClose);
}

fn missing_time() -> ScriptErrorKind {
    let needs = "a time such as `10ms`, `30s`, `5m` or `1h`";
    ScriptErrorKind::MissingArgument { name: "dribble", needs }
}

#[test]
fn an_error_shows_the_line_and_what_to_write_instead() {
    let error = "S: 220 a\n   [delay 30]".parse::<Script>().unwrap_err();
    assert_eq!(error.text(), "[delay 30]");
    assert_eq!(
        error.to_string(),
        "line 2 of the script, `[delay 30]`: `30` is not a time such as `10ms`, `30s`, `5m` or `1h`"
    );
}

#[test]
fn answers_have_only_lines_of_the_server() {
    for (text, line, kind) in [
        ("S: 250 OK\nC: QUIT", 2, ScriptErrorKind::NotAnAnswer),
        ("[text]", 1, ScriptErrorKind::NotAnAnswer),
        ("[usual]\n[usual]", 2, ScriptErrorKind::UsualMisplaced),
        ("[close]\n[usual]", 2, ScriptErrorKind::AfterTheEnd { last: "[close]".into() }),
    ] {
        let error = text.parse::<crate::Answer>().unwrap_err();
        assert_eq!((error.line(), error.kind()), (line, &kind), "{text}");
    }
    check("S: 220 a\n[usual]", 2, ScriptErrorKind::UsualMisplaced);
    assert!("[split 1]".parse::<crate::Answer>().is_ok(), "the usual reply follows");
}
