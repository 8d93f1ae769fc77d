//! What holds of every value.

use proptest::{
    arbitrary::any,
    char::range,
    collection::vec,
    prelude::{Just, Strategy},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use smtp_codec::{
    Argument, Command, Deviations, HelloName, Host, LineEnds, Mail, MailData, Mailbox, Normalizer,
    Param, Rcpt, ReplyDecoder, SaslResponse, TextScanner, encode_reply,
};
use smtp_error::{Flaw, Invalid, Reply, ReplyCode};

use crate::stuffing::stuffed;

/// The octets, cut at these places.
fn pieces<'a>(octets: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(octets.len())).collect();
    cuts.extend([0, octets.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &octets[cut[0]..cut[1]]).collect()
}

/// Texts with many dots and line ends, with and without a final CRLF.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        4 => Just(b".".to_vec()),
        1 => Just(b"..".to_vec()),
        1 => Just(b"a".to_vec()),
        1 => vec(any::<u8>().prop_filter("fit", |octet| !matches!(octet, 0 | b'\r' | b'\n')), 0..9),
    ];
    vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// Octets with many line ends of every kind.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(0), any::<u8>()];
    vec(octet, 0..60)
}

/// Strings with quotes, backslashes, spaces, controls and all of Unicode.
fn strings() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        3 => range(' ', '~'),
        1 => Just('"'),
        1 => Just('\\'),
        1 => range('\0', '\u{a0}'),
        1 => any::<char>(),
    ];
    vec(character, 0..30).prop_map(String::from_iter)
}

/// Takes the stuffing out again, line by line, as a server does; `None` if there is no end, or if
/// there is more after it.
fn unstuffed(wire: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut rest = wire;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        if line == b"." {
            return rest.is_empty().then_some(text);
        }
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        text.extend_from_slice(b"\r\n");
    }
}

fn line(command: Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    command.encode(usize::MAX, &mut out).unwrap();
    assert_eq!(out.len(), command.line_length());
    out
}

/// The line without its CRLF; `None` if that is not the only line end in it.
fn content(wire: &[u8]) -> Option<&str> {
    let content = str::from_utf8(wire.strip_suffix(b"\r\n")?).ok()?;
    (!content.contains(|character: char| character.is_control())).then_some(content)
}

/// The content of an atom or a quoted string.
fn unquoted(wire: &str) -> String {
    let Some(quoted) = wire.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        assert!(!wire.contains([' ', '"', '\\', '<', '>', '@']), "{wire}");
        return wire.into();
    };
    let mut characters = quoted.chars();
    let mut content = String::new();
    while let Some(character) = characters.next() {
        assert_ne!(character, '"', "ends the string");
        content.push(if character == '\\' { characters.next().unwrap() } else { character });
    }
    content
}

