//! Explains a reply to EHLO: the capabilities, the oddities, and the plan for a message.
//!
//! `cargo run -p smtp-caps --example explain < REPLY`; without input it explains an offer of its
//! own.

#![allow(clippy::print_stdout, reason = "the output of the example")]

use std::error::Error;
use std::io::{IsTerminal, Read, stdin};

use smtp_caps::{Capabilities, EightBit, Envelope, Limit, Limits, Offer, Plan};
use smtp_codec::{Command, Deviations, MailData, ReplyDecoder, ReplyLimits, encode_reply};
use smtp_error::Extension;

fn main() -> Result<(), Box<dyn Error>> {
    let mut wire = Vec::new();
    if !stdin().is_terminal() {
        stdin().read_to_end(&mut wire)?;
    }
    if wire.is_empty() {
        encode_reply(&offer()?.reply(), &mut wire);
    }

    let mut decoder = ReplyDecoder::new(ReplyLimits::default(), Deviations::all());
    let decoded = decoder.decode(&mut wire.as_slice())?.ok_or("the reply has no end")?;
    let capabilities = Capabilities::from_reply(decoded.reply);
    for line in capabilities.iter() {
        let known = if line.extension().is_some() { "known" } else { "not known" };
        println!("{}: {known}", line.as_bytes().escape_ascii());
    }
    for oddity in capabilities.oddities() {
        println!("odd: {oddity}");
    }
    println!("size limit: {:?}", capabilities.size_limit());
    println!("limits:{}", capabilities.limits());

    let envelope = Envelope::new("a@example.com", ["b@example.org", "c@example.org"])?;
    let text = MailData::new("Subject: caf\u{e9}\r\n\r\nSee you there.\r\n")?;
    match Plan::new(&capabilities, &envelope, text.facts(), EightBit::Refuse) {
        Ok(plan) => println!("plan: {}", Command::Mail(plan.mail().borrowed())),
        Err(objection) => println!("no plan: {objection}"),
    }
    Ok(())
}

fn offer() -> Result<Offer, Box<dyn Error>> {
    let limits = Limits::default().set(Limit::Rcpt, 100)?;
    let offer = Offer::new("mx.example.org")?.size(52_428_800).limits(limits);
    Ok(offer.extensions([Extension::Pipelining, Extension::EightBitMime, Extension::SmtpUtf8])?)
}
