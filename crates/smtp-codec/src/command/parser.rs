//! Command lines, decoded (RFC 5321, 4.1.1, and the extensions that add verbs).
use core::str;

use smtp_error::Invalid;

use super::{
    Command, CommandError, CommandFault,
    line::{Fault, Path, Rest},
};
use crate::{
    Argument, Attributes, Deviations, ForwardPath, HelloName, Mail, MailParam, Mechanism, Param,
    Params, Rcpt, RcptParam, ReversePath, SaslResponse, Verb, Word, grammar, param::Checked,
};

/// A command, and how its line deviates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodedCommand<'a> {
    /// The command.
    pub command: Command<'a>,
    /// How its line deviates from the grammar.
    pub deviations: Deviations,
}

impl<'a> Command<'a> {
    /// Decodes a line without its line end. Deviations that are not `tolerated` are errors.
    ///
    /// A verb that is not known here gives [`Command::Other`], to which a server replies 500.
    ///
    /// # Errors
    /// The line is not a command, or its arguments are wrong. The error has the verb, if that is
    /// known.
    pub fn decode(
        line: &'a [u8],
        tolerated: Deviations,
    ) -> Result<DecodedCommand<'a>, CommandError> {
        let word = line.split(|&octet| octet == b' ').next().unwrap_or_default();
        let verb = Verb::from_word(word);
        let error = |(fault, offset)| CommandError::new(verb, fault, offset);
        let text = text(line).map_err(error)?;
        let mut rest = Rest { text, at: word.len(), seen: Deviations::empty() };
        let command = match verb {
            Some(verb) => rest.command(verb).map_err(error)?,
            None if word.is_empty() => return Err(error((CommandFault::NoVerb, 0))),
            None => Command::Other {
                verb: &rest.text[..word.len()],
                arguments: rest.text.get(word.len() + 1..).unwrap_or_default(),
            },
        };
        match rest.seen - tolerated {
            refused if refused.is_empty() => Ok(DecodedCommand { command, deviations: rest.seen }),
            refused => Err(error((CommandFault::Deviation(refused), word.len()))),
        }
    }

    /// Decodes a line of an AUTH exchange, without its line end: a response, or `*` (RFC 4954, 4).
    ///
    /// # Errors
    /// The line is not valid base64.
    pub fn decode_auth_response(line: &'a [u8]) -> Result<Self, CommandError> {
        let error = |fault, offset| CommandError::new(Some(Verb::Auth), fault, offset);
        let text = str::from_utf8(line)
            .map_err(|invalid| error(CommandFault::NotText, invalid.valid_up_to()))?;
        if text == "*" {
            return Ok(Self::AuthCancel);
        }
        let response = SaslResponse::from_base64(text);
        response
            .map(Self::AuthResponse)
            .map_err(|invalid| error(CommandFault::Argument(invalid), 0))
    }
}

/// Returns the line as text, if it is UTF-8 without control characters and the like. These could
/// forge lines of a log that shows the command.
fn text(line: &[u8]) -> Result<&str, Fault> {
    let text =
        str::from_utf8(line).map_err(|error| (CommandFault::NotText, error.valid_up_to()))?;
    if grammar::is_printable(line) {
        return Ok(text);
    }
    match text.char_indices().find(|&(_, character)| grammar::is_forbidden(character)) {
        Some((offset, _)) => Err((CommandFault::NotText, offset)),
        None => Ok(text),
    }
}

