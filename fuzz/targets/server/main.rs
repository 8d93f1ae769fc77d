//! The session of a server with arbitrary clients: it must not panic, give each message one end,
//! accept nothing that was not accepted, and come to the same for every cut of the octets.
#![no_main]

mod driver;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use smtp_codec::{Deviations, Mechanism};
use smtp_error::{Extension, Invalid};
use smtp_fuzz::{Cuts, Input};
use smtp_server::{BareOctets, Bounds, Settings, StartTls};

use driver::{Driver, Told};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (flags, more) = (input.octet(), input.octet());
    let cuts = input.cuts();
    let settings = Arc::new(settings(flags, more));
    let octets = input.rest();
    let whole = play(&settings, more, octets, Cuts::NONE);
    let cut = play(&settings, more, octets, cuts);
    // TLS begins with what comes in the same piece. Which of two faults of a message is found first
    // depends on the cut, and so does what is dropped of it then.
    let (has_tls, has_limits) = (flags & 8 != 0, flags & (16 | 64) != 0);
    if !has_tls && !has_limits {
        assert_eq!(cut, whole);
    }
});

/// Plays a session, and returns what it was told and what it wrote.
fn play(settings: &Arc<Settings>, more: u8, octets: &[u8], cuts: Cuts<'_>) -> Told {
    let mut driver = Driver::new(settings, more);
    driver.feed(b"");
    for piece in cuts.pieces(octets) {
        driver.feed(piece);
    }
    driver.finish()
}

/// The settings that the flags stand for.
fn settings(flags: u8, more: u8) -> Settings {
    let builder = match flags & 1 {
        0 => Settings::smtp("mx.example.org"),
        _ => Settings::lmtp("mx.example.org"),
    };
    let bare = match flags >> 1 & 3 {
        0 => BareOctets::Keep,
        1 => BareOctets::Normalize,
        _ => BareOctets::Refuse,
    };
    let starttls = if flags & 8 == 0 { StartTls::Absent } else { StartTls::Offered };
    let mechanisms = [
        Mechanism::PLAIN,
        Mechanism::LOGIN,
        Mechanism::CRAM_MD5,
        Mechanism::SCRAM_SHA_256,
        Mechanism::OAUTHBEARER,
        Mechanism::XOAUTH2,
        Mechanism::EXTERNAL,
    ];
    let mut builder = builder
        .bare_octets(bare)
        .starttls(starttls)
        .auth(mechanisms)
        .passwords_in_clear()
        .size(if flags & 16 == 0 { 0 } else { 64 })
        .offer(|offer| {
            let extensions = [
                Extension::BinaryMime,
                Extension::Prdr,
                Extension::Dsn,
                Extension::Etrn,
                Extension::MtPriority,
                Extension::RequireTls,
            ];
            let offer = offer.extensions(extensions)?.deliver_by(10)?;
            let names = ["NAME", "ADDR", "PORT", "HELO", "LOGIN", "PROTO", "DESTADDR", "DESTPORT"];
            Ok::<_, Invalid>(offer.xclient(names)?.xforward(names)?)
        });
    if flags & 32 != 0 {
        builder = builder.tolerate(Deviations::all());
    }
    if flags & 64 != 0 {
        let mut bounds = Bounds::default();
        (bounds.recipients, bounds.mistakes, bounds.idle_commands) = (3, 4, 5);
        (bounds.refused_recipients, bounds.dropped_octets) = (2, 100);
        builder = builder.bounds(bounds);
    }
    if more & 1 != 0 {
        builder = builder.proxy_header();
    }
    builder.build().expect("these settings work")
}
