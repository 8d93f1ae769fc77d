//! Malformed and unusual replies: rows R4 to R18 and R24.
use std::time::Duration;

use smtp_client::{
    EnhancedCode, Error, ErrorKind, MalformedReply, Misbehaved, Reply, ReplyFault, Step,
    session::Dialect,
};
use smtp_codec::{Deviations, ReplyDecoder};

use super::{BOTH, Fate, STEPS, answered, asked, came_of, good, good_but, raw};

mod flood;
mod limits;

/// What makes a reply malformed.
fn fault(error: &Error) -> Option<ReplyFault> {
    match error.kind() {
        ErrorKind::Misbehaved(Misbehaved::Malformed(MalformedReply { fault, .. })) => Some(*fault),
        _ => None,
    }
}

/// The first octets of the right answer to a step.
fn good_code(step: Step) -> u16 {
    match step {
        Step::Greeting => 220,
        Step::Data => 354,
        _ => 250,
    }
}

/// A client that receives this at this step learns nothing, and closes at once.
#[track_caller]
fn check_malformed(dialect: Dialect, step: Step, answer: &str) -> ReplyFault {
    let came = answered(dialect, step, answer);
    let expected = if step == Step::EndOfText { Fate::InDoubt } else { Fate::NotSent };
    assert_eq!(came.spent(), expected, "{step}: {answer}");
    assert_eq!((came.error().step(), came.elapsed), (step, Duration::ZERO), "{answer}");
    fault(came.error()).unwrap_or_else(|| panic!("{step}: {answer}: {:?}", came.outcome))
}

#[test]
fn r4_codes_that_differ_within_one_reply() {
    for dialect in BOTH {
        for step in STEPS {
            let right = good_code(step);
            for (first, then) in [(right, 550), (550, right), (right, 421), (right, right + 1)] {
                // The last line of a greeting may refuse: that is the server's decision.
                if step == Step::Greeting && then >= 400 {
                    continue;
                }
                let answer = format!("S: {first}-fine\nS: {then} no\n[expect-close]");
                let fault = check_malformed(dialect, step, &answer);
                assert!(matches!(fault, ReplyFault::CodeChanged { .. }), "{answer}: {fault:?}");
            }
        }
    }
}

/// A message that is accepted if every reply is in these octets.
#[track_caller]
fn check_taken(form: impl Fn(u16) -> Vec<u8>) {
    for dialect in BOTH {
        let mut script = String::new();
        for line in good(dialect).lines() {
            match line.strip_prefix("S: ") {
                Some(reply) => script += &raw(&form(reply[..3].parse().unwrap())),
                None => script += &format!("{line}\n"),
            }
        }
        let came = came_of(dialect, &(script + "C: NOOP\nS: 250 ok"));
        assert_eq!((came.alive(), came.elapsed), (Fate::Accepted, Duration::ZERO));
    }
}

#[test]
fn r5_a_code_and_nothing_more() {
    check_taken(|code| format!("{code}\r\n").into_bytes());
}

#[test]
fn r6_an_empty_text() {
    check_taken(|code| format!("{code}-\r\n{code} \r\n").into_bytes());
    check_taken(|code| format!("{code} \r\n").into_bytes());
    check_taken(|code| format!("{code}-\r\n{code}-\r\n{code}\r\n").into_bytes());
}

#[test]
fn r7_a_second_digit_above_five() {
    for (code, fate) in [
        (571, Fate::Never),
        (572, Fate::Never),
        (579, Fate::Never),
        (598, Fate::Never),
        (471, Fate::Later),
        (469, Fate::Later),
    ] {
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::EndOfText] {
            let answer = format!("S: {code} 5.7.1 Delivery not authorized\nC: NOOP\nS: 250 ok");
            let came = answered(Dialect::Smtp, step, &answer);
            assert_eq!(came.alive(), fate, "{code} at {step}");
            assert_eq!(came.reply().code().get(), code);
        }
    }
}

