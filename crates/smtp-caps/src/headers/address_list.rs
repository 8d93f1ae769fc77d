//! Lists of addresses in header fields (RFC 5322, 3.4), read twice.
//!
//! A parser for received mail accepts what is not in the grammar, and then finds an address that the
//! author may not have meant: a mailbox cut at a comment, for instance. So the addresses count only
//! if `mail-parser` and the strict reader here find the same.
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::{mem, str, str::Chars};

use mail_parser::{HeaderName, MessageParser};
use smtp_codec::Mailbox;
use smtp_error::{AddressField, HeaderError};

/// Returns the mailboxes of this field in order, those of groups included.
pub(super) fn read(field: AddressField, value: &[u8]) -> Result<Vec<Mailbox>, HeaderError> {
    let text = str::from_utf8(value).map_err(|_| HeaderError::NotUtf8 { field })?;
    let addresses = Reader::read(text).ok_or(HeaderError::Unreadable { field })?;
    let numbered = addresses.into_iter().zip(1..);
    let mailboxes = numbered.map(|(address, number)| match Mailbox::try_from(&*address) {
        Ok(mailbox) => Ok(mailbox),
        Err(invalid) => Err(HeaderError::Address { field, number, address, invalid }),
    });
    let mailboxes = mailboxes.collect::<Result<Vec<_>, _>>()?;
    if parsed(text).iter().ne(mailboxes.iter().map(Mailbox::as_str)) {
        return Err(HeaderError::Unreadable { field });
    }
    Ok(mailboxes)
}

/// Returns the addresses that `mail-parser` finds.
fn parsed(value: &str) -> Vec<String> {
    let section = format!("To:{value}\r\n\r\n");
    let parser = MessageParser::new().header_address(HeaderName::To);
    let message = parser.parse_headers(section.as_bytes());
    let list = message.as_ref().and_then(|message| message.to());
    let addresses = list.into_iter().flat_map(|list| list.iter());
    addresses.map(|one| one.address().unwrap_or_default().to_owned()).collect()
}

/// Reads a list by the grammar, without its obsolete forms.
struct Reader<'a> {
    rest: Chars<'a>,
    found: Vec<String>,
    item: Item,
    in_group: bool,
}

/// The item of the list that is being read, without comments.
#[derive(Default)]
struct Item {
    /// What is outside angle brackets.
    plain: String,
    /// Whether an `@` of it is outside quotes.
    has_at: bool,
    /// What is inside angle brackets.
    angle: Option<String>,
    is_open: bool,
}

impl<'a> Reader<'a> {
    /// Returns the addresses; `None` if the grammar does not have such a list.
    fn read(text: &'a str) -> Option<Vec<String>> {
        let item = Item::default();
        let mut reader = Self { rest: text.chars(), found: Vec::new(), item, in_group: false };
        while let Some(character) = reader.rest.next() {
            reader.take(character)?;
        }
        reader.end_item()?;
        (!reader.in_group).then_some(reader.found)
    }

    fn take(&mut self, character: char) -> Option<()> {
        match character {
            // A folded line: its blank remains.
            '\r' | '\n' => {}
            '(' => self.skip_comment()?,
            '"' => self.take_enclosed('"', '"')?,
            '[' => self.take_enclosed('[', ']')?,
            '<' if self.item.angle.is_none() => {
                (self.item.angle, self.item.is_open) = (Some(String::new()), true);
            }
            '>' if self.item.is_open => self.item.is_open = false,
            '<' | '>' => return None,
            other if self.item.is_open => self.item.push(other)?,
            ',' => self.end_item()?,
            ';' if self.in_group => {
                self.end_item()?;
                self.in_group = false;
            }
            // The name of a group.
            ':' if !self.in_group && self.item.angle.is_none() && !self.item.has_at => {
                self.item = Item::default();
                self.in_group = true;
            }
            ':' | ';' => return None,
            other => self.item.push(other)?,
        }
        Some(())
    }

    fn skip_comment(&mut self) -> Option<()> {
        let mut depth = 1;
        while depth > 0 {
            match self.rest.next()? {
                '(' => depth += 1,
                ')' => depth -= 1,
                '\\' => drop(self.rest.next()?),
                _ => {}
            }
        }
        Some(())
    }

