//! From whom and to whom: what MAIL and RCPT said, as commands that the codec can read again.
use smtp_codec::{Body, Command, Mail, Rcpt};

/// The envelope of a message; without a MAIL it is empty.
#[derive(Default)]
pub(crate) struct Envelope {
    commands: String,
    rcpts: usize,
    smtputf8: bool,
    binary: bool,
}

impl Envelope {
    /// The envelope of a message from a client that greeted with `hello`.
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

    /// The commands, one a line: EHLO, HELO or LHLO, then MAIL, then each RCPT.
    pub(crate) fn as_str(&self) -> &str {
        &self.commands
    }

    /// How many recipients there are.
    pub(crate) fn rcpts(&self) -> usize {
        self.rcpts
    }

    /// Whether addresses may be UTF-8.
    pub(crate) fn is_smtputf8(&self) -> bool {
        self.smtputf8
    }

    /// Whether the message may be made of any octets.
    pub(crate) fn is_binary(&self) -> bool {
        self.binary
    }
}