#[test]
fn r8_codes_that_no_server_may_send() {
    for dialect in BOTH {
        for step in STEPS {
            for code in ["000", "099", "100", "120", "199", "600", "699", "999"] {
                let fault = check_malformed(dialect, step, &format!("S: {code} hm"));
                assert_eq!(fault, ReplyFault::Code, "{code}");
            }
        }
    }
}

#[test]
fn r9_what_is_no_code() {
    for step in STEPS {
        let code = good_code(step);
        for line in [
            "25".to_owned(),
            "2".to_owned(),
            String::new(),
            "12345".to_owned(),
            format!("{code}0 ok"),
            format!("{code}ok"),
            format!("{code}\tok"),
            format!("{code}_ok"),
            format!("{code}\0ok"),
            format!(" {code} ok"),
            format!("+{code} ok"),
            format!("-{code} ok"),
            format!("0{code} ok"),
            "2a0 ok".to_owned(),
            "\u{ff12}50 ok".to_owned(),
            "OK".to_owned(),
        ] {
            let fault =
                check_malformed(Dialect::Smtp, step, &raw(format!("{line}\r\n").as_bytes()));
            assert!(
                matches!(fault, ReplyFault::Code | ReplyFault::Separator),
                "{line:?}: {fault:?}"
            );
        }
    }
}

#[test]
fn r10_lf_alone_ends_a_line() {
    check_taken(|code| format!("{code} ok\n").into_bytes());
    check_taken(|code| format!("{code}-a\n{code} b\n").into_bytes());
    check_taken(|code| format!("{code}\n").into_bytes());
    let came = answered(Dialect::Smtp, Step::Rcpt, &(raw(b"550 no\n") + "C: NOOP\nS: 250 ok"));
    assert_eq!((came.alive(), came.elapsed), (Fate::Never, Duration::ZERO));
}

#[test]
fn r11_more_cr_than_there_should_be() {
    check_taken(|code| format!("{code} ok\r\r\n").into_bytes());
    check_taken(|code| format!("{code}-a\r\r\r\n{code} b\r\r\n").into_bytes());
    check_taken(|code| format!("{code} o\rk\r\n").into_bytes());
    for octets in [&b"550 no\r\r\n"[..], b"550 n\ro\r\n", b"550-n\r\r\n550 \ro\r\r\n", b"550\r\r\n"]
    {
        let refused = |pieces: &[&[u8]]| {
            let pieces: String = pieces.iter().map(|piece| raw(piece)).collect();
            let came = answered(Dialect::Smtp, Step::Rcpt, &(pieces + "C: NOOP\nS: 250 ok"));
            assert_eq!(came.alive(), Fate::Never, "{}", octets.escape_ascii());
            came.reply().clone()
        };
        let whole = refused(&[octets]);
        assert!(whole.lines().all(|line| !line.text().contains(['\r', '\n'])), "{whole:?}");
        for cut in 1..octets.len() {
            assert_eq!(refused(&[&octets[..cut], &octets[cut..]]), whole, "{cut}");
        }
    }
}

/// The reply that a recipient is refused with in these octets.
#[track_caller]
fn refusal(octets: &[u8]) -> Reply {
    let came = answered(Dialect::Smtp, Step::Rcpt, &(raw(octets) + "C: NOOP\nS: 250 ok"));
    assert_eq!(came.alive(), Fate::Never, "{}", octets.escape_ascii());
    came.reply().clone()
}

#[test]
fn r12_text_in_latin_1() {
    let reply = refusal(b"550 5.1.1 Usu\xe1rio desconhecido\r\n");
    assert_eq!(reply.as_bytes(), b"5.1.1 Usu\xe1rio desconhecido");
    assert_eq!(reply.enhanced(), EnhancedCode::new(5, 1, 1));
    assert_eq!(reply.to_string(), "550 5.1.1 Usu\u{fffd}rio desconhecido");
}

