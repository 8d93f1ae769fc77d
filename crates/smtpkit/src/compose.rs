//! The message of `send`: from a file, from standard input, or made of options.
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mail_builder::MessageBuilder;
use mail_builder::headers::raw::Raw;
use smtp_client::{LineEnds, MailData};

use crate::failure::Failure;

/// Where the message comes from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Message")]
pub(crate) struct MessageOptions {
    /// The message with its header; - for standard input. Without it, one is made of the options
    #[arg(value_name = "FILE", conflicts_with_all = ["subject", "body", "attach", "header"])]
    pub(crate) file: Option<PathBuf>,
    /// The subject of the message that is made
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// The text of the message that is made; - for standard input
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// Attach this file to the message that is made; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
    /// Add a header field to the message that is made, such as 'X-Test: 1'
    #[arg(long, value_name = "FIELD")]
    pub(crate) header: Vec<String>,
    /// How line ends of a file are treated [default: a file without any CRLF is a Unix file, whose
    /// LF become CRLF; in other files a bare CR or LF is an error]
    #[arg(long, value_name = "HOW")]
    pub(crate) line_ends: Option<HowLineEnds>,
}

/// The treatment of line ends other than CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HowLineEnds {
    /// A bare CR or LF is an error
    Strict,
    /// A bare LF becomes CRLF; a bare CR is an error
    Unix,
    /// A bare CR or LF becomes CRLF
    Any,
}

impl MessageOptions {
    /// Returns the content of the message.
    pub(crate) fn content(&self, from: &str, to: &[String]) -> Result<MailData, Failure> {
        match &self.file {
            Some(path) => self.read(path),
            None => self.make(from, to),
        }
    }

    fn read(&self, path: &Path) -> Result<MailData, Failure> {
        let octets = if path.as_os_str() == "-" { standard_input() } else { std::fs::read(path) };
        let octets = octets.map_err(|error| Failure::file(path, error))?;
        if octets.is_empty() {
            return Err(Failure::file(path, "the message is empty"));
        }
        let ends = match self.line_ends {
            Some(HowLineEnds::Strict) => LineEnds::Strict,
            Some(HowLineEnds::Unix) => LineEnds::Unix,
            Some(HowLineEnds::Any) => LineEnds::Any,
            None if octets.windows(2).any(|two| two == b"\r\n") => LineEnds::Strict,
            None => LineEnds::Unix,
        };
        let line = first_bare(&octets, ends);
        MailData::normalize(octets, ends).map_err(|invalid| match line {
            Some(line) => {
                let why = format!("line {line}: {invalid}; --line-ends any makes CRLF of it");
                Failure::file(path, why)
            }
            None => Failure::file(path, invalid),
        })
    }

    fn make(&self, from: &str, to: &[String]) -> Result<MailData, Failure> {
        let body = match self.body.as_deref() {
            Some("-") => {
                let octets = standard_input().map_err(|error| Failure::file("-", error))?;
                String::from_utf8(octets).map_err(|error| Failure::file("-", error))?
            }
            Some(text) => text.to_owned(),
            None => "This is a test message, sent by smtpkit.\r\n".to_owned(),
        };
        let subject = self.subject.as_deref().unwrap_or("Test message");
        if subject.contains(|it: char| it.is_control() && it != '\t') {
            return Err(Failure::option("--subject", "it has a line end or a control character"));
        }
        let fields = self.header.iter().map(|field| header_field(field));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        // A field that is given replaces the one that is made.
        let is_given =
            |name: &str| fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut message = MessageBuilder::new().text_body(body);
        if !is_given("Subject") {
            message = message.subject(subject);
        }
        if !from.is_empty() && !is_given("From") {
            message = message.from(from.to_owned());
        }
        if !is_given("To") {
            message = message.to(to.to_vec());
        }
        for (name, value) in &fields {
            message = message.header((*name).to_owned(), Raw::new((*value).to_owned()));
        }
        for path in &self.attach {
            let octets = std::fs::read(path).map_err(|error| Failure::file(path, error))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kind = mime_guess::from_path(path).first_or_octet_stream();
            message = message.attachment(kind.essence_str().to_owned(), name, octets);
        }
        let octets = message.write_to_vec();
        let octets = octets.map_err(|error| Failure::machine("making the message", error))?;
        MailData::normalize(octets, LineEnds::Any)
            .map_err(|invalid| Failure::option("--body", invalid))
    }
}

/// Splits a header field into name and value.
fn header_field(field: &str) -> Result<(&str, &str), Failure> {
    let wrong = |why| Failure::option("--header", format!("{field:?}: {why}"));
    let (name, value) =
        field.split_once(':').ok_or_else(|| wrong("no colon: write 'Name: value'"))?;
    let is_name = !name.is_empty() && name.bytes().all(|octet| (33..127).contains(&octet));
    if !is_name {
        return Err(wrong("the name has printable ASCII characters only, and no space"));
    }
    if value.contains(|it: char| it.is_control() && it != '\t') {
        return Err(wrong("the value has a line end or a control character"));
    }
    Ok((name, value.trim_start()))
}

/// Returns the number of the first line whose end these line ends refuse, from 1.
fn first_bare(octets: &[u8], ends: LineEnds) -> Option<usize> {
    let is_bare = |at: usize| match octets[at] {
        b'\n' => ends == LineEnds::Strict && (at == 0 || octets[at - 1] != b'\r'),
        b'\r' => ends != LineEnds::Any && octets.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    let at = (0..octets.len()).find(|&at| is_bare(at))?;
    Some(1 + octets[..at].iter().filter(|&&octet| octet == b'\n').count())
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        anstream::eprintln!("The message is read from the terminal; Ctrl-D ends it.");
    }
    let mut octets = Vec::new();
    input.read_to_end(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bare_line_end_has_its_line() {
        assert_eq!(first_bare(b"a\r\nb\nc\r\n", LineEnds::Strict), Some(2));
        assert_eq!(first_bare(b"a\nb\rc\n", LineEnds::Unix), Some(2));
        assert_eq!(first_bare(b"a\nb\n", LineEnds::Unix), None);
        assert_eq!(first_bare(b"a\rb\n", LineEnds::Any), None);
        assert_eq!(first_bare(b"a\r\nb\r\n", LineEnds::Strict), None);
    }

    #[test]
    fn a_header_field_cannot_add_another() {
        assert!(header_field("X-Test: 1\r\nBcc: c@example.org").is_err());
        assert!(header_field("X Test: 1").is_err());
        assert!(header_field("no colon").is_err());
        assert_eq!(header_field("X-Test:  1").unwrap(), ("X-Test", "1"));
    }
}