impl<'a> Rest<'a> {
    fn command(&mut self, verb: Verb) -> Result<Command<'a>, Fault> {
        Ok(match verb {
            Verb::Atrn => Command::Atrn(self.optional(Word::new)?),
            Verb::Auth => self.auth()?,
            Verb::Bdat => self.bdat()?,
            Verb::Burl => {
                let uri = self.word(Word::new)?;
                Command::Burl { uri, last: self.flag("LAST")? }
            }
            Verb::Data => self.end(Command::Data)?,
            Verb::Ehlo => Command::Ehlo(self.hello_name()?),
            Verb::Etrn => {
                let node = self.word(Word::new)?;
                self.end(Command::Etrn(node))?
            }
            Verb::Expn => {
                let argument = self.argument()?;
                Command::Expn { argument, smtputf8: self.flag("SMTPUTF8")? }
            }
            Verb::Helo => Command::Helo(self.hello_name()?),
            Verb::Help => Command::Help(self.free_text()?),
            Verb::Lhlo => Command::Lhlo(self.hello_name()?),
            Verb::Mail => self.mail()?,
            Verb::Noop => Command::Noop(self.free_text()?),
            Verb::Quit => self.end(Command::Quit)?,
            Verb::Rcpt => self.rcpt()?,
            Verb::Rset => self.end(Command::Rset)?,
            Verb::StartTls => self.end(Command::StartTls)?,
            Verb::Vrfy => {
                let argument = self.argument()?;
                Command::Vrfy { argument, smtputf8: self.flag("SMTPUTF8")? }
            }
            Verb::Xclient => Command::Xclient(self.attributes()?),
            Verb::Xforward => Command::Xforward(self.attributes()?),
        })
    }

    fn hello_name(&mut self) -> Result<HelloName<&'a str>, Fault> {
        let name = self.line_end();
        if name.is_empty() {
            return Err((CommandFault::MissingArgument, self.at));
        }
        Ok(HelloName::new(name).unwrap_or_else(|_| {
            self.seen |= Deviations::HELLO_NAME;
            HelloName::unchecked(name)
        }))
    }

    /// Reads the argument of VRFY or EXPN, up to the SMTPUTF8 parameter.
    fn argument(&mut self) -> Result<Argument<&'a str>, Fault> {
        let rest = self.line_end();
        let start = self.at;
        let given = match rest.rsplit_once(' ') {
            Some((given, last)) if last.eq_ignore_ascii_case("SMTPUTF8") => {
                given.trim_end_matches(' ')
            }
            _ => rest,
        };
        self.at += given.len();
        self.loose(given, start)
    }

    /// Reads the argument of HELP or NOOP, if there is one.
    fn free_text(&mut self) -> Result<Option<Argument<&'a str>>, Fault> {
        let given = self.line_end();
        let start = self.at;
        if given.is_empty() { Ok(None) } else { self.loose(given, start).map(Some) }
    }

    fn loose(&mut self, given: &'a str, start: usize) -> Result<Argument<&'a str>, Fault> {
        if given.is_empty() {
            return Err((CommandFault::MissingArgument, start));
        }
        let (argument, is_string) =
            Argument::parse(given).map_err(|invalid| (CommandFault::Argument(invalid), start))?;
        if !is_string {
            self.seen |= Deviations::LOOSE_ARGUMENT;
        }
        Ok(argument)
    }

    fn auth(&mut self) -> Result<Command<'a>, Fault> {
        let mechanism = self.word(Mechanism::new)?;
        let initial =
            self.optional(|word| SaslResponse::from_base64(if word == "=" { "" } else { word }))?;
        Ok(Command::Auth { mechanism, initial })
    }

    fn bdat(&mut self) -> Result<Command<'a>, Fault> {
        let (digits, start) = self.next_word()?;
        let all_digits = digits.bytes().all(|octet| octet.is_ascii_digit());
        let size = if all_digits { digits.parse().ok() } else { None };
        let size = size.ok_or((CommandFault::ChunkSize, start))?;
        Ok(Command::Bdat { size, last: self.flag("LAST")? })
    }

    fn attributes(&mut self) -> Result<Attributes<&'a str>, Fault> {
        // The verb is a word, so that a space is what follows it.
        let params = self.params(Attributes::check)?;
        if params.is_empty() {
            return Err((CommandFault::MissingArgument, self.at));
        }
        Ok(Attributes::from_params(params))
    }

    fn mail(&mut self) -> Result<Command<'a>, Fault> {
        self.path_word(b"FROM:")?;
        let Path { text, start, .. } = self.path()?;
        let (path, seen) = ReversePath::parse(text, Deviations::MAILBOX)
            .map_err(|invalid| (CommandFault::Path(invalid), start))?;
        self.seen |= seen;
        let params = self.params(MailParam::check)?;
        Ok(Command::Mail(Mail::from_parts(path, params)))
    }

    fn rcpt(&mut self) -> Result<Command<'a>, Fault> {
        self.path_word(b"TO:")?;
        let Path { text, start, is_routed } = self.path()?;
        let (path, seen) = ForwardPath::parse(text, Deviations::MAILBOX)
            .map_err(|invalid| (CommandFault::Path(invalid), start))?;
        self.seen |= seen;
        if is_routed && path == ForwardPath::Postmaster {
            self.seen |= Deviations::LOOSE_ROUTE;
        }
        let params = self.params(RcptParam::check)?;
        Ok(Command::Rcpt(Rcpt::from_parts(path, params)))
    }

    /// Reads the parameters, up to the end of the line. Each has to pass `check`.
    fn params(
        &mut self,
        check: impl Fn(Param<&'a str>) -> Result<Checked, Invalid>,
    ) -> Result<Params<&'a str>, Fault> {
        if !matches!(self.text.as_bytes().get(self.at), None | Some(b' ')) {
            return Err((CommandFault::Syntax, self.at));
        }
        let text = self.line_end();
        let start = self.at;
        let (params, seen) = Params::parse(text, check)
            .map_err(|(offset, invalid)| (CommandFault::Argument(invalid), start + offset))?;
        self.seen |= seen;
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_forge_a_log_is_no_command() {
        for line in ["EHLO a\u{202e}b", "EHLO a\u{85}b", "XYZ a\u{2028}b", "X\u{9b}Z", "NOOP \u{7}"]
        {
            let error = Command::decode(line.as_bytes(), Deviations::all()).unwrap_err();
            assert_eq!(error.fault, CommandFault::NotText, "{line:?}");
        }
        assert!(Command::decode("EHLO \u{fc}".as_bytes(), Deviations::all()).is_ok());
    }
}