#[test]
fn r13_control_octets_in_the_text() {
    let reply = refusal(b"550-bad\0\x1b[2J\x07 name\r\n550 \xc2\x9b2J\xe2\x80\xae\r\n");
    assert_eq!(reply.as_bytes(), b"bad\0\x1b[2J\x07 name\n\xc2\x9b2J\xe2\x80\xae");
    let came =
        answered(Dialect::Smtp, Step::Greeting, &(raw(b"554 \x1b]0;x\x07\r\n") + "\nC: QUIT"));
    let mut shown = vec![reply.to_string(), format!("{reply:?}"), came.error().to_string()];
    shown.push(format!("{:?}", came.outcome));
    shown.extend(reply.lines().flat_map(|line| [line.text().into(), line.printable().into()]));
    for shown in shown {
        let unsafe_to_show = |one: char| one.is_control() || one == '\u{202e}';
        assert!(!shown.contains(unsafe_to_show), "{shown:?}");
    }
}

#[test]
fn r14_a_character_that_is_cut_by_a_segment() {
    let octets = "550 caf\u{e9} \u{20ac} \u{1f4ee} closed\r\n".as_bytes();
    for cut in 1..octets.len() {
        let pieces = raw(&octets[..cut]) + &raw(&octets[cut..]);
        let came = answered(Dialect::Smtp, Step::Rcpt, &(pieces + "C: NOOP\nS: 250 ok"));
        let text = came.reply().lines().next().unwrap().text().into_owned();
        assert_eq!(text, "caf\u{e9} \u{20ac} \u{1f4ee} closed");
    }
}

#[test]
fn r15_an_enhanced_code_at_odds_with_the_reply() {
    for text in [
        "2.1.1 x",
        "4.1.1 x",
        "5.1234.1 x",
        "5.1. x",
        "5..1 x",
        "5.1 x",
        "5.1.1x",
        "55.1.1 x",
        "5.1.1234 x",
        ".5.1.1",
    ] {
        let reply = refusal(format!("550 {text}\r\n").as_bytes());
        assert_eq!(reply.enhanced(), None, "{text}");
        assert_eq!(reply.as_bytes(), text.as_bytes(), "nothing of the text is lost");
    }
    // What is accepted stays accepted, and what is refused for now is not refused for good.
    let odd = good_but(Dialect::Smtp, Step::EndOfText, "S: 250 5.7.1 taken");
    assert_eq!(came_of(Dialect::Smtp, &(odd + "C: NOOP\nS: 250 ok")).alive(), Fate::Accepted);
    let came = answered(Dialect::Smtp, Step::Rcpt, "S: 450 5.1.1 x\nC: NOOP\nS: 250 ok");
    assert_eq!(came.alive(), Fate::Later);
}

#[test]
fn r16_an_empty_line_between_two_replies() {
    for step in STEPS {
        for blank in ["\r\n", "\n", "\r\n\r\n", "\r"] {
            let octets = format!("{} ok\r\n{blank}", good_code(step));
            let script = format!("{}{}", asked(Dialect::Smtp, step), raw(octets.as_bytes()));
            // It does not answer what comes next, nor is it passed over.
            if step == Step::EndOfText {
                let came = came_of(Dialect::Smtp, &script);
                assert_eq!(super::fate(&came.outcome), Fate::Accepted);
                let later = came.later.unwrap().unwrap_err();
                assert!(matches!(later.kind(), ErrorKind::Misbehaved(_)), "{later:?}");
            } else if blank != "\r" {
                let came = came_of(Dialect::Smtp, &script);
                assert_eq!(super::fate(&came.outcome), Fate::NotSent, "{step} {blank:?}");
                assert!(
                    matches!(came.error().kind(), ErrorKind::Misbehaved(_)),
                    "{:?}",
                    came.outcome
                );
            }
        }
    }
}

#[test]
fn r17_a_short_last_line() {
    for octets in [&b"553-\r\n553\r\n"[..], b"553-\n553\n", b"553-\r\n553-\r\n553\r\n"] {
        let reply = refusal(octets);
        assert_eq!(reply.code().get(), 553);
        assert!(reply.lines().all(|line| line.as_bytes().is_empty()), "{reply:?}");
        assert_eq!((reply.enhanced(), reply.to_string().trim_end_matches(" / ")), (None, "553"));
    }
    // Each of these is cut in the middle of a reply: there is no reading on past its end.
    for octets in
        [&b"553-\r\n55\r\n"[..], b"553-\r\n5\r\n", b"553-\r\n\r\n", b"553-5.\r\n553-\r\n553x"]
    {
        let end = if octets.ends_with(b"\n") { "" } else { "[close]" };
        let came = answered(Dialect::Smtp, Step::Rcpt, &(raw(octets) + end));
        assert_eq!(came.spent(), Fate::NotSent);
    }
}

