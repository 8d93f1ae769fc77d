//! The known differences, each with a predicate that recognizes it and its reason.

/// An aspect in which two parsers may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The end of a reply or a command.
    End,
    /// The code of a reply.
    Code,
    /// Its text, without enhanced status codes.
    Text,
    /// Its enhanced status code.
    Enhanced,
    /// The verb of a command.
    Verb,
    /// The client's name.
    Name,
    /// The path of MAIL or RCPT.
    Path,
    /// The argument of another command.
    Argument,
    /// The number of lines of a reply.
    Lines,
    /// Whether a command is the last of a message.
    Last,
    /// The parameter of this keyword.
    Param(&'static str),
}

/// The two results for one aspect of an input.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub ours: &'a str,
    pub theirs: &'a str,
    /// The octets of the reply, or of one of its lines if the aspect is its text, or the line of
    /// the command; without the line end.
    pub input: &'a [u8],
}

impl<'a> Seen<'a> {
    /// The line of a reply after its code.
    fn text(&self) -> &'a [u8] {
        self.input.get(4..).unwrap_or_default()
    }
}

struct Known {
    aspect: Aspect,
    /// Whether the difference is this one. The predicate must be strict, because it hides what it
    /// explains.
    explains: fn(&Seen<'_>) -> bool,
    why: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        aspect: Aspect::Text,
        explains: |seen| {
            let text = seen.text();
            number_like(text) == text.len() && seen.theirs == format!("{}\r", seen.ours)
        },
        why: "They treat the CR after an empty text, or after a possible start of an enhanced status \
              code, as text.",
    },
    Known {
        aspect: Aspect::Lines,
        explains: |seen| {
            seen.input.split_inclusive(|&octet| octet == b'\n').any(|line| {
                let text = line.strip_suffix(b"\n").unwrap_or(line).get(4..);
                text.is_some_and(|text| number_like(text) == text.len())
            })
        },
        why: "In the same place they treat a bare LF as text, and return one line too many.",
    },
    Known {
        aspect: Aspect::Text,
        explains: |seen| {
            let (number, text) = match loose_code(seen.text()) {
                Some((_, text)) => (0, text),
                None => (number_like(seen.text()), seen.text()),
            };
            let dropped = |from: usize| {
                let behind = text[from..].iter().copied().filter(|&octet| octet != b'\r');
                let kept: Vec<u8> = text[..from].iter().copied().chain(behind).collect();
                String::from_utf8_lossy(&kept).into_owned()
            };
            let kept = if text.get(number) == Some(&b'\r') { number + 1 } else { number };
            seen.input.contains(&b'\r')
                && [dropped(0), dropped(kept)].contains(&seen.theirs.to_owned())
        },
        why: "They drop every CR inside a text, except one after a possible start of an enhanced \
              status code; ours keeps and reports them.",
    },
    Known {
        aspect: Aspect::Text,
        explains: |seen| {
            let rest = loose_code(seen.text()).map(|(_, rest)| String::from_utf8_lossy(rest));
            !has_proper_code(seen.input) && rest.is_some_and(|rest| rest == seen.theirs)
        },
        why: "They remove an enhanced status code of any class from the text, and one with empty \
              parts; ours only a well-formed one of the class of the reply code.",
    },
    Known {
        aspect: Aspect::Enhanced,
        explains: |seen| {
            let lines = seen.input.split(|&octet| octet == b'\n').map(without_end);
            let texts = lines.clone().map(|line| line.get(4..).unwrap_or_default());
            let codes: Vec<String> = texts.filter_map(loose_code).map(|(code, _)| code).collect();
            let one = codes.len() == 1 && lines.into_iter().any(has_proper_code);
            let large = seen.ours.split('.').any(|part| part.parse::<u8>().is_err());
            (!one || large) && codes.last().is_some_and(|code| code == seen.theirs)
        },
        why: "They report the code of the last line that has one, of any class, with empty parts as \
              0 and none above 255; ours the first that is well-formed and of the right class.",
    },
    Known {
        aspect: Aspect::Name,
        explains: |seen| seen.ours.split(' ').next() == Some(seen.theirs),
        why: "They end a name at the first space; ours keeps the whole name and reports it.",
    },
    Known {
        aspect: Aspect::Path,
        explains: |seen| seen.ours == "Postmaster" && seen.theirs.is_empty(),
        why: "They do not distinguish the postmaster from the null path.",
    },
    Known {
        aspect: Aspect::Path,
        explains: |seen| seen.ours.starts_with('"') && dequoted(seen.ours) == seen.theirs,
        why: "They remove the quotes of a local-part; ours keeps it as received.",
    },
    Known {
        aspect: Aspect::Argument,
        explains: |seen| {
            let line = String::from_utf8_lossy(seen.input);
            let argument = line.split_once(' ').map_or("", |(_, argument)| argument);
            seen.ours.contains(['"', ' ']) && dequoted(argument.trim_start()) == seen.theirs
        },
        why: "They remove the quotes of an argument and end it at the first space outside of them.",
    },
    Known {
        aspect: Aspect::Argument,
        explains: |seen| {
            let domains = seen.ours.split(',').filter(|domain| !domain.is_empty());
            domains.collect::<Vec<_>>().join(",") == seen.theirs
        },
        why: "They drop empty domains of ATRN; ours keeps the argument as one word.",
    },
    Known {
        aspect: Aspect::Param("SIZE"),
        explains: |seen| size_overflows(seen.input),
        why: "After a size that is too large, they read on into the next word; ours returns the \
              largest value.",
    },
    Known {
        aspect: Aspect::Param("unknown"),
        explains: |seen| {
            size_overflows(seen.input) && seen.ours.starts_with(|c: char| c.is_ascii_digit())
        },
        why: "In the same place they treat a parameter of digits as a part of the size.",
    },
    Known {
        aspect: Aspect::Param("RRVS action"),
        explains: |seen| (seen.ours, seen.theirs) == ("None", "Some(Reject)"),
        why: "They return the default; ours returns that none was given.",
    },
];

