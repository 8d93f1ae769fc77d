//! Internationalized domains: what is one, and its form in ASCII (RFC 5890; UTS 46).
#[cfg(feature = "std")]
pub(crate) use with::{check, to_ascii, to_u_labels};
#[cfg(not(feature = "std"))]
pub(crate) use without::{check, to_ascii};

/// Returns whether readers that follow IDNA or that normalize for compatibility (NFKC) take this
/// character for a dot, or for text with a dot in it: to them the domain has other labels.
pub(crate) fn is_dot(character: char) -> bool {
    matches!(
        character,
        '\u{2024}'..='\u{2026}'
            | '\u{2488}'..='\u{249b}'
            | '\u{3002}'
            | '\u{33c2}'
            | '\u{33c7}'
            | '\u{33d8}'
            | '\u{fe19}'
            | '\u{fe30}'
            | '\u{fe52}'
            | '\u{ff0e}'
            | '\u{ff61}'
            | '\u{1f100}'
    )
}

#[cfg(feature = "std")]
mod with {
    use alloc::{borrow::Cow, string::String};

    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    use smtp_error::{Field, Flaw, Invalid};

    use crate::{Deviations, Domain, domain, grammar};

    /// The STD3 rules but for the underscore.
    const STD3_AND_UNDERSCORE: AsciiDenyList =
        AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

    /// Refuses a domain with a label that is not valid, and returns how it deviates; offsets are
    /// counted from `base`. The domain is not empty, and its ASCII characters were looked at.
    pub(crate) fn check(
        text: &str,
        base: usize,
        tolerated: Deviations,
    ) -> Result<Deviations, Invalid> {
        let denied = match tolerated.contains(Deviations::UNDERSCORE) {
            true => STD3_AND_UNDERSCORE,
            false => AsciiDenyList::STD3,
        };
        let mut offset = base;
        for label in text.split('.') {
            if !label.is_ascii() {
                check_label(label, offset, denied)?;
            }
            offset += label.len() + 1;
        }
        // Whether directions are mixed is a question of all labels together.
        let form = ascii(text, denied, Hyphens::CheckFirstLast).ok_or_else(|| invalid(base))?;
        grammar::check_length(Field::Domain, form.len(), Domain::MAX)?;
        let mut seen = Deviations::empty();
        seen.set(Deviations::UNDERSCORE, form.contains('_'));
        Ok(seen)
    }

    fn check_label(label: &str, offset: usize, denied: AsciiDenyList) -> Result<(), Invalid> {
        let refused = |&(_, character): &(usize, char)| vanishes(character) || is_struck(character);
        if let Some((at, _)) = label.char_indices().find(refused) {
            return Err(invalid(offset + at));
        }
        let form = ascii(label, denied, Hyphens::Check)
            .filter(|form| !form.is_empty() && !form.contains('.'))
            .ok_or_else(|| invalid(offset))?;
        domain::check_label_length(form.len(), offset)
    }

    fn invalid(offset: usize) -> Invalid {
        Invalid::new(Field::Domain, Flaw::InvalidLabel { offset })
    }

    /// Returns whether nothing is seen of this character: UTS 46 leaves it out, or it is shown as a
    /// blank although UTS 46 allows it. The joiners are not among them: UTS 46 allows them only
    /// where they change what is shown.
    fn vanishes(character: char) -> bool {
        const BLANK: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];
        let is_ignored = || {
            let mut octets = [0; 4];
            let text = character.encode_utf8(&mut octets).as_bytes();
            Uts46::new().to_unicode(text, AsciiDenyList::EMPTY, Hyphens::Allow).0.is_empty()
        };
        !character.is_ascii() && (BLANK.contains(&character) || is_ignored())
    }

    /// Returns whether it is `=`, `<` or `>` with a stroke, which is what decomposition makes of
    /// it: with the STD3 rules UTS 46 has no place for these three.
    fn is_struck(character: char) -> bool {
        matches!(character, '\u{2260}' | '\u{226e}' | '\u{226f}')
    }

    fn ascii(text: &str, denied: AsciiDenyList, hyphens: Hyphens) -> Option<Cow<'_, str>> {
        Uts46::new().to_ascii(text.as_bytes(), denied, hyphens, DnsLength::Ignore).ok()
    }

    /// Returns this valid domain with A-labels.
    pub(crate) fn to_ascii(text: &str) -> Cow<'_, str> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        ascii(text, STD3_AND_UNDERSCORE, Hyphens::CheckFirstLast).unwrap_or(Cow::Borrowed(text))
    }

    /// Returns this valid domain outside ASCII with U-labels: in lower case and composed.
    pub(crate) fn to_u_labels(text: &str) -> String {
        let (form, valid) =
            Uts46::new().to_unicode(text.as_bytes(), STD3_AND_UNDERSCORE, Hyphens::CheckFirstLast);
        if valid.is_ok() { form.into_owned() } else { text.into() }
    }
}

#[cfg(not(feature = "std"))]
mod without {
    use alloc::borrow::Cow;

    use smtp_error::{Field, Flaw, Invalid};

    use crate::Deviations;

    /// Refuses the domain, because nothing here can tell whether it is valid.
    pub(crate) fn check(text: &str, base: usize, _: Deviations) -> Result<Deviations, Invalid> {
        let at = text.bytes().position(|octet| !octet.is_ascii()).unwrap_or(0);
        Err(Invalid::new(Field::Domain, Flaw::NonAscii { offset: base + at }))
    }

    /// Returns the domain, which is ASCII.
    pub(crate) fn to_ascii(text: &str) -> Cow<'_, str> {
        Cow::Borrowed(text)
    }
}
