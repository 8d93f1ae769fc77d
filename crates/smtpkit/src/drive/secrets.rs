//! What was filled in, to be hidden where the server repeats it.
use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// What stands for the stars of a script, as it was sent and decoded.
pub(super) struct Secrets {
    /// The longest first: a shorter one may be a part of it.
    hidden: Vec<String>,
}

/// Shorter secrets are hidden only where they are a whole word: as a part of one, they are found by
/// chance.
const SHORTEST: usize = 4;
/// What replaces a secret.
const MARK: &str = "***";

impl Secrets {
    pub(super) fn new(fillings: &[String]) -> Self {
        let mut hidden: Vec<String> = fillings.iter().flat_map(|filling| forms(filling)).collect();
        hidden.retain(|secret| secret.chars().any(char::is_alphanumeric));
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        hidden.dedup();
        Self { hidden }
    }

    /// Returns a text without the secrets.
    pub(super) fn without(&self, text: String) -> String {
        self.hidden.iter().fold(text, |text, secret| match secret.len() < SHORTEST {
            true => without_word(&text, secret),
            false => text.replace(secret, MARK),
        })
    }
}

/// A filling as it is sent, without the padding of base64, and the fields that it encodes. Octets that
/// are no text are escaped, as they are where they are shown.
fn forms(filling: &str) -> Vec<String> {
    let mut forms = vec![filling.to_owned(), filling.trim_end_matches('=').to_owned()];
    let engine: &GeneralPurpose = if filling.ends_with('=') { &STANDARD } else { &STANDARD_NO_PAD };
    for field in engine.decode(filling).unwrap_or_default().split(u8::is_ascii_control) {
        forms.push(field.escape_ascii().to_string());
        forms.extend(String::from_utf8(field.to_vec()));
        // SCRAM has attributes between commas, and OAUTHBEARER a word before the token.
        let parts = field.split(|octet| matches!(octet, b' ' | b','));
        let parts = parts.filter_map(|part| str::from_utf8(part).ok());
        forms.extend(parts.filter(|part| part.len() >= SHORTEST).map(str::to_owned));
    }
    forms
}

/// Replaces a secret where it is a whole word.
fn without_word(text: &str, secret: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, after) = (&rest[..at], &rest[at + secret.len()..]);
        let is_open = |char: Option<char>| !char.is_some_and(char::is_alphanumeric);
        let is_word = is_open(before.chars().next_back().or_else(|| shown.chars().next_back()))
            && is_open(after.chars().next());
        shown.push_str(before);
        shown.push_str(if is_word { MARK } else { secret });
        rest = after;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filling: &str, text: &str, expected: &str) {
        let secrets = Secrets::new(&[filling.to_owned()]);
        assert_eq!(secrets.without(text.to_owned()), expected);
    }

    #[test]
    fn secrets_are_hidden_as_they_are_sent_and_decoded() {
        let plain = "AHRpbQBodW50ZXIy";
        check(plain, "535 AHRpbQBodW50ZXIy is wrong", "535 *** is wrong");
        check(plain, "535 hunter2 is wrong for tim", "535 *** is wrong for ***");
        check("aHVudGVyMg==", "334 aHVudGVyMg== aHVudGVyMg, hunter2", "334 *** ***, ***");
        check("hunter2", "535 'hunter2'", "535 '***'");
        // A password in Latin-1, in a line that is shown with escapes.
        check("AHRpbQDkbG9uZ2Vy", "535 \\xe4longer", "535 ***");
        check("bixhPXRpbSwBYXV0aD1CZWFyZXIgdG9rZW4xMjMBAQ==", "no token123", "no ***");
    }

    #[test]
    fn short_secrets_are_hidden_as_words() {
        check("abc", "535 abc abcd xabc (abc)", "535 *** abcd xabc (***)");
        check("cHc=", "535 pw is no power", "535 *** is no power");
        check("=", "250 a=b", "250 a=b");
        check("", "250 ok", "250 ok");
    }
}
