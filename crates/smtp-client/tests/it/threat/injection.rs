//! Commands that are put into values, and deceptive values: rows I1 to I15.
use smtp_client::{
    Argument, Envelope, Error, ErrorKind, Extension, Field, Flaw, HelloName, Invalid,
    InvalidEnvelope, Mail, MailData, MailParam, Mailbox, Rcpt, Step, Unsupported,
};
use smtp_codec::{Command, Deviations, ForwardPath, ReversePath, Xtext};

use super::MESSAGE;
use crate::stage::play_on;

mod argument;

use argument::{ARGUMENTS, ENCODED};

/// Neither an address, nor a path, nor either end of an envelope.
#[track_caller]
fn check_no_address(text: &str) {
    assert!(Mailbox::new(text).is_err(), "{text:?}");
    assert!(ReversePath::new(text).is_err(), "{text:?}");
    assert!(ForwardPath::new(text).is_err(), "{text:?}");
    assert!(Envelope::new(text, ["b@example.org"]).is_err(), "{text:?}");
    assert!(Envelope::new("a@example.org", ["b@example.org", text]).is_err(), "{text:?}");
}

#[test]
fn i1_line_ends_in_an_address() {
    for end in ["\r\n", "\n", "\r", "\r\r\n", "\n\r"] {
        for text in [
            format!("b@ex.org>{end}RCPT TO:<evil@x"),
            format!("b@ex.org{end}"),
            format!("{end}b@ex.org"),
            format!("b{end}@ex.org"),
            format!("b@{end}ex.org"),
            format!("\"a{end}RSET\"@ex.org"),
            format!("\"a\\{end}RSET\"@ex.org"),
            format!("b@[192.0.2.1{end}]"),
            format!("b@[IPv6:::1{end}]"),
            format!("<b@ex.org>{end}DATA{end}.{end}"),
        ] {
            check_no_address(&text);
        }
    }
}

#[test]
fn i2_line_ends_in_the_name_for_ehlo() {
    for text in ["me\r\nMAIL FROM:<evil@x>", "me\nRSET", "me\r", "\r\n", "[192.0.2.1]\r\nRSET"] {
        assert!(HelloName::new(text).is_err(), "{text:?}");
        assert!(text.parse::<HelloName>().is_err(), "{text:?}");
    }
}

#[test]
fn i3_line_ends_in_a_parameter() {
    let mail = || Mail::try_from("a@example.org").unwrap();
    let rcpt = || Rcpt::try_from("b@example.org").unwrap();
    for end in ["\r\n", "\r", "\n", " ", "\t", "\0", "\u{b}", "\u{85}", "\u{2028}", "=", ">"] {
        let keyword = format!("X{end}RSET");
        assert!(mail().param(&keyword).is_err() || end == "=", "{keyword:?}");
        assert!(rcpt().param(&keyword).is_err() || end == "=", "{keyword:?}");
        assert!(smtp_client::Param::new(keyword.clone()).is_err(), "{keyword:?}");
        if end == ">" {
            continue;
        }
        let param = format!("X-OWN=a{end}b");
        assert!(mail().param(&param).is_err(), "{param:?}");
        assert!(rcpt().param(&param).is_err(), "{param:?}");
        let size = format!("SIZE=1{end}RSET");
        assert!(mail().param(&size).is_err(), "{size:?}");
    }
}

#[test]
fn i4_line_ends_in_the_argument_of_a_command() {
    for end in ["\r\n", "\r", "\n", "\r\n.\r\n", "\u{85}", "\u{2029}"] {
        let text = format!("x{end}RSET");
        assert!(Argument::new(&text).is_err(), "{text:?}");
        play_on(&["SMTPUTF8"], "C: QUIT\nS: 221 bye", async |mut connection| {
            for error in [
                connection.verify(&*text).await.unwrap_err(),
                connection.expand(&*text).await.unwrap_err(),
                connection.help(&*text).await.unwrap_err(),
            ] {
                assert!(matches!(error.kind(), ErrorKind::Invalid(_)), "{text:?}: {error:?}");
            }
            connection.quit().await.unwrap();
        });
    }
}

/// The sample with a character put in at each place.
fn with_each_place(sample: &str, character: char) -> impl Iterator<Item = String> {
    let places = (0..=sample.len()).filter(|&at| sample.is_char_boundary(at));
    places.map(move |at| format!("{}{character}{}", &sample[..at], &sample[at..]))
}

