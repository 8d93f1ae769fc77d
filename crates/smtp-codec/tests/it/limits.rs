//! How much of a reply a decoder takes, and what it does after an error.

use smtp_codec::{Deviations, ReplyDecoder, ReplyLimits};
use smtp_error::{MalformedReply, ReplyFault};

fn limits(line: usize, lines: usize, total: usize) -> ReplyLimits {
    let mut limits = ReplyLimits::default();
    (limits.line, limits.lines, limits.total) = (line, lines, total);
    limits
}

/// A decoder with these limits takes these octets as one whole reply, or refuses them for this
/// fault, in one piece and octet by octet.
#[track_caller]
fn check(limits: ReplyLimits, wire: &[u8], expected: Result<(), MalformedReply>) {
    for size in [wire.len(), 1] {
        let mut decoder = ReplyDecoder::new(limits, Deviations::all());
        let mut found = Ok(None);
        for mut piece in wire.chunks(size) {
            found = decoder.decode(&mut piece);
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        assert_eq!(found.map(|reply| assert!(reply.is_some())), expected, "pieces of {size}");
    }
}

/// One line of this many octets, its end included.
fn line(start: &str, octets: usize) -> String {
    format!("{start}{}\r\n", "x".repeat(octets - start.len() - 2))
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    let too_long = |line| Err(MalformedReply::new(ReplyFault::LineTooLong { limit: 20 }, line, 20));
    let small = limits(20, 9, 999);
    check(small, line("250 ", 20).as_bytes(), Ok(()));
    check(small, line("250 ", 21).as_bytes(), too_long(1));
    let last_too_long = line("250-", 20) + &line("250 ", 21);
    check(small, last_too_long.as_bytes(), too_long(2));
    check(small, b"250 3456789012345678\n", too_long(1));
    check(small, b"250 345678901234567\n", Ok(()));

    let default = ReplyLimits::default();
    check(default, line("250 ", 4096).as_bytes(), Ok(()));
    let fault = ReplyFault::LineTooLong { limit: 4096 };
    check(default, line("250 ", 4097).as_bytes(), Err(MalformedReply::new(fault, 1, 4096)));
}

#[test]
fn a_reply_may_have_as_many_lines_as_the_limit() {
    let reply = |lines: usize| "250-x\r\n".repeat(lines - 1) + "250 x\r\n";
    let too_many = |limit| MalformedReply::new(ReplyFault::TooManyLines { limit }, limit + 1, 0);
    check(limits(20, 3, 999), reply(3).as_bytes(), Ok(()));
    check(limits(20, 3, 999), reply(4).as_bytes(), Err(too_many(3)));
    check(limits(20, 1, 999), reply(1).as_bytes(), Ok(()));
    check(limits(20, 1, 999), reply(2).as_bytes(), Err(too_many(1)));
    check(ReplyLimits::default(), reply(512).as_bytes(), Ok(()));
    check(ReplyLimits::default(), reply(513).as_bytes(), Err(too_many(512)));
}

#[test]
fn a_reply_may_be_as_long_as_the_limit() {
    let reply = |octets: usize| line("250-", 10) + &line("250-", 10) + &line("250 ", octets - 20);
    let too_long = |limit, line| MalformedReply::new(ReplyFault::TooLong { limit }, line, 0);
    check(limits(20, 9, 30), reply(30).as_bytes(), Ok(()));
    check(limits(20, 9, 30), reply(31).as_bytes(), Err(too_long(30, 3)));
    check(limits(20, 9, 9), reply(30).as_bytes(), Err(too_long(9, 1)));

    let full = line("250-", 4096).repeat(15);
    check(ReplyLimits::default(), (full.clone() + &line("250 ", 4096)).as_bytes(), Ok(()));
    let over = full + &line("250-", 4090) + &line("250 ", 7);
    check(ReplyLimits::default(), over.as_bytes(), Err(too_long(65_536, 17)));
}

#[test]
fn of_two_limits_the_one_that_is_passed_first_counts() {
    let long = line("250-", 15) + &line("250 ", 30);
    let line_too_long = MalformedReply::new(ReplyFault::LineTooLong { limit: 20 }, 2, 20);
    let reply_too_long = MalformedReply::new(ReplyFault::TooLong { limit: 30 }, 2, 0);
    check(limits(20, 9, 36), long.as_bytes(), Err(line_too_long));
    check(limits(20, 9, 35), long.as_bytes(), Err(line_too_long));
    check(limits(20, 9, 30), long.as_bytes(), Err(reply_too_long));
}

#[test]
fn limits_count_from_zero_for_each_reply() {
    let mut decoder = ReplyDecoder::new(limits(10, 2, 20), Deviations::all());
    let replies = "250-3456\r\n250 3456\r\n".repeat(50);
    let mut input = replies.as_bytes();
    for _ in 0..50 {
        assert!(decoder.decode(&mut input).unwrap().is_some());
    }
    assert!(input.is_empty() && decoder.is_idle());
}

/// Feeds these octets again and again; gives how many were taken before the decoder gave up.
fn endure(start: &[u8], again: &[u8]) -> (usize, ReplyFault) {
    let mut decoder = ReplyDecoder::default();
    assert_eq!(decoder.decode(&mut &start[..]), Ok(None));
    let mut taken = start.len();
    loop {
        match decoder.decode(&mut &again[..]) {
            Ok(None) => taken += again.len(),
            Ok(Some(_)) => unreachable!("the reply has no end"),
            Err(error) => return (taken, error.fault),
        }
    }
}

#[test]
fn an_endless_line_is_given_up_at_the_limit() {
    let fault = ReplyFault::LineTooLong { limit: 4096 };
    assert_eq!(endure(b"220 ", b"x"), (4096, fault));
    assert_eq!(endure(b"220 ", &[b'x'; 1000]), (4004, fault));
    assert_eq!(endure(b"", &[b'\r'; 64]), (4096, fault));
    assert_eq!(endure(b"", &[0; 5000]), (0, fault));
}

#[test]
fn an_endless_reply_is_given_up_at_the_limit() {
    assert_eq!(endure(b"", b"250-\r\n"), (512 * 6, ReplyFault::TooManyLines { limit: 512 }));
    let long = line("250-", 256);
    let fault = ReplyFault::TooLong { limit: 65_536 };
    assert_eq!(endure(b"", long.as_bytes()), (65_536, fault));
}

#[test]
fn an_error_is_repeated_and_nothing_more_is_taken() {
    for wire in ["250ok\r\n", "250-a\r\n550 b\r\n", "250\tok\r\n", "\r\n"] {
        let mut decoder = ReplyDecoder::default();
        let error = decoder.decode(&mut wire.as_bytes()).unwrap_err();
        for mut more in [&b"250 ok\r\n"[..], b"", b"x"] {
            let before = more;
            assert_eq!(decoder.decode(&mut more), Err(error));
            assert_eq!(more, before);
        }
    }
}
