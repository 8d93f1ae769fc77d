//! Decodes replies from arbitrary octets: no panic, bounded memory, errors that persist, and clean
//! replies that encode to the same octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_codec::{DecodedReply, Deviations, ReplyDecoder, encode_reply};
use smtp_error::MalformedReply;
use smtp_fuzz::{Input, no_limits, policy, replies};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let choice = input.octet();
    let (limits, tolerated) = policy(choice);
    let mut decoder = ReplyDecoder::new(limits, tolerated);
    let greeting = choice & 8 != 0;
    if greeting {
        decoder = decoder.greeting();
    }
    let mut rest = input.rest();
    loop {
        let before = rest.len();
        let decoded = decoder.decode(&mut rest);
        let taken = before - rest.len();
        match decoded {
            Ok(Some(decoded)) => {
                assert!(decoder.is_idle() && taken <= limits.total);
                assert!(decoded.reply.as_bytes().len() <= taken);
                assert!(decoded.reply.lines().count() <= limits.lines);
                assert!(tolerated.contains(decoded.deviations) && decoder.partial().is_empty());
                check(&decoded, greeting);
            }
            Ok(None) => {
                // The decoder may hold only what arrived after the last reply.
                assert!(rest.is_empty() && taken <= limits.total);
                assert_eq!(decoder.is_idle(), taken == 0);
                assert!(decoder.partial().len() <= 1024);
                break;
            }
            Err(malformed) => {
                stays(&mut decoder, malformed, rest);
                break;
            }
        }
    }
});

/// Checks that an error is the result for everything that follows it.
fn stays(decoder: &mut ReplyDecoder, malformed: MalformedReply, rest: &[u8]) {
    for octets in [rest, b"", b"250 OK\r\n"] {
        assert_eq!(decoder.decode(&mut &*octets), Err(malformed));
    }
    assert!(!decoder.is_idle() && malformed.line > 0 && decoder.partial().len() <= 1024);
    assert!(!malformed.to_string().is_empty());
}

fn check(decoded: &DecodedReply, greeting: bool) {
    let DecodedReply { reply, deviations, .. } = decoded;
    let text = reply.as_bytes();
    let has = |deviation, expected: bool| assert_eq!(deviations.contains(deviation), expected);
    let control = |octet: &u8| octet.is_ascii_control() && !matches!(octet, b'\t' | b'\r' | b'\n');
    has(Deviations::BARE_CR, text.contains(&b'\r'));
    has(Deviations::CONTROL, text.iter().any(control));
    has(Deviations::NON_ASCII, !text.is_ascii());
    // The lines of a multiline greeting that ends in a refusal may have other codes.
    let unusual = reply.code().get() / 10 % 10 > 5;
    has(
        Deviations::SECOND_DIGIT,
        unusual || greeting && deviations.contains(Deviations::SECOND_DIGIT),
    );

    let shown = format!("{reply}{reply:?}{:?}", reply.enhanced());
    assert!(!shown.chars().any(|shown| shown.is_control() && shown != '\t'));
    for line in reply.lines() {
        let shown = format!("{}{}{:?}", line.printable(), line.text(), line.enhanced());
        assert!(!shown.chars().any(|shown| shown.is_control() && shown != '\t'));
    }

    let mut encoded = Vec::new();
    encode_reply(reply, &mut encoded);
    let mut decoder = ReplyDecoder::new(no_limits(), Deviations::all());
    let (again, None) = replies(&mut decoder, [&*encoded].into_iter()) else {
        panic!("an encoded reply is malformed")
    };
    let [again] = &*again else { panic!("{} replies were made of one", again.len()) };
    let unclean = Deviations::BARE_CR | Deviations::CONTROL;
    if deviations.intersects(unclean) {
        let clean = |octet: &u8| if control(octet) || *octet == b'\r' { b'?' } else { *octet };
        let cleaned: Vec<u8> = text.iter().map(clean).collect();
        assert_eq!(again.reply.as_bytes(), cleaned);
    } else {
        assert_eq!(again.reply, *reply);
    }
    // The encoder adds a space after a code alone and a CR before a bare LF; both may make a line
    // too long.
    let kept = *deviations | Deviations::EMPTY_TEXT | Deviations::LONG_LINE;
    assert!(kept.contains(again.deviations) && !again.deviations.intersects(unclean));
}
