//! One connection: passes octets from the client to the session, and replies back.
//!
//! The replies to everything from one read go out in one write, so that a group of commands gets a
//! group of replies (RFC 2920, 3.2). The memory in use does not depend on what the client sends.
use std::io::{self, ErrorKind, Read, Write};

use smtp_codec::{LineFramer, Unstuffed, Unstuffer};

use crate::{message::Message, session::Session};

/// How to read the next octets.
pub(crate) enum Reading {
    /// Command lines.
    Commands,
    /// The mail data after DATA, up to its final dot.
    Text {
        /// Finds the dot.
        unstuffer: Box<Unstuffer>,
        /// The message that receives the mail data.
        message: Box<Message>,
    },
    /// The rest of a chunk after BDAT.
    Chunk {
        /// The octets that remain.
        left: u64,
        /// Whether it is the last of the message.
        last: bool,
        /// The message that the chunk belongs to.
        message: Box<Message>,
    },
    /// Not at all: the session has ended.
    Nothing,
}

/// Serves the client on `stream` until the session ends.
pub(crate) fn serve(stream: &mut (impl Read + Write), mut session: Session<'_>) -> io::Result<()> {
    let mut framer = LineFramer::new(session.line_limit());
    let mut buffer = [0; 16 << 10];
    let mut replies = Vec::new();
    let mut reading = session.greet(&mut replies);
    loop {
        stream.write_all(&replies)?;
        stream.flush()?;
        replies.clear();
        if matches!(reading, Reading::Nothing) {
            return Ok(());
        }
        reading = match stream.read(&mut buffer) {
            // Dropping the session discards an incomplete message.
            Ok(0) => return Ok(()),
            Ok(count) => {
                receive(&buffer[..count], reading, &mut framer, &mut session, &mut replies)
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => reading,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => session.time_out(&mut replies),
                _ => return Err(error),
            },
        }
    }
}

/// Handles all of `input`, and returns how to read what follows.
fn receive(
    mut input: &[u8],
    mut reading: Reading,
    framer: &mut LineFramer,
    session: &mut Session<'_>,
    replies: &mut Vec<u8>,
) -> Reading {
    loop {
        reading = match reading {
            // A chunk may be empty, so that it ends although no input is left.
            Reading::Chunk { left: 0, last, message } => {
                session.end_of_chunk(message, last, replies)
            }
            Reading::Nothing => return reading,
            _ if input.is_empty() => return reading,
            Reading::Chunk { left, last, mut message } => {
                let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let (octets, rest) = input.split_at(count);
                input = rest;
                message.receive(octets);
                Reading::Chunk { left: left - count as u64, last, message }
            }
            Reading::Text { mut unstuffer, mut message } => match unstuffer.next(&mut input) {
                Some(Unstuffed::End) => {
                    message.check(unstuffer.flaws());
                    session.end_of_message(*message, replies)
                }
                Some(Unstuffed::Text(octets)) => {
                    message.receive(octets);
                    Reading::Text { unstuffer, message }
                }
                None => Reading::Text { unstuffer, message },
            },
            Reading::Commands => match framer.next(&mut input) {
                Ok(Some(line)) => session.line(line, replies),
                Ok(None) => Reading::Commands,
                Err(_) => session.line_too_long(replies),
            },
        }
    }
}
