//! The words that addresses and arguments are made of (RFC 5321, 4.1.2; RFC 6531, 3.3).
use smtp_error::{Field, Flaw, Invalid};

/// A character of an atom; outside ASCII every character that [`check_characters`] lets pass.
pub(crate) fn is_atext(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || !character.is_ascii()
        || matches!(
            character,
            '!' | '#'
                | '$'
                | '%'
                | '&'
                | '\''
                | '*'
                | '+'
                | '-'
                | '/'
                | '='
                | '?'
                | '^'
                | '_'
                | '`'
                | '{'
                | '|'
                | '}'
                | '~'
        )
}

/// Refuses an empty value, and one with a character that may stand in no argument of any command:
/// controls, and what reorders or breaks a line where it is shown.
pub(crate) fn check_characters(field: Field, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, Flaw::Empty));
    }
    let forbidden = |character: &(usize, char)| is_forbidden(character.1);
    match text.char_indices().find(forbidden) {
        Some((offset, character)) => Err(Invalid::new(field, Flaw::Control { character, offset })),
        None => Ok(()),
    }
}

/// Controls, and what reorders or breaks a line where it is shown.
pub(crate) fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// Refuses a value of more than `limit` octets.
pub(crate) fn check_length(field: Field, length: usize, limit: usize) -> Result<(), Invalid> {
    if length > limit {
        return Err(Invalid::new(field, Flaw::TooLong { length, limit }));
    }
    Ok(())
}

/// The length of the Dot-string that `text` begins with; the error is the offset that breaks it.
pub(crate) fn dot_string(text: &str) -> Result<usize, usize> {
    let end = text.find(|character| !is_atext(character) && character != '.').unwrap_or(text.len());
    let mut offset = 0;
    for atom in text[..end].split('.') {
        if atom.is_empty() {
            return Err(offset);
        }
        offset += atom.len() + 1;
    }
    Ok(end)
}

/// The length of the Quoted-string that `text` begins with, quotes included; the error is the
/// offset that breaks it.
pub(crate) fn quoted_string(text: &str) -> Result<usize, usize> {
    let mut characters = text.char_indices();
    if !matches!(characters.next(), Some((_, '"'))) {
        return Err(0);
    }
    while let Some((offset, character)) = characters.next() {
        match character {
            '"' => return Ok(offset + 1),
            '\\' => match characters.next() {
                Some((_, ' '..='~')) => {}
                _ => return Err(offset + 1),
            },
            ' '..='~' | '\u{80}'.. => {}
            _ => return Err(offset),
        }
    }
    Err(text.len())
}
