//! Message texts of 64 KiB to 1 MiB: dot-stuffing, its reversal, and the examination of a text.
use std::{hint::black_box, sync::LazyLock};

use bytes::Bytes;
use smtp_codec::{BareLineEnds, MailData, Stuffer, Unstuffed, Unstuffer};
use smtp_proto::request::receiver::DataReceiver;

use super::{Case, OURS, Peer, WELL_FORMED, Work};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "stuff-64-kib",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || stuff(mail(64 * KIB)) },
            Peer { name: "ours, not copied", connect: || stuff_slices(mail(64 * KIB)) },
            Peer { name: "memcpy", connect: || copy(mail(64 * KIB)) },
        ],
    },
    Case {
        name: "stuff-256-kib",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || stuff(mail(256 * KIB)) },
            Peer { name: "ours, not copied", connect: || stuff_slices(mail(256 * KIB)) },
            Peer { name: "memcpy", connect: || copy(mail(256 * KIB)) },
        ],
    },
    Case {
        name: "stuff-1-mib",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || stuff(mail(1024 * KIB)) },
            Peer { name: "ours, not copied", connect: || stuff_slices(mail(1024 * KIB)) },
            Peer { name: "memcpy", connect: || copy(mail(1024 * KIB)) },
        ],
    },
    Case {
        name: "stuff-dots",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || stuff(&DOTS) },
            Peer { name: "memcpy", connect: || copy(&DOTS) },
        ],
    },
    Case {
        name: "unstuff-mail",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || unstuff(&STUFFED) },
            Peer { name: "smtp-proto", connect: || proto(&STUFFED) },
            Peer { name: "memcpy", connect: || copy(&STUFFED) },
        ],
    },
    Case {
        name: "unstuff-dots",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || unstuff(&STUFFED_DOTS) },
            Peer { name: "smtp-proto", connect: || proto(&STUFFED_DOTS) },
            Peer { name: "memcpy", connect: || copy(&STUFFED_DOTS) },
        ],
    },
    Case {
        name: "text-scan",
        calls: 4,
        peers: &[
            Peer { name: OURS, connect: || scan(mail(256 * KIB)) },
            Peer { name: "memchr", connect: || search(mail(256 * KIB)) },
            Peer { name: "memcpy", connect: || copy(mail(256 * KIB)) },
        ],
    },
];

const KIB: usize = 1024;

/// A small header section and lines of 70 columns, of which one in a hundred begins with a dot.
static MAIL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let header = b"From: alice@example.org\r\nTo: bob@example.com\r\nSubject: a report\r\n\r\n";
    let mut text = header.to_vec();
    let words = "the mail went out. It took its time, as every mail does that has far to go; ";
    let mut number = 0;
    while text.len() < 1024 * KIB {
        let dot = if number % 100 == 99 { "." } else { "" };
        let from = number % words.len();
        let line = format!("{dot}{}{}", &words[from..], &words[..from]);
        text.extend_from_slice(&line.as_bytes()[..70]);
        text.extend_from_slice(b"\r\n");
        number += 1;
    }
    text
});

/// Short lines, each of which begins with a dot.
static DOTS: LazyLock<Vec<u8>> = LazyLock::new(|| b"..a dot.\r\n".repeat(256 * KIB / 10));

/// The first octets of that mail.
fn mail(size: usize) -> &'static [u8] {
    &MAIL[..size]
}

static STUFFED: LazyLock<Vec<u8>> = LazyLock::new(|| stuffed(mail(256 * KIB)));
static STUFFED_DOTS: LazyLock<Vec<u8>> = LazyLock::new(|| stuffed(&DOTS));

fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stuffer = Stuffer::new();
    stuffer.stuff(text).for_each(|slice| out.extend_from_slice(slice));
    out.extend_from_slice(stuffer.end());
    out
}

fn stuff(text: &'static [u8]) -> Work {
    let mut out = Vec::with_capacity(2 * text.len());
    Box::new(move || {
        out.clear();
        let mut stuffer = Stuffer::new();
        stuffer.stuff(black_box(text)).for_each(|slice| out.extend_from_slice(slice));
        out.extend_from_slice(stuffer.end());
        black_box(out.as_slice());
    })
}

fn stuff_slices(text: &'static [u8]) -> Work {
    Box::new(move || {
        let mut stuffer = Stuffer::new();
        stuffer.stuff(black_box(text)).for_each(|slice| _ = black_box(slice));
        black_box(stuffer.end());
    })
}

fn unstuff(text: &'static [u8]) -> Work {
    let mut out = Vec::with_capacity(text.len());
    Box::new(move || {
        out.clear();
        let mut input = black_box(text);
        let mut unstuffer = Unstuffer::new(BareLineEnds::Keep);
        while let Some(Unstuffed::Text(piece)) = unstuffer.next(&mut input) {
            out.extend_from_slice(piece);
        }
        black_box((out.as_slice(), unstuffer.flaws()));
    })
}

fn proto(text: &'static [u8]) -> Work {
    let mut out = Vec::with_capacity(text.len());
    Box::new(move || {
        out.clear();
        assert!(DataReceiver::new().ingest(&mut black_box(text).iter(), &mut out));
        black_box(out.as_slice());
    })
}

fn scan(text: &'static [u8]) -> Work {
    Box::new(move || {
        let octets = Bytes::from_static(black_box(text));
        black_box(MailData::new(octets).expect(WELL_FORMED));
    })
}

/// The cost of finding the line ends alone.
fn search(text: &'static [u8]) -> Work {
    Box::new(move || {
        black_box(memchr::memchr_iter(b'\n', black_box(text)).fold(0, |sum, at| sum ^ at));
    })
}

/// The minimum: the cost of copying a text.
fn copy(text: &'static [u8]) -> Work {
    let mut out = Vec::with_capacity(2 * text.len());
    Box::new(move || {
        out.clear();
        out.extend_from_slice(black_box(text));
        black_box(out.as_slice());
    })
}
