//! Finds mistakes in the octets of command lines and message texts.

use super::Host;
use super::extension;
use super::state::State;
use crate::command::Command;
use crate::counted::Counted;
use crate::lint::Lint;
use crate::message::Message;

/// A mistake and its details.
pub(crate) type Mistake = (Lint, String);

/// The longest command line without extensions, and the longest of AUTH, in octets.
const LINE: usize = 512;
const AUTH_LINE: usize = 12_288;
/// The longest line of a text in octets, with its CRLF and without an added dot.
const TEXT_LINE: usize = 1_000;

/// Finds the mistakes in a command line.
pub(super) fn line(host: &Host, line: &[u8]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let body = line.strip_suffix(b"\r\n").unwrap_or(line);
    if body.contains(&b'\n') {
        mistakes.push((Lint::BareLf, "the line ends in LF alone".to_owned()));
    }
    if body.contains(&b'\r') {
        mistakes.push((Lint::BareCr, "the line contains a CR".to_owned()));
    }
    let verb = body.split(|&octet| octet == b' ').next().unwrap_or_default();
    let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
    let most = match verb.as_str() {
        "AUTH" => AUTH_LINE,
        verb => LINE + extension::allowance(verb, |keyword| host.offers(keyword)),
    };
    if line.len() > most {
        let octets = Counted(line.len(), "octet");
        let what = format!("{octets}, but servers need not accept more than {most}");
        mistakes.push((Lint::OverLongLine, what));
    }
    mistakes
}

/// Finds UTF-8 in a command that SMTPUTF8 does not allow.
pub(super) fn utf8(state: &State, command: &Command) -> Option<Mistake> {
    let allowed = match (command.verb(), &state.envelope) {
        ("MAIL", _) => command.param("SMTPUTF8").is_some(),
        ("RCPT", Some(envelope)) => envelope.has_param("SMTPUTF8"),
        _ => return None,
    };
    let path = command.path().unwrap_or_default();
    (!allowed && !path.is_ascii())
        .then(|| (Lint::Utf8WithoutSmtpUtf8, format!("the address {path}")))
}

/// The declarations of MAIL about the text.
struct Declared {
    body: String,
    smtputf8: bool,
    size: Option<usize>,
}

impl Declared {
    fn by(mail: Option<&Command>) -> Self {
        let param = |name| mail.and_then(|mail| mail.param(name));
        Self {
            body: param("BODY").unwrap_or("7BIT").to_ascii_uppercase(),
            smtputf8: param("SMTPUTF8").is_some(),
            size: param("SIZE").and_then(|size| size.parse().ok()),
        }
    }
}

/// Finds the mistakes in the text of a message, as sent and as decoded.
pub(crate) fn text(message: &Message) -> Vec<Mistake> {
    let mail = message.mail().and_then(Command::of_line);
    let declared = Declared::by(mail.as_ref());
    let text = message.text();
    let mut mistakes = Vec::new();
    if declared.body != "BINARYMIME" {
        mistakes.extend(line_ends(text));
        mistakes.extend(long_line(text));
    }
    mistakes.extend(eight_bit(&declared, text));
    if let Some(size) = declared.size.filter(|&size| text.len() > size) {
        let what = format!("SIZE={size}, but the text has {}", Counted(text.len(), "octet"));
        mistakes.push((Lint::SizeLies, what));
    }
    let with_dots = message.chunks().is_empty().then_some(message.sent());
    if let Some(line) = with_dots.and_then(first_undoubled) {
        let what = format!("line {line} of the text begins with a single dot");
        mistakes.push((Lint::MissingDotStuffing, what));
    }
    mistakes
}

fn line_ends(text: &[u8]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let before = |at: usize| at.checked_sub(1).and_then(|at| text.get(at));
    let bare_lf = (0..text.len()).find(|&at| text[at] == b'\n' && before(at) != Some(&b'\r'));
    let bare_cr = (0..text.len()).find(|&at| text[at] == b'\r' && text.get(at + 1) != Some(&b'\n'));
    for (lint, at) in [(Lint::BareLf, bare_lf), (Lint::BareCr, bare_cr)] {
        if let Some(at) = at {
            mistakes.push((lint, format!("line {} of the text", line_number(text, at))));
        }
    }
    mistakes
}

fn long_line(text: &[u8]) -> Option<Mistake> {
    let lines = text.split_inclusive(|&octet| octet == b'\n');
    let (index, line) = lines.enumerate().find(|(_, line)| line.len() > TEXT_LINE)?;
    let octets = Counted(line.len(), "octet");
    let what = format!("line {} of the text has {octets} with its end", index + 1);
    Some((Lint::OverLongLine, what))
}

fn eight_bit(declared: &Declared, text: &[u8]) -> Vec<Mistake> {
    let end = crate::matching::position(text, b"\r\n\r\n").unwrap_or(text.len());
    let (headers, body) = text.split_at(end);
    let high = |octets: &[u8]| octets.iter().position(|&octet| octet >= 0x80);
    let mut mistakes = Vec::new();
    if let Some(at) = high(headers).filter(|_| !declared.smtputf8) {
        let what = format!("line {} of the header section", line_number(text, at));
        mistakes.push((Lint::Utf8WithoutSmtpUtf8, what));
    }
    if let Some(at) = high(body).filter(|_| declared.body == "7BIT") {
        let what = format!("line {} of the text", line_number(text, end + at));
        mistakes.push((Lint::EightBitWithoutBody, what));
    }
    mistakes
}

/// The number of the first line, as sent, that begins with a single dot.
fn first_undoubled(sent: &[u8]) -> Option<usize> {
    let body = sent.strip_suffix(b".\r\n").unwrap_or(sent);
    let mut start = 0;
    let mut number = 1;
    loop {
        let line = &body[start..];
        if line.starts_with(b".") && !line.starts_with(b"..") {
            return Some(number);
        }
        start += crate::matching::position(line, b"\r\n")? + 2;
        number += 1;
    }
}

fn line_number(text: &[u8], at: usize) -> usize {
    text[..at].iter().filter(|&&octet| octet == b'\n').count() + 1
}