    /// Takes a quoted string or an address literal as it is.
    fn take_enclosed(&mut self, open: char, close: char) -> Option<()> {
        let had_at = self.item.has_at;
        self.item.push(open)?;
        loop {
            let character = self.rest.next()?;
            match character {
                '\r' | '\n' => {}
                '\\' => {
                    self.item.push('\\')?;
                    self.item.push(self.rest.next()?)?;
                }
                other => self.item.push(other)?,
            }
            if character == close {
                self.item.has_at = had_at;
                return Some(());
            }
        }
    }

    /// Ends an item, which may be empty.
    fn end_item(&mut self) -> Option<()> {
        let item = mem::take(&mut self.item);
        let address = match item.angle {
            // An address in the place of a name: it is not sure which is meant.
            Some(_) if item.is_open || item.has_at => return None,
            Some(address) => address,
            None if item.plain.trim().is_empty() => return Some(()),
            None => item.plain,
        };
        self.found.push(address.trim().to_owned());
        Some(())
    }
}

impl Item {
    /// Adds a character. After angle brackets only blanks may follow.
    fn push(&mut self, character: char) -> Option<()> {
        match &mut self.angle {
            Some(angle) if self.is_open => angle.push(character),
            Some(_) if matches!(character, ' ' | '\t') => {}
            Some(_) => return None,
            None => {
                self.plain.push(character);
                self.has_at |= character == '@';
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[&str]) {
        let found = read(AddressField::To, value.as_bytes()).map_err(|error| error.to_string());
        let found = found.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(found, Ok(expected.iter().map(ToString::to_string).collect()), "{value:?}");
    }

    #[test]
    fn addresses_are_found_in_every_form_of_the_grammar() {
        check("a@example.org", &["a@example.org"]);
        check(" Ann <a@example.org>, b@example.org ", &["a@example.org", "b@example.org"]);
        check(
            " Ann\r\n\t<a@example.org>,\r\n b@example.org\r\n",
            &["a@example.org", "b@example.org"],
        );
        check(" \"Doe, Ann <x@y>\" <a@example.org>\r\n", &["a@example.org"]);
        check(" =?utf-8?q?J=C3=B6rg=2C_x?= <a@example.org>\r\n", &["a@example.org"]);
        check(" J\u{f6}rg <j\u{f6}rg@b\u{fc}cher.example>\r\n", &["j\u{f6}rg@b\u{fc}cher.example"]);
        check(" Ann (at (her) work, \\) x@y) <a@example.org> (b@c)\r\n", &["a@example.org"]);
        check(
            " Team: a@example.org, Bob <b@example.org>;, c@example.org",
            &["a@example.org", "b@example.org", "c@example.org"],
        );
        check(" a@[192.0.2.1]", &["a@[192.0.2.1]"]);
        check(" undisclosed-recipients:;\r\n", &[]);
        check(" \r\n", &[]);
        check("", &[]);
    }

    /// No envelope follows: above all, no part of an address is taken for one.
    #[track_caller]
    fn refused(value: &str) {
        let error = read(AddressField::Cc, value.as_bytes()).unwrap_err();
        let field = AddressField::Cc;
        let is_typed = match &error {
            HeaderError::Unreadable { field: named } => *named == field,
            HeaderError::Address { field: named, .. } => *named == field,
            _ => false,
        };
        assert!(is_typed, "{value:?}: {error:?}");
    }

    #[test]
    fn what_readers_could_understand_differently_is_refused() {
        for value in [
            "a@b(c).d",
            "a@b .d",
            "a. b@example.org",
            "a b@example.org",
            "x@example.org <a@example.org>",
            "a@example.org b@example.org",
            "a@example.org; b@example.org",
            "<@relay.example:a@example.org>",
            "<a@example.org",
            "a@example.org>",
            "<a@example.org> <b@example.org>",
            "<a@example.org> b@example.org",
            "Team: a@example.org",
            "\"a@example.org",
            "a@example.org (b",
            "Ann",
            "<>",
            "a@b@example.org",
            "a@example.org\0",
        ] {
            refused(value);
        }
    }

    #[test]
    fn octets_that_are_not_utf8_are_refused() {
        let error = read(AddressField::Bcc, b"\xe9 <a@example.org>").unwrap_err();
        assert_eq!(error, HeaderError::NotUtf8 { field: AddressField::Bcc });
    }
}
