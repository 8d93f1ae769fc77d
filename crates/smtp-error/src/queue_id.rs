//! The identifier under which a server has queued a message, from the text of its reply.
//!
//! No RFC has a form for it, so that each form here is that of a server, or of several. What only
//! resembles one of them has no identifier: a wrong one misleads a search of the log.
use crate::ReplyLine;

/// The most words of a line that are looked at, and the most octets of an identifier.
const MAX_WORDS: usize = 24;
const MAX_LENGTH: usize = 256;

/// Returns the queue identifier in this line of a reply that accepts a message.
pub(crate) fn in_line(line: ReplyLine<'_>) -> Option<&str> {
    let text = core::str::from_utf8(line.as_bytes()).ok()?;
    let mut words = [""; MAX_WORDS + 1];
    let mut length = 0;
    for (room, word) in words.iter_mut().zip(text.split_ascii_whitespace()) {
        *room = word;
        length += 1;
    }
    if length > MAX_WORDS {
        return None;
    }
    let words = &words[usize::from(line.enhanced().is_some())..length];
    let found = named(words).or_else(|| in_place(words)).map(bare).filter(|id| is_identifier(id));
    found.or_else(|| qmail(text, words))
}

/// Returns the word that a phrase or a name introduces, wherever it stands in the line.
fn named<'a>(words: &[&'a str]) -> Option<&'a str> {
    let after = (0..words.len()).find_map(|at| match &words[at..] {
        // Postfix, MailHog, Mailpit, SendGrid, Fastmail and many others.
        [queued, r#as, id, ..] if are([queued, r#as], ["queued", "as"]) => Some(*id),
        // Yandex.
        [queued, on, _, r#as, id, ..] if are([queued, on, r#as], ["queued", "on", "as"]) => {
            Some(*id)
        }
        // Stalwart.
        [queued, with, name, id, ..] if are([queued, with, name], ["queued", "with", "id"]) => {
            Some(*id)
        }
        _ => None,
    });
    // Exim and those that run it (GMX, mail.ru); KumoMTA, with an identifier for each recipient
    // domain.
    let value = |word: &&'a str| {
        let (name, value) = word.split_once('=')?;
        (are([name], ["id"]) || are([name], ["ids"])).then_some(value)
    };
    after.or_else(|| words.iter().find_map(value)).or_else(|| exchange(words))
}

/// Exchange and Microsoft 365. The message identifier before it is that of the header section.
fn exchange<'a>(words: &[&'a str]) -> Option<&'a str> {
    let id = words.iter().find_map(|word| word.strip_prefix("[InternalId="))?;
    Some(id.trim_end_matches([',', ']'])).filter(|id| is_number(id))
}

/// Returns the word that is the identifier because of the whole line.
fn in_place<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        // Sendmail, OpenSMTPD, Proofpoint, Kerio.
        [id, message, accepted, r#for, delivery]
            if are(
                [message, accepted, r#for, delivery],
                ["message", "accepted", "for", "delivery"],
            ) =>
        {
            Some(id)
        }
        // Gmail: the time comes before it.
        [.., time, id, "-", "gsmtp"] if is_number(time) => Some(id),
        // Haraka.
        [message, queued, id] if are([message, queued], ["message", "queued"]) => {
            id.strip_prefix('(')?.strip_suffix(')')
        }
        // Dovecot's LMTP.
        [recipient, .., id, "Saved"] if recipient.starts_with('<') => Some(id),
        // Cisco (IronPort).
        [ok, message, id, accepted]
            if are([ok, message, accepted], ["ok:", "message", "accepted"]) && is_number(id) =>
        {
            Some(id)
        }
        // Amazon SES and SparkPost: an identifier of a form of their own, and nothing else.
        [ok, id] if are([ok], ["ok"]) && (has_form(id, SES) || has_form(id, SPARKPOST)) => Some(id),
        _ => None,
    }
}

/// The forms of identifiers: `x` is a hexadecimal digit, and the rest stands for itself.
const SES: &str = "xxxxxxxxxxxxxxxx-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx-xxxxxx";
const SPARKPOST: &str = "xx/xx-xxxxx-xxxxxxxx";

/// qmail: the time and the process that queued the message, which are one only together.
fn qmail<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let [ok, time, "qp", process, ..] = words else { return None };
    if !are([ok], ["ok"]) || !is_number(time) || !is_number(process) {
        return None;
    }
    let text = &text[text.find(time)?..];
    let qp = text.find("qp")?;
    let end = qp + text[qp..].find(process)? + process.len();
    Some(&text[..end])
}

/// Returns whether these words are the expected ones, in upper or lower case.
fn are<const N: usize>(words: [&str; N], expected: [&str; N]) -> bool {
    words.iter().zip(expected).all(|(word, expected)| word.eq_ignore_ascii_case(expected))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_digit())
}

fn has_form(word: &str, form: &str) -> bool {
    let fits = |(octet, expected): (u8, u8)| match expected {
        b'x' => octet.is_ascii_hexdigit(),
        expected => octet == expected,
    };
    word.len() == form.len() && word.bytes().zip(form.bytes()).all(fits)
}

/// Returns the word without the punctuation around it.
fn bare(word: &str) -> &str {
    let word = word.trim_end_matches(['.', ',', ';', ')', ']']);
    let inner = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
    inner.unwrap_or(word).trim_start_matches(['(', '['])
}

/// Returns whether a word can be an identifier: it is ASCII and not a word of a language, because
/// it has a digit, or upper and lower case mixed.
fn is_identifier(word: &str) -> bool {
    let octets = word.as_bytes();
    let has = |is: fn(&u8) -> bool| octets.iter().any(is);
    let is_mixed =
        || octets.iter().skip(1).any(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    octets.len() <= MAX_LENGTH
        && octets.iter().all(u8::is_ascii_graphic)
        && (has(u8::is_ascii_digit) || is_mixed())
}
