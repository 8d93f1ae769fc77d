//! The grammar of addresses and arguments (RFC 5321, 4.1.2; RFC 6531, 3.3).
use smtp_error::{Field, Flaw, Invalid};

/// Returns whether it is an octet of an atom. All octets outside ASCII are:
/// [`check_characters`] refuses the characters that are forbidden.
pub(crate) fn is_atext(octet: u8) -> bool {
    const ATEXT: [bool; 256] = letters_digits_and(b"!#$%&'*+-/=?^_`{|}~", true);
    ATEXT[usize::from(octet)]
}

/// Returns whether it is an octet of an ASCII label of a domain, or of the keyword of a parameter.
pub(crate) fn is_let_dig_hyp(octet: u8) -> bool {
    const LET_DIG_HYP: [bool; 256] = letters_digits_and(b"-", false);
    LET_DIG_HYP[usize::from(octet)]
}

/// Returns whether it is an ASCII octet of the value of a parameter.
pub(crate) fn is_value(octet: u8) -> bool {
    const VALUE: [bool; 256] = letters_digits_and(b"!\"#$%&'()*+,-./:;<>?@[\\]^_`{|}~", false);
    VALUE[usize::from(octet)]
}

/// Returns whether it is an octet of xtext that stands for itself (RFC 3461, 4).
pub(crate) fn is_xchar(octet: u8) -> bool {
    const XCHAR: [bool; 256] = letters_digits_and(b"!\"#$%&'()*,-./:;<>?@[\\]^_`{|}~", false);
    XCHAR[usize::from(octet)]
}

/// Returns the table of the octets that are letters, digits or one of these marks.
const fn letters_digits_and(marks: &[u8], outside_ascii: bool) -> [bool; 256] {
    let mut table = [outside_ascii; 256];
    let mut octet = 0_u8;
    while octet < 128 {
        table[octet as usize] = octet.is_ascii_alphanumeric();
        octet += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

/// Returns the length of the run of octets of this kind that `octets` begins with.
pub(crate) fn run(octets: &[u8], is_kind: impl Fn(u8) -> bool) -> usize {
    octets.iter().position(|&octet| !is_kind(octet)).unwrap_or(octets.len())
}

/// Returns whether all octets are spaces and printable ASCII. It compares eight at a time: nearly
/// all text passes, and then needs no other check.
pub(crate) fn is_printable(octets: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let eight = |eight: &[u8; 8]| {
        let octets = u64::from_ne_bytes(*eight);
        // The high bit of an octet is set if it is below a space, a DEL, or outside ASCII.
        let high = octets.wrapping_sub(ONES * 0x20) | octets.wrapping_add(ONES) | octets;
        high & (ONES * 0x80) == 0
    };
    match octets.last_chunk() {
        Some(last) => octets.as_chunks().0.iter().all(eight) && eight(last),
        None => octets.iter().all(|octet| matches!(octet, b' '..=b'~')),
    }
}

/// Refuses an empty value, and one with a [forbidden](is_forbidden) character.
pub(crate) fn check_characters(field: Field, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(field, Flaw::Empty));
    }
    if is_printable(text.as_bytes()) {
        return Ok(());
    }
    let forbidden = |character: &(usize, char)| is_forbidden(character.1);
    match text.char_indices().find(forbidden) {
        Some((offset, character)) => Err(Invalid::new(field, Flaw::Control { character, offset })),
        None => Ok(()),
    }
}

/// Returns whether no argument may hold the character: a control, or one that reorders or breaks a
/// line where it is shown.
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

/// Returns the length of the Dot-string that `text` begins with, or the offset of the octet that is
/// wrong.
pub(crate) fn dot_string(text: &str) -> Result<usize, usize> {
    let mut end = 0;
    loop {
        let atom = run(&text.as_bytes()[end..], is_atext);
        if atom == 0 {
            return Err(end);
        }
        end += atom;
        if text.as_bytes().get(end) != Some(&b'.') {
            return Ok(end);
        }
        end += 1;
    }
}

/// Returns the length of the atoms and dots that `text` begins with: a Dot-string, or one with dots
/// where the grammar does not allow them. Returns 0 if there are only dots.
pub(crate) fn loose_dot_string(text: &str) -> usize {
    let is_part = |&&octet: &&u8| octet == b'.' || is_atext(octet);
    let end = text.as_bytes().iter().take_while(is_part).count();
    if text.as_bytes()[..end].iter().all(|&octet| octet == b'.') { 0 } else { end }
}

/// Returns the length of the Quoted-string that `text` begins with, quotes included, or the offset
/// of the octet that is wrong.
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
