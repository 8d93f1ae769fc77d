//! Commands, encoded into lines (RFC 5321, 4.1.1 and the extensions that add verbs).
use alloc::vec::Vec;
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

use crate::{Argument, HelloName, Mail, Mechanism, Param, Rcpt, SaslResponse};

/// A command. It is made of checked values only, so that whatever it is, it encodes into exactly
/// one line.
///
/// `Display` gives the line without CRLF and with `***` in place of secrets: fit for a log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Command<'a> {
    /// EHLO with the client's name.
    Ehlo(&'a HelloName),
    /// HELO with the client's name.
    Helo(&'a HelloName),
    /// LHLO with the client's name (RFC 2033).
    Lhlo(&'a HelloName),
    /// MAIL with the sender.
    Mail(&'a Mail),
    /// RCPT with a recipient.
    Rcpt(&'a Rcpt),
    /// DATA.
    Data,
    /// BDAT with the size of the chunk that follows, in octets (RFC 3030).
    Bdat {
        /// The size of the chunk.
        size: u64,
        /// Whether it is the last of the message.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP, with an argument that the server ignores.
    Noop(Option<&'a Argument>),
    /// VRFY with a user name or mailbox.
    Vrfy {
        /// The user name or mailbox.
        argument: &'a Argument,
        /// Whether the SMTPUTF8 parameter follows (RFC 6531, 3.7.4.2).
        smtputf8: bool,
    },
    /// EXPN with the name of a list.
    Expn {
        /// The name of the list.
        argument: &'a Argument,
        /// Whether the SMTPUTF8 parameter follows (RFC 6531, 3.7.4.2).
        smtputf8: bool,
    },
    /// HELP, with a topic.
    Help(Option<&'a Argument>),
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH with a mechanism and its initial response (RFC 4954).
    Auth {
        /// The mechanism.
        mechanism: &'a Mechanism,
        /// The initial response. An empty one is not the same as none.
        initial: Option<&'a SaslResponse>,
    },
    /// A line of an AUTH exchange: the response to a challenge (RFC 4954).
    AuthResponse(&'a SaslResponse),
    /// The line that cancels an AUTH exchange (RFC 4954).
    AuthCancel,
}

impl Command<'_> {
    /// The longest command line that every server accepts, in octets, CRLF included
    /// (RFC 5321, 4.5.3.1.4). Extensions that a server offers add to it.
    pub const MAX_LINE: usize = 512;

    /// Appends the line, CRLF included.
    ///
    /// # Errors
    /// Refuses a line of more than `limit` octets, and then leaves `out` as it was.
    pub fn encode(&self, limit: usize, out: &mut Vec<u8>) -> Result<(), Invalid> {
        let start = out.len();
        self.write(&mut Wire(out)).unwrap_or(());
        out.extend_from_slice(b"\r\n");
        let length = out.len() - start;
        if length > limit {
            out.truncate(start);
        }
        self.check_length(length, limit)
    }

    /// Refuses a line of more than `limit` octets, CRLF included, without writing it.
    ///
    /// # Errors
    /// The same as those of [`encode`](Self::encode).
    pub fn check(&self, limit: usize) -> Result<(), Invalid> {
        self.check_length(self.line_length(), limit)
    }

    fn check_length(&self, length: usize, limit: usize) -> Result<(), Invalid> {
        if length > limit {
            return Err(Invalid::new(self.field(), Flaw::CommandTooLong { length, limit }));
        }
        Ok(())
    }

    /// The length of its line in octets, CRLF included.
    pub fn line_length(&self) -> usize {
        let mut length = Length(2);
        self.write(&mut length).unwrap_or(());
        length.0
    }

    /// The field that makes its line as long as it is.
    fn field(&self) -> Field {
        match self {
            Self::Ehlo(_) | Self::Helo(_) | Self::Lhlo(_) => Field::HelloName,
            Self::Mail(_) => Field::ReversePath,
            Self::Rcpt(_) => Field::ForwardPath,
            Self::Vrfy { .. } => Field::VerifyArgument,
            Self::Expn { .. } => Field::ExpandArgument,
            Self::Help(_) => Field::HelpTopic,
            Self::Auth { .. } | Self::AuthResponse(_) => Field::AuthResponse,
            _ => Field::Argument,
        }
    }

    fn write(&self, out: &mut impl Sink) -> fmt::Result {
        match *self {
            Self::Ehlo(name) => out.all(&["EHLO ", name.as_str()]),
            Self::Helo(name) => out.all(&["HELO ", name.as_str()]),
            Self::Lhlo(name) => out.all(&["LHLO ", name.as_str()]),
            Self::Mail(mail) => write_mail(mail, out),
            Self::Rcpt(rcpt) => {
                out.all(&["RCPT TO:<", rcpt.path.as_str(), ">"])?;
                write_params(&rcpt.params, out)
            }
            Self::Data => out.put("DATA"),
            Self::Bdat { size, last } => {
                out.put("BDAT ")?;
                out.number(size)?;
                out.put(if last { " LAST" } else { "" })
            }
            Self::Rset => out.put("RSET"),
            Self::Noop(None) => out.put("NOOP"),
            Self::Noop(Some(argument)) => out.all(&["NOOP ", argument.as_str()]),
            Self::Vrfy { argument, smtputf8 } => write_lookup("VRFY ", argument, smtputf8, out),
            Self::Expn { argument, smtputf8 } => write_lookup("EXPN ", argument, smtputf8, out),
            Self::Help(None) => out.put("HELP"),
            Self::Help(Some(topic)) => out.all(&["HELP ", topic.as_str()]),
            Self::Quit => out.put("QUIT"),
            Self::StartTls => out.put("STARTTLS"),
            Self::Auth { mechanism, initial } => {
                out.all(&["AUTH ", mechanism.as_str()])?;
                match initial.map(SaslResponse::encoded).as_deref() {
                    None => Ok(()),
                    Some("") => out.put(" ="),
                    Some(encoded) => out.put(" ").and_then(|()| out.secret(encoded)),
                }
            }
            Self::AuthResponse(response) => out.secret(&response.encoded()),
            Self::AuthCancel => out.put("*"),
        }
    }
}

fn write_mail(mail: &Mail, out: &mut impl Sink) -> fmt::Result {
    out.all(&["MAIL FROM:<", mail.path.as_str(), ">"])?;
    if let Some(size) = mail.size {
        out.put(" SIZE=")?;
        out.number(size)?;
    }
    if let Some(body) = mail.body {
        out.all(&[" BODY=", body.as_str()])?;
    }
    if mail.smtputf8 {
        out.put(" SMTPUTF8")?;
    }
    write_params(&mail.params, out)
}

fn write_params(params: &[Param], out: &mut impl Sink) -> fmt::Result {
    for param in params {
        out.all(&[" ", param.keyword()])?;
        if let Some(value) = param.value() {
            out.all(&["=", value])?;
        }
    }
    Ok(())
}

fn write_lookup(verb: &str, argument: &Argument, utf8: bool, out: &mut impl Sink) -> fmt::Result {
    out.all(&[verb, argument.as_str(), if utf8 { " SMTPUTF8" } else { "" }])
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Log(f))
    }
}

/// Where a command is written to. Secrets are marked here, where they are encoded, so that no log
/// can miss them.
trait Sink {
    fn put(&mut self, text: &str) -> fmt::Result;
    fn number(&mut self, number: u64) -> fmt::Result;
    fn secret(&mut self, text: &str) -> fmt::Result;

    fn all(&mut self, parts: &[&str]) -> fmt::Result {
        parts.iter().try_for_each(|part| self.put(part))
    }
}

/// The wire gets everything.
struct Wire<'a>(&'a mut Vec<u8>);

impl Sink for Wire<'_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn number(&mut self, mut number: u64) -> fmt::Result {
        let start = self.0.len();
        loop {
            self.0.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0[start..].reverse();
        Ok(())
    }

    fn secret(&mut self, text: &str) -> fmt::Result {
        self.put(text)
    }
}

/// Counts what the wire would get.
struct Length(usize);

impl Sink for Length {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }

    fn number(&mut self, number: u64) -> fmt::Result {
        self.0 += number.checked_ilog10().map_or(1, |digits| digits as usize + 1);
        Ok(())
    }

    fn secret(&mut self, text: &str) -> fmt::Result {
        self.put(text)
    }
}

/// A log gets no secrets.
struct Log<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Sink for Log<'_, '_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }

    fn number(&mut self, number: u64) -> fmt::Result {
        write!(self.0, "{number}")
    }

    fn secret(&mut self, _: &str) -> fmt::Result {
        self.0.write_str("***")
    }
}