proptest! {
    #[test]
    fn stuffing_does_not_depend_on_cuts(text in octets(), cuts in vec(0..60_usize, 0..6)) {
        prop_assert_eq!(stuffed(pieces(&text, &cuts)), stuffed([&text[..]]));
    }

    #[test]
    fn a_text_in_pieces_is_as_fit_as_the_whole(
        mut text in octets(),
        long in vec((0..60_usize, 990..1010_usize), 0..2),
        cuts in vec(0..1100_usize, 0..6),
    ) {
        for (at, length) in long {
            let at = at.min(text.len());
            text.splice(at..at, vec![b'x'; length]);
        }
        let mut scanner = TextScanner::new();
        let scanned = pieces(&text, &cuts).into_iter().try_for_each(|piece| scanner.scan(piece));
        let scanned = scanned.and_then(|()| scanner.end()).map(|()| scanner.is_eight_bit());
        let whole = MailData::new(text).map(|text| text.facts().eight_bit);
        let long = |found: &Result<bool, Invalid>| {
            matches!(found, Err(Invalid { flaw: Flaw::LineTooLong { .. }, .. }))
        };
        // Which flaw of a line that is too long is named first may differ.
        prop_assert_eq!(scanned.is_ok(), whole.is_ok());
        if !long(&scanned) && !long(&whole) {
            prop_assert_eq!(scanned, whole);
        }
    }

    #[test]
    fn line_ends_are_mended_whatever_the_cuts(text in octets(), cuts in vec(0..60_usize, 0..6)) {
        for ends in [LineEnds::Strict, LineEnds::Unix, LineEnds::Any] {
            let mended = |pieces: Vec<&[u8]>| {
                let mut normalizer = Normalizer::new(ends);
                let mut mended = Vec::new();
                for piece in pieces {
                    mended.extend(normalizer.normalize(piece.to_vec().into()));
                }
                mended.extend(normalizer.end());
                mended
            };
            let found = mended(pieces(&text, &cuts));
            prop_assert_eq!(&found, &mended(vec![&text]));
            if let Ok(whole) = MailData::normalize(text.clone(), ends) {
                prop_assert_eq!(found, &whole.octets()[..]);
            }
        }
    }

    #[test]
    fn a_server_gets_the_text_that_was_stuffed(text in texts()) {
        let text = MailData::new(text).unwrap();
        let mut lines = text.octets().to_vec();
        if !lines.is_empty() && !lines.ends_with(b"\r\n") {
            lines.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(Some(lines.len() as u64), text.facts().size);
        prop_assert_eq!(unstuffed(&stuffed([&text.octets()[..]])), Some(lines));
    }

    #[test]
    fn the_end_of_a_text_comes_once(text in octets()) {
        let wire = [b"\r\n", &stuffed([&text[..]])[..]].concat();
        let ends = wire.windows(5).filter(|octets| octets == b"\r\n.\r\n").count();
        prop_assert_eq!(ends, 1);
        prop_assert!(wire.ends_with(b"\r\n.\r\n"));
    }

    #[test]
    fn no_dot_stands_alone_on_a_line_for_those_who_end_lines_at_lf(text in octets()) {
        let wire = stuffed([&text[..]]);
        let alone = |line: &&[u8]| matches!(line, [b'.'] | [b'.', b'\r']);
        prop_assert_eq!(wire.split(|&octet| octet == b'\n').filter(alone).count(), 1);
    }

    #[test]
    fn a_text_has_no_bare_line_ends(octets in octets()) {
        for ends in [LineEnds::Strict, LineEnds::Unix, LineEnds::Any] {
            let Ok(text) = MailData::normalize(octets.clone(), ends) else {
                let fit = ends == LineEnds::Any && !octets.contains(&0);
                prop_assert!(!fit, "any line end can be mended");
                continue;
            };
            let rest = text.octets().to_vec();
            let rest = String::from_utf8_lossy(&rest).replace("\r\n", "");
            prop_assert!(!rest.contains(['\r', '\n', '\0']));
            prop_assert_eq!(MailData::new(text.octets().clone()), Ok(text));
        }
    }

    #[test]
    fn replies_are_decoded_as_they_were_encoded(
        code in 200..600_u16,
        text in "[ -~\t]{0,40}(\n[ -~\t]{0,40}){0,5}",
    ) {
        let reply = Reply::new(ReplyCode::new(code).unwrap(), &text);
        let mut wire = Vec::new();
        encode_reply(&reply, &mut wire);
        let mut input = &wire[..];
        let decoded = ReplyDecoder::default().decode(&mut input).unwrap().unwrap();
        prop_assert!(input.is_empty());
        prop_assert_eq!(&decoded.reply, &reply);
        let mut expected = Deviations::empty();
        expected.set(Deviations::SECOND_DIGIT, code / 10 % 10 > 5);
        expected.set(Deviations::EMPTY_TEXT, text.is_empty() || text.ends_with('\n'));
        prop_assert_eq!(decoded.deviations, expected);
    }

    #[test]
    fn a_reply_to_any_text_is_one_reply(code in 200..600_u16, text in octets()) {
        let reply = Reply::new(ReplyCode::new(code).unwrap(), &text);
        let mut wire = Vec::new();
        encode_reply(&reply, &mut wire);
        let mut input = &wire[..];
        let decoded = ReplyDecoder::default().decode(&mut input).unwrap().unwrap();
        prop_assert!(input.is_empty());
        prop_assert_eq!(decoded.reply.lines().count(), reply.lines().count());
    }

    #[test]
    fn any_octets_are_replies_or_an_error(octets in vec(any::<u8>(), 0..200)) {
        let mut decoder = ReplyDecoder::default();
        let mut input = &octets[..];
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
        let ended = decoder.decode(&mut &b""[..]);
        prop_assert!(ended.is_err() || input.is_empty());
    }

    #[test]
    fn an_argument_is_one_word_that_means_what_was_given(given in strings()) {
        let Ok(argument) = Argument::new(&given) else {
            let plain = |character: char| (' '..='~').contains(&character);
            prop_assert!(given.is_empty() || !given.chars().all(plain));
            return Ok(());
        };
        let wire = line(Command::Help(Some(argument.borrowed())));
        let sent = content(&wire).unwrap().strip_prefix("HELP ").unwrap();
        prop_assert_eq!(sent, argument.as_str());
        prop_assert_eq!(unquoted(sent), given);
    }

    #[test]
    fn an_accepted_address_is_sent_as_it_is(
        local in prop_oneof![strings(), strings().prop_map(|text| format!("\"{text}\""))],
        host in prop_oneof![strings(), Just("b.org".into())],
    ) {
        let text = format!("{local}@{host}");
        if let Ok(mailbox) = text.parse::<Mailbox>() {
            prop_assert!(mailbox.local_part().len() <= 64 && mailbox.host().len() <= 255);
            let wire = line(Command::Mail(Mail::from(mailbox.clone()).borrowed()));
            prop_assert_eq!(content(&wire).unwrap(), format!("MAIL FROM:<{text}>"));
            let wire = line(Command::Rcpt(Rcpt::from(mailbox).borrowed()));
            prop_assert_eq!(content(&wire).unwrap(), format!("RCPT TO:<{text}>"));
        }
    }

    #[test]
    fn an_accepted_word_is_sent_as_it_is(text in strings()) {
        if let Ok(name) = text.parse::<HelloName>() {
            let wire = line(Command::Ehlo(name.borrowed()));
            let ascii = Host::new(&text).unwrap().to_ascii().into_owned();
            prop_assert!(ascii.is_ascii() && (ascii == text || !text.is_ascii()));
            prop_assert_eq!(content(&wire).unwrap(), format!("EHLO {ascii}"));
        }
        if let Ok(param) = Param::new(&text) {
            let mail = Mail::try_from("a@b").unwrap().param(param);
            let wire = mail.map(|mail| line(Command::Mail(mail.borrowed()))).unwrap_or_default();
            let end = format!(" {text}\r\n");
            prop_assert!(wire.is_empty() || wire.ends_with(end.as_bytes()));
        }
        if let Ok(param) = Param::new("X").unwrap().with(&text) {
            let rcpt = Rcpt::try_from("a@b").unwrap().param(param).unwrap();
            let wire = line(Command::Rcpt(rcpt.borrowed()));
            prop_assert_eq!(content(&wire).unwrap(), format!("RCPT TO:<a@b> X={text}"));
        }
    }

    #[test]
    fn a_response_is_never_shown(octets in vec(any::<u8>(), 0..100)) {
        let response = SaslResponse::new(octets);
        let command = Command::AuthResponse(response.borrowed());
        prop_assert!(content(&line(command)).is_some());
        prop_assert_eq!(command.to_string(), "***");
        prop_assert_eq!(format!("{response:?}"), "SaslResponse(***)");
    }
}
