//! A crate without the standard library, on error, codec and caps without their features `std`.
//!
//! Its panic handler is the proof: the standard library has one too, so that this crate compiles
//! only if nothing below links it, on any target. `.ci/run` checks it for a bare-metal target as
//! well, where there is no standard library to link. No allocator is needed, since nothing is
//! linked to a program.
#![no_std]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::panic::PanicInfo;

use smtp_caps::{Capabilities, EightBit, Envelope, Plan};
use smtp_codec::{Command, Deviations, MailData, ReplyDecoder, ReplyLimits};

/// Returns the MAIL command for a message, to a server that has replied this to EHLO.
///
/// # Errors
/// The text of what is wrong with the reply, the envelope or the content.
pub fn mail_command(ehlo: &[u8], content: &str) -> Result<Vec<u8>, String> {
    let mut decoder = ReplyDecoder::new(ReplyLimits::default(), Deviations::all());
    let decoded = decoder.decode(&mut &*ehlo).map_err(|error| error.to_string())?;
    let reply = decoded.ok_or("the reply has no end")?.reply;
    let envelope = Envelope::new("alice@example.org", ["bob@example.org"]);
    let envelope = envelope.map_err(|error| error.to_string())?;
    let content = MailData::new(content).map_err(|error| error.to_string())?;
    let capabilities = Capabilities::from_reply(reply);
    let plan = Plan::new(&capabilities, &envelope, content.facts(), EightBit::Refuse);
    let plan = plan.map_err(|objection| objection.to_string())?;
    let mut line = Vec::new();
    let command = Command::Mail(plan.mail().borrowed());
    command.encode(capabilities.mail_line_limit(), &mut line).map_err(|error| error.to_string())?;
    Ok(line)
}

#[panic_handler]
fn stop(_: &PanicInfo<'_>) -> ! {
    loop {}
}