#[test]
fn i5_every_control_octet_in_every_argument_of_every_command() {
    let mut cases = 0;
    for (name, sample, line) in ARGUMENTS {
        line(sample).unwrap_or_else(|invalid| panic!("{name}: the sample is bad: {invalid}"));
        for octet in (0..0x20).chain([0x7F]) {
            for text in with_each_place(sample, char::from(octet)) {
                assert!(line(&text).is_err(), "{name}: {text:?}");
                cases += 1;
            }
        }
    }
    // What is encoded may hold anything, and its line holds none of it.
    for (name, line) in ENCODED {
        for octet in 0..=0xFF_u8 {
            // Some are for printable octets only, and refuse the others.
            if let Ok(line) = line(&[b'a', octet, b'b']) {
                check_one_line(name, &line);
                cases += 1;
            }
        }
    }
    println!("{cases} arguments");
}

#[track_caller]
fn check_one_line(name: &str, line: &[u8]) {
    let inside = line.strip_suffix(b"\r\n").unwrap();
    let clean = inside.iter().all(|octet| !octet.is_ascii_control());
    assert!(clean, "{name}: {}", line.escape_ascii());
}

#[test]
fn i6_wide_characters_that_end_in_cr_or_lf_when_cut_short() {
    let narrow = |character: &char| matches!(u32::from(*character) & 0xFF, 0x0D | 0x0A);
    let wide: Vec<char> = ('\u{100}'..=char::MAX).filter(narrow).collect();
    assert_eq!(wide.len(), 2 * (0x1100 - 1 - 8), "all of them, surrogates aside");
    let mut written = 0;
    for &character in &wide {
        for (name, sample, line) in ARGUMENTS {
            let at = sample.len() / 2;
            let text = format!("{}{character}{}", &sample[..at], &sample[at..]);
            // It is refused, or goes out as the octets of UTF-8 or in some ASCII form.
            if let Ok(line) = line(&text) {
                check_one_line(name, &line);
                written += 1;
            }
        }
        for (name, line) in ENCODED {
            if let Ok(line) = line(character.to_string().as_bytes()) {
                check_one_line(name, &line);
            }
        }
    }
    assert!(written > wide.len(), "some of them may be sent: {written}");
}

#[test]
fn i7_xtext_there_and_back() {
    let every: Vec<u8> = (0..=0xFF).collect();
    for octets in [&b"a\nb+c=d\x7F\xC3\xA9"[..], b"", b"+", b"+41", b"++==", &every] {
        let xtext = Xtext::encode(octets);
        assert_eq!(xtext.decode(), octets);
        assert_eq!(Xtext::new(xtext.as_str()).unwrap().decode(), octets);
        for part in xtext.as_str().split('+').skip(1) {
            let upper = |digit: u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
            assert!(part.bytes().take(2).all(upper) && part.len() >= 2, "+{part}");
        }
        assert!(xtext.as_str().bytes().all(|octet| octet.is_ascii_graphic() && octet != b'='));
    }
    for bad in ["+", "+4", "+4g", "=", "a b", "\u{e9}", "a\n"] {
        assert!(Xtext::new(bad).is_err(), "{bad:?}");
    }
    let odd = Xtext::encode("a\nb+c=d\u{7f}\u{e9}");
    let mail = Mail::try_from("a@example.org").unwrap();
    // What is to be printable is refused if it is not, and anything else is encoded.
    assert!(mail.clone().with(MailParam::EnvId(odd.clone())).is_err());
    let mail = mail.with(MailParam::EnvId(Xtext::encode("b+c=d"))).unwrap();
    let mail = mail.with(MailParam::Auth(Some(odd))).unwrap();
    let rest = "C: MAIL FROM:<a@example.org> ENVID=b+2Bc+3Dd AUTH=a+0Ab+2Bc+3Dd+7F+C3+A9
S: 550 no";
    play_on(&["DSN", "AUTH PLAIN"], rest, async |mut connection| {
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        let text = MailData::new(MESSAGE).unwrap();
        assert!(!connection.send(&envelope, &text).await.unwrap().any_accepted());
    });
}

