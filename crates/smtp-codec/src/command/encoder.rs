//! Commands, encoded into lines.
use alloc::vec::Vec;
use core::fmt;

use smtp_error::{Field, Flaw, Invalid};

use crate::{Argument, Command, Params, SaslResponse, Verb, Word, grammar, value};

impl Command<'_> {
    /// Appends the line, CRLF included.
    ///
    /// # Errors
    /// Refuses a line of more than `limit` octets, and [`Command::Other`] with control characters
    /// or with a verb that is empty or has a space. Then `out` is unchanged.
    pub fn encode(&self, limit: usize, out: &mut Vec<u8>) -> Result<(), Invalid> {
        self.check_other()?;
        let start = out.len();
        self.write(&mut LineBuffer(out)).unwrap_or(());
        out.extend_from_slice(b"\r\n");
        let length = out.len() - start;
        if length > limit {
            out.truncate(start);
        }
        self.check_length(length, limit)
    }

    /// Checks what [`encode`](Self::encode) checks, without writing the line.
    ///
    /// # Errors
    /// The same as those of `encode`.
    pub fn check(&self, limit: usize) -> Result<(), Invalid> {
        self.check_other()?;
        self.check_length(self.line_length(), limit)
    }

    /// Returns the length of the line in octets, CRLF included.
    pub fn line_length(&self) -> usize {
        let mut length = Length(2);
        self.write(&mut length).unwrap_or(());
        length.0
    }

    fn check_length(&self, length: usize, limit: usize) -> Result<(), Invalid> {
        if length > limit {
            return Err(Invalid::new(self.field(), Flaw::CommandTooLong { length, limit }));
        }
        Ok(())
    }

    /// Checks [`Command::Other`]. All other commands consist of checked values.
    fn check_other(&self) -> Result<(), Invalid> {
        let Self::Other { verb, arguments } = self else { return Ok(()) };
        Word::new(*verb)?;
        match *arguments {
            "" => Ok(()),
            arguments => grammar::check_characters(Field::Argument, arguments),
        }
    }

    /// Returns the field to blame for a line that is too long.
    fn field(&self) -> Field {
        match self {
            Self::Ehlo(_) | Self::Helo(_) | Self::Lhlo(_) => Field::HelloName,
            Self::Mail(_) => Field::ReversePath,
            Self::Rcpt(_) => Field::ForwardPath,
            Self::Vrfy { .. } => Field::VerifyArgument,
            Self::Expn { .. } => Field::ExpandArgument,
            Self::Help(_) => Field::HelpTopic,
            Self::Atrn(_) | Self::Etrn(_) => Field::Node,
            Self::Xclient(_) | Self::Xforward(_) => Field::ClientAttributes,
            Self::Auth { .. } | Self::AuthResponse(_) => Field::AuthResponse,
            _ => Field::Argument,
        }
    }

    fn write(&self, out: &mut impl Sink) -> fmt::Result {
        out.put(self.verb().map_or("", Verb::as_str))?;
        match self {
            Self::Data | Self::Quit | Self::Rset | Self::StartTls => Ok(()),
            Self::Atrn(domains) => out.optional(domains.as_ref().map(Word::as_str)),
            Self::Auth { mechanism, initial } => {
                out.all(&[" ", mechanism.as_str()])?;
                match initial.as_ref().map(SaslResponse::as_base64) {
                    None => Ok(()),
                    Some("") => out.put(" ="),
                    Some(encoded) => out.put(" ").and_then(|()| out.secret(encoded)),
                }
            }
            Self::AuthResponse(response) => out.secret(response.as_base64()),
            Self::AuthCancel => out.put("*"),
            Self::Bdat { size, last } => {
                out.put(" ")?;
                out.number(*size)?;
                out.put(if *last { " LAST" } else { "" })
            }
            Self::Burl { uri, last } => {
                out.all(&[" ", uri.as_str(), if *last { " LAST" } else { "" }])
            }
            Self::Ehlo(name) | Self::Helo(name) | Self::Lhlo(name) => {
                out.all(&[" ", name.as_str()])
            }
            Self::Etrn(node) => out.all(&[" ", node.as_str()]),
            Self::Expn { argument, smtputf8 } | Self::Vrfy { argument, smtputf8 } => {
                let utf8 = if *smtputf8 { " SMTPUTF8" } else { "" };
                out.all(&[" ", argument.as_str(), utf8])
            }
            Self::Help(argument) | Self::Noop(argument) => {
                out.optional(argument.as_ref().map(Argument::as_str))
            }
            Self::Mail(mail) => {
                out.all(&[" FROM:<", mail.path().as_str(), ">"])?;
                out.params(mail.raw_params())
            }
            Self::Rcpt(rcpt) => {
                out.all(&[" TO:<", rcpt.path().as_str(), ">"])?;
                out.params(rcpt.raw_params())
            }
            Self::Other { verb, arguments } => {
                out.put(verb)?;
                out.optional(Some(*arguments).filter(|arguments| !arguments.is_empty()))
            }
            Self::Xclient(attributes) | Self::Xforward(attributes) => {
                out.params(attributes.params())
            }
        }
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Log(f))
    }
}

/// The destination of an encoded command. The encoder marks secrets where it writes them, so that
/// no log can show one.
trait Sink {
    fn put(&mut self, text: &str) -> fmt::Result;
    fn number(&mut self, number: u64) -> fmt::Result;
    fn secret(&mut self, text: &str) -> fmt::Result;

    fn all(&mut self, parts: &[&str]) -> fmt::Result {
        parts.iter().try_for_each(|part| self.put(part))
    }

    /// Writes a space and the argument, if there is one.
    fn optional(&mut self, argument: Option<&str>) -> fmt::Result {
        argument.map_or(Ok(()), |argument| self.all(&[" ", argument]))
    }

    fn params<S: AsRef<str>>(&mut self, params: &Params<S>) -> fmt::Result {
        params.words().try_for_each(|word| self.all(&[" ", word]))
    }
}

/// Appends the line to a buffer, secrets included.
struct LineBuffer<'a>(&'a mut Vec<u8>);

impl Sink for LineBuffer<'_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn number(&mut self, number: u64) -> fmt::Result {
        self.0.extend(value::decimal(number));
        Ok(())
    }

    fn secret(&mut self, text: &str) -> fmt::Result {
        self.put(text)
    }
}

/// Counts the octets of the line.
struct Length(usize);

impl Sink for Length {
    fn put(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }

    fn number(&mut self, number: u64) -> fmt::Result {
        self.0 += value::decimal(number).count();
        Ok(())
    }

    fn secret(&mut self, text: &str) -> fmt::Result {
        self.put(text)
    }
}

/// Formats the line for a log, without secrets.
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