/// Replies of every form that is accepted.
const FORMS: [&[u8]; 22] = [
    b"250 ok\r\n",
    b"250\r\n",
    b"250 \r\n",
    b"250-\r\n250 \r\n",
    b"250-a\r\n250-b\r\n250 c\r\n",
    b"550 5.1.1 no such user\r\n",
    b"550-5.7.1 a\r\n550 5.7.1 b\r\n",
    b"450 4.2.0 later\r\n",
    b"550 no\n",
    b"250-a\n250 b\n",
    b"250 ok\r\r\n",
    b"250 o\rk\r\n",
    b"354 go\r\n",
    b"354\n",
    b"550 caf\xc3\xa9\r\n",
    b"550 caf\xe9\r\n",
    b"550 a\0b\x1b\r\n",
    b"571 5.7.1 no\r\n",
    b"553-\r\n553\r\n",
    b"221 2.0.0 bye\r\n",
    b"421 4.4.2 timeout\r\n",
    b"250 2.1.0\r\n",
];

/// What a decoder makes of octets that come in these pieces.
fn decoded(pieces: &[&[u8]]) -> Vec<(Reply, Deviations)> {
    let mut decoder = ReplyDecoder::default();
    let mut found = Vec::new();
    for mut piece in pieces.iter().copied() {
        while let Some(one) = decoder.decode(&mut piece).unwrap() {
            found.push((one.reply, one.deviations));
        }
    }
    assert!(decoder.is_idle());
    found
}

#[test]
fn r18_nothing_is_left_of_the_reply_before() {
    for first in FORMS {
        for second in FORMS {
            let apart = [decoded(&[first]), decoded(&[second])].concat();
            assert_eq!(decoded(&[first, second]), apart);
            assert_eq!(decoded(&[&[first, second].concat()]), apart);
        }
    }
    // A long reply of many lines with a code, then a short one without.
    let script = asked(Dialect::Smtp, Step::Mail)
        + "S: 250-2.1.0 a sender that is long\nS: 250 2.1.0 and welcome
C: RCPT TO:<b@example.org>\nS: 550 hm\nC: NOOP\nS: 250 ok";
    let came = came_of(Dialect::Smtp, &script);
    assert_eq!(came.alive(), Fate::Never);
    assert_eq!((came.reply().enhanced(), came.reply().as_bytes()), (None, &b"hm"[..]));
    // Nor of what is left when a reply was no reply: the decoder takes nothing more.
    let mut decoder = ReplyDecoder::default();
    let failed = decoder.decode(&mut &b"250-a\r\n550 b\r\n"[..]).unwrap_err();
    assert_eq!(decoder.decode(&mut &b"250 ok\r\n"[..]).unwrap_err(), failed);
}

#[test]
fn r24_any_cut_gives_the_same_replies() {
    for octets in FORMS {
        let whole = decoded(&[octets]);
        assert_eq!(whole.len(), 1);
        for first in 0..=octets.len() {
            for second in first..=octets.len() {
                let pieces = [&octets[..first], &octets[first..second], &octets[second..]];
                assert_eq!(decoded(&pieces), whole, "{}", octets.escape_ascii());
            }
        }
    }
    let all = FORMS.concat();
    let whole = decoded(&[&all]);
    assert_eq!(whole.len(), FORMS.len());
    for size in 1..20 {
        assert_eq!(decoded(&all.chunks(size).collect::<Vec<_>>()), whole, "{size}");
    }
    // The same over a connection.
    for size in 1..10 {
        let script = good(Dialect::Smtp).replace("S: ", &format!("[split {size}]\nS: "));
        let came = came_of(Dialect::Smtp, &(script + "C: NOOP\nS: 250 ok"));
        assert_eq!(came.alive(), Fate::Accepted);
    }
}