#[test]
fn i8_a_parameter_inside_an_address() {
    let quoted = "\"t@x> NOTIFY=NEVER\"@ex.org";
    let line = format!("RCPT TO:<{quoted}>");
    let rest = format!("C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: {line}\nS: 550 no");
    play_on(&["DSN"], &rest, async |mut connection| {
        let envelope = Envelope::new("a@example.org", [quoted]).unwrap();
        let text = MailData::new(MESSAGE).unwrap();
        assert!(!connection.send(&envelope, &text).await.unwrap().any_accepted());
    });
    // By the letter of the grammar that is one path, and no parameter.
    let decoded = Command::decode(line.as_bytes(), Deviations::empty()).unwrap();
    let Command::Rcpt(rcpt) = decoded.command else { panic!("{decoded:?}") };
    assert_eq!(rcpt.path().as_str(), quoted);
    assert!(rcpt.raw_params().is_empty());
    for bare in ["t@x> NOTIFY=NEVER@ex.org", "t@x> NOTIFY=NEVER", "<t@x> NOTIFY=NEVER", "t@x>"] {
        check_no_address(bare);
    }
}

/// The error of sending with this MAIL, before anything is written.
#[track_caller]
fn objection(keywords: &[&str], mail: Mail) -> Error {
    let (outcome, _) = play_on(keywords, "C: QUIT\nS: 221 bye", async |mut connection| {
        let envelope = Envelope::new(mail, ["b@example.org"]).unwrap();
        let outcome = connection.send(&envelope, MailData::new(MESSAGE).unwrap()).await;
        connection.quit().await.unwrap();
        outcome
    });
    outcome.unwrap_err()
}

#[test]
fn i9_a_line_that_is_too_long_once_it_is_encoded() {
    let mail = || Mail::try_from("a@example.org").unwrap();
    // `MAIL FROM:<a@example.org> X-OWN=` and CRLF take 34 octets.
    let filled =
        |length: usize| mail().param(format!("X-OWN={}", "x".repeat(length - 34))).unwrap();
    let longest = filled(512);
    let rest = format!("C: MAIL FROM:<a@example.org> {}\nS: 550 no", longest.raw_params().as_str());
    play_on(&[], &rest, async |mut connection| {
        let envelope = Envelope::new(longest, ["b@example.org"]).unwrap();
        assert!(connection.send(&envelope, MailData::new(MESSAGE).unwrap()).await.is_ok());
    });
    let e_acute = |characters| "\u{e9}".repeat(characters);
    for (keywords, mail) in [
        (&[][..], filled(513)),
        // One that is derived counts too, beyond what its extension adds to the limit.
        (&["SIZE"], mail().param(format!("X-OWN={}", "x".repeat(512 + 26 - 34 - 8 + 1))).unwrap()),
        // Octets count, not characters.
        (&["SMTPUTF8", "8BITMIME"], mail().param(format!("X-OWN={}", e_acute(245))).unwrap()),
    ] {
        let error = objection(keywords, mail);
        match error.kind() {
            ErrorKind::Invalid(Invalid {
                flaw: Flaw::CommandTooLong { length, limit }, ..
            }) => {
                assert!(length > limit, "{keywords:?}");
            }
            other => panic!("{keywords:?}: {other:?}"),
        }
        assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
    }
    // Quotes and backslashes count.
    let quotes = "\"".repeat(253);
    play_on(&[], "C: QUIT\nS: 221 bye", async |mut connection| {
        let error = connection.verify(&*quotes).await.unwrap_err();
        let flaw = Flaw::CommandTooLong { length: 515, limit: 512 };
        let invalid = Invalid::new(Field::VerifyArgument, flaw);
        assert!(matches!(error.kind(), ErrorKind::Invalid(found) if *found == invalid));
        connection.quit().await.unwrap();
    });
    // What xtext makes three octets of one is held against the limit of the parameter.
    let mail = mail().with(MailParam::EnvId(Xtext::encode([b'+'; 34])));
    assert!(mail.is_err(), "102 octets where 100 are allowed");
}

#[test]
fn i10_a_plainly_long_line() {
    check_no_address(&format!("{}@example.org", "x".repeat(1100)));
    check_no_address(&format!("\"{}\"@example.org", "x".repeat(1100)));
    check_no_address(&format!("b@{}.org", "x.".repeat(550)));
    assert!("x".repeat(1100).parse::<HelloName>().is_err());
}

