//! Names, paths and words; most are valid.
use std::net::IpAddr;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use smtp_codec::{
    Argument, Deviations, ForwardPath, HelloName, Mailbox, Mechanism, ReversePath, Word,
};

/// The characters of a kind of text.
pub struct Alphabet(&'static str);

pub const ATOM: Alphabet = Alphabet("abcXYZ019!#$%&'*+-/=?^_`{|}~.äß漢");
pub const QUOTED: Alphabet = Alphabet("ab \"\\@<>:;,()[].\u{e4}");
pub const LABEL: Alphabet = Alphabet("abcXYZ019-_.ä漢ß。\u{200b}א");
pub const WORD: Alphabet = Alphabet("abcXYZ019!#$%&'*+-/=?^_`{|}~.<>@:;,()[]\"\\ä漢");
pub const MECHANISM: Alphabet = Alphabet("ABCDEFXYZ0123456789-_");
pub const BASE64: Alphabet = Alphabet("ABCabc019+/");
pub const DIGITS: Alphabet = Alphabet("0123456789");
/// The characters of a parameter's value, valid and invalid.
pub const VALUE: Alphabet = Alphabet("abcXYZ019!#$%&'*+-/?^_`{|}~.<>@:;,()[]\"\\ä漢 =");

impl Alphabet {
    /// Makes a text of up to this many characters.
    pub fn text(&self, source: &mut Unstructured<'_>, most: usize) -> Result<String> {
        let characters: Vec<char> = self.0.chars().collect();
        (0..source.int_in_range(0..=most)?).map(|_| source.choose(&characters).copied()).collect()
    }
}

/// Makes a mailbox that does not deviate from the grammar.
fn strict_mailbox(source: &mut Unstructured<'_>) -> Result<Mailbox> {
    let mailbox = mailbox(source)?;
    Ok(match mailbox.deviations().is_empty() {
        true => mailbox,
        false => "a@b.example".parse().expect("it is a mailbox"),
    })
}

pub fn mailbox(source: &mut Unstructured<'_>) -> Result<Mailbox> {
    let local = match source.arbitrary()? {
        true => ATOM.text(source, 90)?,
        false => format!("\"{}\"", QUOTED.text(source, 20)?),
    };
    let host = match source.int_in_range(0..=3)? {
        0 => HelloName::from(source.arbitrary::<IpAddr>()?).to_string(),
        1 => format!("[tag:{}]", ATOM.text(source, 10)?),
        _ => LABEL.text(source, 70)?,
    };
    let mailbox = Mailbox::tolerating(format!("{local}@{host}"), Deviations::MAILBOX);
    Ok(mailbox.unwrap_or_else(|_| "a@b.example".parse().expect("it is a mailbox")))
}

pub fn reverse_path(source: &mut Unstructured<'_>) -> Result<ReversePath> {
    Ok(match source.ratio(1, 8)? {
        true => ReversePath::Null,
        false => mailbox(source)?.into(),
    })
}

pub fn forward_path(source: &mut Unstructured<'_>) -> Result<ForwardPath> {
    Ok(match source.ratio(1, 8)? {
        true => ForwardPath::Postmaster,
        false => mailbox(source)?.into(),
    })
}

pub fn hello_name(source: &mut Unstructured<'_>) -> Result<HelloName> {
    if source.arbitrary()? {
        return Ok(source.arbitrary::<IpAddr>()?.into());
    }
    Ok(LABEL.text(source, 40)?.parse().unwrap_or_else(|_| HelloName::localhost()))
}

pub fn argument(source: &mut Unstructured<'_>) -> Result<Argument> {
    if source.arbitrary()? {
        return Ok(Argument::from(&strict_mailbox(source)?));
    }
    let argument = Argument::new(&QUOTED.text(source, 20)?);
    Ok(argument.unwrap_or_else(|_| Argument::new("SMTPUTF8").expect("it is an atom")))
}

pub fn word(source: &mut Unstructured<'_>) -> Result<Word> {
    let word = Word::new(WORD.text(source, 24)?);
    Ok(word.unwrap_or_else(|_| Word::new("b.example".into()).expect("it is a word")))
}

pub fn mechanism(source: &mut Unstructured<'_>) -> Result<Mechanism> {
    let mechanism = MECHANISM.text(source, 24)?.parse();
    Ok(mechanism.unwrap_or_else(|_| "PLAIN".parse().expect("it is a mechanism")))
}
