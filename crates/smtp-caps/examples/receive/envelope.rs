//! The envelope, stored as commands that the codec can decode again.
use smtp_codec::{Body, Command, Mail, Rcpt};

/// The envelope of a message; empty before MAIL.
#[derive(Default)]
pub(crate) struct Envelope {
    commands: String,
    rcpts: usize,
    smtputf8: bool,
    binary: bool,
}

impl Envelope {
    /// Returns the envelope of a message without recipients; `hello` is the client's EHLO.
    pub(crate) fn new(hello: &str, mail: &Mail<&str>) -> Self {
        Self {
            commands: format!("{hello}\n{}\n", Command::Mail(*mail)),
            rcpts: 0,
            smtputf8: mail.is_smtputf8(),
            binary: mail.declared_body() == Some(Body::BinaryMime),
        }
    }

    /// Adds a recipient.
    pub(crate) fn push(&mut self, rcpt: &Rcpt<&str>) {
        self.commands += &format!("{}\n", Command::Rcpt(*rcpt));
        self.rcpts += 1;
    }

    /// Returns the commands, one per line: EHLO, HELO or LHLO, then MAIL, then each RCPT.
    pub(crate) fn as_str(&self) -> &str {
        &self.commands
    }

    /// Returns the number of recipients.
    pub(crate) fn rcpts(&self) -> usize {
        self.rcpts
    }

    /// Returns whether addresses may be UTF-8.
    pub(crate) fn is_smtputf8(&self) -> bool {
        self.smtputf8
    }

    /// Returns whether the message may be binary.
    pub(crate) fn is_binary(&self) -> bool {
        self.binary
    }
}