/// Panics if the results differ in a way that is not known.
pub fn expect_equal(input: &[u8], aspect: Aspect, ours: &str, theirs: &str) {
    let seen = Seen { ours, theirs, input };
    let known = |one: &Known| one.aspect == aspect && (one.explains)(&seen) && !one.why.is_empty();
    let explained = ours == theirs || KNOWN.iter().any(known);
    assert!(explained, "{aspect:?}: ours {ours:?}, theirs {theirs:?} in {}", input.escape_ascii());
}

/// The line without the CRs before its LF.
fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|&octet| octet != b'\r').map_or(0, |at| at + 1);
    &line[..end]
}

/// Returns whether a line of a reply has a valid enhanced status code: three numbers, of which the
/// first is the first digit of the reply code and the others have one to three digits.
fn has_proper_code(line: &[u8]) -> bool {
    let text = line.get(4..).unwrap_or_default();
    let code = text.split(|&octet| octet == b' ').next().unwrap_or_default();
    let parts: Vec<&[u8]> = code.split(|&octet| octet == b'.').collect();
    let number =
        |part: &&[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let class = str::from_utf8(parts[0]).ok().and_then(|class| class.parse::<u8>().ok());
    parts.len() == 3
        && parts[0].len() == 1
        && parts.iter().all(number)
        && class.is_some_and(|class| [2, 4, 5].contains(&class) && line[0] - b'0' == class)
}

/// The length of the part of a text that may begin an enhanced status code.
fn number_like(text: &[u8]) -> usize {
    let end = text.iter().position(|octet| !matches!(octet, b'0'..=b'9' | b'.'));
    end.unwrap_or(text.len())
}

/// The enhanced status code at the start of a text as the other parser reads it, of any class, with
/// parts that may be empty or saturate; and the rest.
fn loose_code(text: &[u8]) -> Option<(String, &[u8])> {
    let end = text.iter().position(|octet| matches!(octet, b' ' | b'\r')).unwrap_or(text.len());
    let parts: Vec<&[u8]> = text[..end].split(|&octet| octet == b'.').collect();
    let number = |part: &&[u8]| {
        let number = part.iter().try_fold(0_u8, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            (number < 100).then(|| number.saturating_mul(10).saturating_add(digit))
        });
        number.map(|number| number.to_string())
    };
    let numbers: Vec<String> = parts.iter().filter_map(number).collect();
    (parts.len() == 3 && numbers.len() == 3 && end <= 10)
        .then(|| (numbers.join("."), text.get(end + 1..).unwrap_or_default()))
}

/// Returns whether the size in this MAIL command exceeds 64 bits.
fn size_overflows(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_uppercase();
    line.split(' ').filter_map(|word| word.strip_prefix("SIZE=")).any(|size| {
        size.bytes().all(|octet| octet.is_ascii_digit()) && size.parse::<u64>().is_err()
    })
}

/// The text without its quotes and without the backslashes between them, up to the first space
/// outside of quotes that follows another character.
fn dequoted(text: &str) -> String {
    let mut plain = String::new();
    let mut quoted = false;
    let mut escaped = false;
    for character in text.chars() {
        match character {
            _ if escaped => {
                plain.push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted && plain.is_empty() => {}
            ' ' if !quoted => break,
            _ => plain.push(character),
        }
    }
    plain
}
