//! Rules are read, and mistakes in them are found.

use super::*;

#[track_caller]
fn mistake(toml: &str) -> String {
    from_toml(toml).unwrap_err().to_string()
}

#[test]
fn every_field_is_read() {
    let toml = r#"
        [[rule]]
        on = "RCPT *"
        when = ["tls", "logged-out"]
        counted = "envelope"
        after = 1
        times = 2
        above = "5 per 1m"
        reply = "451-4.7.1 try\n451 4.7.1 again later"

        [[rule]]
        greeting = true
        connections_above = 2
        when = "clear"
        answer = "[delay 5s]"

        [[rule]]
        text = true
        answer = ["[delay 1s]", "S: 451 4.7.1 no", "[close]"]

        [[rule]]
        text_for = "bob@*"
        counted = "connection"
        reply = "452 4.2.2 full"

        [[rule]]
        inside_text = 1000
        answer = ["[reset]"]

        [[rule]]
        idle = "5m"
        counted = "server"
        reply = "421 4.4.2 idle"

        [[rule]]
        connections_above = 10
        reply = "421"
    "#;
    let rules = from_toml(toml).unwrap();
    let shown: Vec<String> = rules.iter().map(|written| written.rule.to_string()).collect();
    let expected = [
        "on `RCPT *`",
        "at the greeting while more than 2 connections are open",
        "at the end of a text",
        "at the end of a text for `bob@*`",
        "inside of a text, after 1000 octets",
        "after 300s of silence",
        "at the greeting while more than 10 connections are open",
    ];
    assert_eq!(shown, expected);

    // The API gives them back as JSON, and takes that again.
    let specs: Vec<&RuleSpec> = rules.iter().map(|written| &written.spec).collect();
    let json = serde_json::to_string(&serde_json::json!({ "rules": specs })).unwrap();
    let again = from_json(json.as_bytes()).unwrap();
    for (one, other) in rules.iter().zip(&again) {
        assert_eq!(format!("{:?}", one.rule), format!("{:?}", other.rule));
    }
    assert_eq!(again.len(), rules.len());
    let array = serde_json::to_vec(&specs).unwrap();
    assert_eq!(from_json(&array).unwrap().len(), rules.len());
}

#[test]
fn a_rule_is_an_argument() {
    let written = from_argument(r#"on = "NOOP", times = 1, reply = "250 hi""#).unwrap();
    assert_eq!(written.rule.to_string(), "on `NOOP`");
}

#[test]
fn no_rules_are_no_mistake() {
    assert!(from_toml("").unwrap().is_empty());
    assert!(from_toml("# later\n").unwrap().is_empty());
    assert!(from_json(br#"{"rules": []}"#).unwrap().is_empty());
    assert!(from_json(b"[]").unwrap().is_empty());
}

#[test]
fn mistakes_have_their_place() {
    for (toml, text) in [
        (
            "[[rule]]\nonn = \"RCPT *\"\n",
            "line 2, column 1: unknown field `onn`, expected one of `on`, `greeting`, `text`, ",
        ),
        ("[[rule]]\non = \"RCPT *\"\nreply = 451\n", "line 3, column 9: invalid type: integer"),
        ("[[rule]]\non = RCPT\n", "line 2, column 6: "),
        ("[[rule]]\non = \"A\"\ncounted = \"all\"\n", "line 3, column 11: unknown variant `all`"),
        ("[rule]\non = \"A\"\n", "line 1, column 1: invalid type: map, expected a sequence"),
        ("\n[[rule]]\ntimes = 1\nreply = \"250\"\n", "line 2, column 1: on, greeting, text, "),
    ] {
        let shown = mistake(toml);
        assert!(shown.starts_with(text), "{shown}");
    }
}

#[test]
fn mistakes_in_values_are_explained() {
    let rule = |fields: &str| mistake(&format!("[[rule]]\non = \"A\"\n{fields}"));
    for (fields, text) in [
        ("text = true\nreply = \"250\"", "tell when a rule applies; write one of them"),
        ("", "write reply, such as reply = \"451 4.7.1 try again later\", or answer"),
        ("reply = \"250\"\nanswer = \"[close]\"", "reply and answer are both here; write one"),
        ("reply = \"no\"", "reply: \"no\" does not begin with a code, such as 451"),
        ("reply = \"\"", "reply is empty"),
        ("answer = \"C: QUIT\"", "answer: "),
        ("when = \"idle\"\nreply = \"250\"", "when: \"idle\" is not one of clear, tls, logged-in"),
        ("above = \"5\"\nreply = \"250\"", "above: \"5\" is not a rate; write it as \"5 per 1m\""),
    ] {
        let shown = rule(fields);
        assert!(shown.starts_with("line 1, column 1: ") && shown.contains(text), "{shown}");
    }
    let shown = mistake("[[rule]]\ngreeting = false\nreply = \"220\"");
    assert!(shown.contains("greeting is false; write true, or leave it out"), "{shown}");
    let shown = mistake("[[rule]]\nidle = \"long\"\nreply = \"421\"");
    assert!(shown.contains("idle: \"long\" is not a time; write it as \"5m\""), "{shown}");
}

#[test]
fn mistakes_of_arguments_have_their_column() {
    for (text, shown) in [
        (r#"on = "A", rply = "250""#, "column 11: unknown field `rply`"),
        (r#"on = "A""#, "column 1: write reply"),
        (r#"on = "A"}, {on = "B", reply = "250""#, "column 1: write reply"),
        (r#"on = "A", reply = "250"}, {on = "B", reply = "250""#, "there is no rule"),
    ] {
        let mistake = from_argument(text).unwrap_err().to_string();
        assert!(mistake.starts_with(shown), "{mistake}");
    }
}

#[test]
fn mistakes_in_json_have_their_place() {
    for (json, shown) in [
        ("{\"rules\": [\n{\"onn\": 1}]}", "line 2, column 6: unknown field `onn`, expected one of"),
        ("{\"rules\": [{\"on\": \"A\"}]}", "rule 1: write reply"),
        ("[1]", "line 1, column 2: invalid type: integer"),
        ("{", "line 1, column 1: EOF"),
    ] {
        let mistake = from_json(json.as_bytes()).unwrap_err().to_string();
        assert!(mistake.starts_with(shown), "{mistake}");
    }
}
