//! Capabilities, offers and plans, by subject.

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

/// Returns the capabilities in a reply with these lines after the server's name.
fn capabilities(lines: &[&str]) -> Capabilities {
    let lines: Vec<&str> = [&["mx.example.org"], lines].concat();
    Capabilities::from_reply(Reply::new(ReplyCode::OK, lines.join("\n")))
}

/// Returns the words as text, separated by spaces.
fn words<'a>(words: impl Iterator<Item = &'a [u8]>) -> String {
    let words: Vec<&[u8]> = words.collect();
    words.join(&b' ').escape_ascii().to_string()
}
