//! What servers offer and what follows from it, by subject.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod changes;
mod ehlo;
mod envelope;
mod facts;
mod masks;
mod oddities;
mod offer;
mod plan;

use smtp_caps::Capabilities;
use smtp_error::{Reply, ReplyCode};

/// What a server offers that names itself and then says these lines.
fn capabilities(lines: &[&str]) -> Capabilities {
    let lines: Vec<&str> = [&["mx.example.org"], lines].concat();
    Capabilities::from_reply(Reply::new(ReplyCode::OK, lines.join("\n")))
}

/// The words as text, a space between two.
fn words<'a>(words: impl Iterator<Item = &'a [u8]>) -> String {
    let words: Vec<&[u8]> = words.collect();
    words.join(&b' ').escape_ascii().to_string()
}