#[test]
fn i11_an_address_outside_ascii_without_smtputf8() {
    let lacking = Unsupported::Extension(Extension::SmtpUtf8);
    for (sender, rcpt) in [
        ("\u{fc}@ex.org", "b@ex.org"),
        ("a@ex.org", "\u{fc}@ex.org"),
        ("\u{fc}@\u{fc}.org", "b@ex.org"),
        ("a@ex.org", "\u{fc}@\u{fc}.org"),
        ("\"\u{fc} \"@ex.org", "b@ex.org"),
    ] {
        let rest = "C: QUIT\nS: 221 bye";
        play_on(&["8BITMIME", "PIPELINING"], rest, async |mut connection| {
            let envelope = Envelope::new(sender, [rcpt]).unwrap();
            let outcome = connection.send(&envelope, MailData::new(MESSAGE).unwrap()).await;
            let error = outcome.unwrap_err();
            let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
            assert!(found && !error.in_doubt(), "{error:?}");
            connection.quit().await.unwrap();
        });
    }
}

#[test]
fn i11_a_domain_outside_ascii_is_sent_to_any_server() {
    for offer in [&[][..], &["SMTPUTF8", "8BITMIME"]] {
        let rest = "C: MAIL FROM:<a@xn--bcher-kva.example>\nS: 250 s
C: RCPT TO:<b@xn--bcher-kva.example>\nS: 250 r
C: DATA\nS: 354 go\n[text]\nS: 250 taken
C: VRFY c@xn--tda.example\nS: 252 perhaps";
        play_on(offer, rest, async |mut connection| {
            let envelope =
                Envelope::new("a@b\u{fc}cher.example", ["b@B\u{dc}CHER.example"]).unwrap();
            let delivery =
                connection.send(&envelope, MailData::new(MESSAGE).unwrap()).await.unwrap();
            assert!(delivery.all_accepted());
            let mailbox: Mailbox = "c@\u{fc}.example".parse().unwrap();
            connection.verify(&mailbox).await.unwrap();
        });
    }
}

#[test]
fn i12_odd_unicode_in_an_address() {
    let odd = ('\u{80}'..='\u{9f}')
        .chain(['\u{2028}', '\u{2029}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{feff}'])
        .chain('\u{202a}'..='\u{202e}')
        .chain('\u{2066}'..='\u{2069}');
    for character in odd {
        for text in [
            format!("a{character}b@ex.org"),
            format!("{character}@ex.org"),
            format!("\"a{character}\"@ex.org"),
            format!("a@ex{character}.org"),
            format!("a@{character}"),
        ] {
            check_no_address(&text);
        }
    }
    // A character that looks like a dot or an `@`: a domain that would change its meaning is
    // refused.
    for text in
        ["a@a\u{ff0e}org", "a@a\u{3002}org", "a@a\u{ff61}org", "a\u{ff20}ex.org", "a@\u{2024}org"]
    {
        check_no_address(text);
    }
}

#[test]
fn i13_several_addresses_as_one() {
    for text in [
        "a@b.org,c@d.org",
        "a@b.org, c@d.org",
        "a@b.org c@d.org",
        "a@b.org;c@d.org",
        "<a@b.org>,<c@d.org>",
        "<a@b.org><c@d.org>",
        "a@b.org>,<c@d.org",
        "a@b.org\tc@d.org",
        "group: a@b.org, c@d.org;",
        "A <a@b.org>",
        "@relay.org:a@b.org",
        "@relay.org,@other.org:a@b.org",
        "a@b.org@c.org",
        "a(comment)@b.org",
    ] {
        check_no_address(text);
    }
}

#[test]
fn i15_paths_that_are_empty_or_too_long() {
    assert!(Envelope::new("a@example.org", [""]).is_err());
    assert!(Envelope::new("a@example.org", ["<>"]).is_err());
    assert!(ForwardPath::new("").is_err());
    assert!(Mailbox::new("").is_err());
    let none: [&str; 0] = [];
    let invalid = Envelope::new("a@example.org", none).unwrap_err();
    assert_eq!(invalid, InvalidEnvelope::NoRecipients);
    // With its brackets a path has 256 octets at most.
    let path = |octets: usize| {
        let local = "x".repeat(60);
        let labels = format!("{}.", "y".repeat(60)).repeat(3);
        let rest = octets - 2 - local.len() - 1 - labels.len();
        format!("{local}@{labels}{}", "z".repeat(rest))
    };
    assert!(Envelope::new("a@example.org", [&*path(256)]).is_ok());
    check_no_address(&path(257));
    // Only the sender may be the null path.
    play_on(&[], "C: MAIL FROM:<>\nS: 550 no", async |mut connection| {
        let envelope = Envelope::new("", ["b@example.org"]).unwrap();
        let text = MailData::new(MESSAGE).unwrap();
        assert!(!connection.send(&envelope, &text).await.unwrap().any_accepted());
    });
}
