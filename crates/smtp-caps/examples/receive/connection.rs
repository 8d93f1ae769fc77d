//! One connection: octets from the client to the session, and its replies back.
//!
//! What came in with one read is answered with one write, so that a group of commands gets a group
//! of replies. What is held does not depend on what the client sends.
use std::io::{self, ErrorKind, Read, Write};

use smtp_codec::{LineFramer, Unstuffed, Unstuffer};

use crate::{message::Message, session::Session};

/// What the next octets are.
pub(crate) enum Reading {
    /// Command lines.
    Commands,
    /// The text behind DATA, up to its final dot.
    Text {
        /// Finds the dot.
        unstuffer: Box<Unstuffer>,
        /// What the text becomes.
        message: Box<Message>,
    },
    /// The rest of a chunk behind BDAT.
    Chunk {
        /// How many octets are left of it.
        left: u64,
        /// Whether it is the last of the message.
        last: bool,
        /// The message that it is a part of.
        message: Box<Message>,
    },
    /// Of no interest: the connection is to be closed.
    Nothing,
}

/// Serves the client at the other end of `stream` until one of the two has had enough.
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
            // A message that is not whole goes with the session.
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

/// Takes all of `input`, and says what comes behind it.
fn receive(
    mut input: &[u8],
    mut reading: Reading,
    framer: &mut LineFramer,
    session: &mut Session<'_>,
    replies: &mut Vec<u8>,
) -> Reading {
    loop {
        reading = match reading {
            // A chunk may be empty, so it can end where the input does.
            Reading::Chunk { left: 0, last, message } => {
                session.end_of_chunk(message, last, replies)
            }
            Reading::Nothing => return reading,
            _ if input.is_empty() => return reading,
            Reading::Chunk { left, last, mut message } => {
                let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let (octets, rest) = input.split_at(count);
                input = rest;
                message.take(octets);
                Reading::Chunk { left: left - count as u64, last, message }
            }
            Reading::Text { mut unstuffer, mut message } => match unstuffer.next(&mut input) {
                Some(Unstuffed::End) => {
                    message.judge(unstuffer.flaws());
                    session.end_of_message(*message, replies)
                }
                Some(Unstuffed::Text(octets)) => {
                    message.take(octets);
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
