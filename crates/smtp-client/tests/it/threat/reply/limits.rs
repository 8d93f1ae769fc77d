//! Replies beyond the limits: rows R1 to R3 and R25.
use std::time::{Duration, Instant};

use smtp_client::{
    Error, ErrorKind, Misbehaved, ReplyFault, ReplyLimits,
    session::{Dialect, Hello, Session},
};
use smtp_codec::{Deviations, ReplyDecoder};

use super::{fault, flood::Flood};
use crate::{
    stage::{connector, perform},
    wait_timeout::bounds,
};

/// What a flood comes to, how much of it was taken, and the most octets that were allocated at a
/// time.
fn flooded(first: &'static str, again: &'static str, most: usize) -> (Error, usize, u64) {
    let mut found = None;
    let allocated = allocation_counter::measure(|| {
        let (flood, watch) = Flood::new(first, again, most);
        let connector = connector(Dialect::Smtp).timeouts(bounds());
        let error = perform(async { connector.connect_over(flood).await.unwrap_err() });
        found = Some((error, watch.said()));
    });
    let (error, said) = found.unwrap();
    (error, said, allocated.bytes_max)
}

/// The number of octets per read.
const READ: usize = 16 * 1024;

const MEBIBYTE: u64 = 1 << 20;

/// The flood is stopped by this limit, soon and in little memory, however it is cut.
#[track_caller]
fn check_flood(first: &'static str, again: &'static str, expected: ReplyFault) {
    for most in [1, 7, 1000, usize::MAX] {
        let (error, said, memory) = flooded(first, again, most);
        assert_eq!(fault(&error), Some(expected), "{again:?}: {error:?}");
        assert!(said <= ReplyLimits::default().total + READ, "{again:?}: {said} octets were taken");
        assert!(memory < MEBIBYTE, "{again:?}: {memory} octets were allocated");
    }
}

const GREETED: &str = "220 hi\r\n";

#[test]
fn r1_an_endless_line() {
    let fault = ReplyFault::LineTooLong { limit: 4096 };
    check_flood("", "x", fault);
    check_flood("", "220 ", fault);
    check_flood("", "\r", fault);
    check_flood("", "\0", fault);
    check_flood("", "250-", fault);
    check_flood(GREETED, "250 x", fault);
    check_flood(GREETED, "250-SIZE ", fault);
}

#[test]
fn r2_endless_lines() {
    let lines = ReplyFault::TooManyLines { limit: 512 };
    check_flood("", "220-\r\n", lines);
    check_flood("", "220-x\r\n", lines);
    check_flood("", "220-\n", lines);
    check_flood(GREETED, "250-a much longer line that is not yet over any limit\r\n", lines);
    let long: &str = format!("250-{}\r\n", "x".repeat(4000)).leak();
    check_flood(GREETED, long, ReplyFault::TooLong { limit: 65_536 });
    let mixed: &str = format!("250-{}\r\n250-\r\n250-x\r\n", "x".repeat(1000)).leak();
    check_flood(GREETED, mixed, ReplyFault::TooLong { limit: 65_536 });
}

#[test]
fn r2_replies_without_end() {
    let mut said = 0;
    let allocated = allocation_counter::measure(|| {
        let (flood, watch) = Flood::new(GREETED, "250 hi\r\n", usize::MAX);
        perform(async {
            // The first of them answers EHLO, and no command is pending for the others.
            let mut connection = connector(Dialect::Smtp).connect_over(flood).await.unwrap();
            let error = connection.noop().await.unwrap_err();
            let unasked = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Unsolicited(_)));
            assert!(unasked, "{error:?}");
            assert!(matches!(connection.noop().await.unwrap_err().kind(), ErrorKind::Ended(_)));
        });
        said = watch.said();
    });
    assert!(said <= 16 * READ, "{said} octets were taken");
    assert!(allocated.bytes_max < MEBIBYTE, "{allocated:?}");
}

#[test]
fn r3_an_offer_without_end() {
    check_flood(GREETED, "250-X000001\r\n", ReplyFault::TooManyLines { limit: 512 });
    // The longest that is taken costs memory in step with it: it is kept once, as it came.
    let offer = format!("250-{}\r\n", "X".repeat(120)).repeat(511) + "250 end\r\n";
    let allocated = allocation_counter::measure(|| {
        let mut session = Session::default();
        let mut run = session.run(Hello::after_greeting()).unwrap();
        run.receive(GREETED.as_bytes());
        run.next();
        run.wrote(run.output().len());
        run.receive(offer.as_bytes());
        run.finish().unwrap();
        assert_eq!(session.capabilities().iter().count(), 511);
    });
    let size = offer.len() as u64;
    assert!(allocated.bytes_max < 4 * size, "{} for {size}", allocated.bytes_max);
}

#[test]
fn r25_the_cost_of_parsing_is_linear() {
    let mut limits = ReplyLimits::default();
    (limits.line, limits.lines, limits.total) = (1 << 22, 1 << 22, 1 << 22);
    let line = [b"250 ", &[b'x'; 1 << 20][..], b"\r\n"].concat();
    let lines = [&b"250-x\r\n".repeat(150_000)[..], b"250 end\r\n"].concat();
    let crs = [b"250 ", &[b'\r'; 1 << 20][..], b"\n"].concat();
    for octets in [line, lines, crs] {
        for size in [1, 3, 1000, octets.len()] {
            let begun = Instant::now();
            let mut replies = 0;
            let allocated = allocation_counter::measure(|| {
                let mut decoder = ReplyDecoder::new(limits, Deviations::TOLERANT);
                for mut piece in octets.chunks(size) {
                    replies += usize::from(decoder.decode(&mut piece).unwrap().is_some());
                }
            });
            assert_eq!(replies, 1);
            // Buffers that double come to four times what they hold at the end; what is quadratic
            // would take hours.
            assert!(allocated.bytes_total < 16 * MEBIBYTE, "{size}: {allocated:?}");
            // No measure of speed: a busy machine may be ten times as slow as an idle one.
            assert!(begun.elapsed() < Duration::from_secs(120), "{size}: {:?}", begun.elapsed());
        }
    }
}
