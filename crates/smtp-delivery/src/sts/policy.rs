//! The policy of a domain. No I/O.
use std::{fmt, str::FromStr, time::Duration};

use crate::{InvalidName, Name};

use super::{is_extension, trim};

/// The MTA-STS policy of a domain: how its MX hosts are to be authenticated, and which they are (RFC
/// 8461, 3.2).
///
/// ```
/// use std::time::Duration;
/// use smtp_delivery::{Name, StsMode, StsPolicy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = b"version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 604800\n";
/// let policy = StsPolicy::parse(text)?;
/// assert_eq!(policy.mode(), StsMode::Enforce);
/// assert!(policy.permits(&Name::new("mx1.example.org")?));
/// assert!(!policy.permits(&Name::new("a.mx1.example.org")?));
///
/// let by_hand = StsPolicy::new(
///     StsMode::Enforce,
///     ["*.example.org".parse()?],
///     Duration::from_secs(604_800),
/// )?;
/// assert_eq!(by_hand, policy);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StsPolicy {
    mode: StsMode,
    patterns: Vec<MxPattern>,
    max_age: Duration,
}

/// What a sender does if an MX host cannot be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StsMode {
    /// Messages are not sent to that host.
    Enforce,
    /// Messages are sent as if there were no policy, and the failure is reported (RFC 8460).
    Testing,
    /// There is no policy any more: the domain revokes one that it had.
    None,
}

/// Why octets are no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStsPolicy {
    /// The text is longer than [`StsPolicy::MAX_SIZE`].
    #[error("MTA-STS policy: {size} octets; the limit is {}", StsPolicy::MAX_SIZE)]
    TooLarge {
        /// The octets of the text.
        size: usize,
    },
    /// A line does not have the form `name: value`, or has octets that no line may have.
    #[error("MTA-STS policy: line {number} does not have the form `name: value`")]
    Line {
        /// Its number, from 1.
        number: usize,
    },
    /// A field is missing: `version`, `mode`, `max_age`, or `mx` where the mode is not `none`.
    #[error("MTA-STS policy: there is no field `{field}`")]
    Missing {
        /// The name of the field.
        field: &'static str,
    },
    /// The version is not `STSv1`.
    #[error("MTA-STS policy: `version` is not `STSv1`")]
    Version,
    /// The mode is not `enforce`, `testing` or `none`.
    #[error("MTA-STS policy: `mode` is not `enforce`, `testing` or `none`")]
    Mode,
    /// The lifetime is not a number, or is longer than [`StsPolicy::MAX_AGE`].
    #[error("MTA-STS policy: `max_age` is not a number of seconds")]
    MaxAge,
    /// A pattern of MX hosts is not valid.
    #[error("MTA-STS policy: `mx` number {number} is not a name of hosts: {reason}")]
    Mx {
        /// Its number, from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        reason: InvalidMxPattern,
    },
    /// There are more patterns of MX hosts than [`StsPolicy::MAX_PATTERNS`].
    #[error("MTA-STS policy: more than {} fields `mx`", StsPolicy::MAX_PATTERNS)]
    TooManyPatterns,
}

impl StsPolicy {
    /// The most octets of a policy (RFC 8461, 3.3).
    pub const MAX_SIZE: usize = 64 * 1024;
    /// The longest lifetime, about a year.
    pub const MAX_AGE: Duration = Duration::from_secs(31_557_600);
    /// The most patterns of MX hosts.
    pub const MAX_PATTERNS: usize = 100;

    /// Returns the policy with these patterns of MX hosts, which is valid for the duration `max_age`.
    ///
    /// # Errors
    /// The mode is not [`StsMode::None`] and there is no pattern; there are too many, or the lifetime
    /// is longer than [`StsPolicy::MAX_AGE`]. Fractions of a second are dropped.
    pub fn new(
        mode: StsMode,
        patterns: impl IntoIterator<Item = MxPattern>,
        max_age: Duration,
    ) -> Result<Self, InvalidStsPolicy> {
        let patterns: Vec<_> = patterns.into_iter().take(Self::MAX_PATTERNS + 1).collect();
        if patterns.len() > Self::MAX_PATTERNS {
            return Err(InvalidStsPolicy::TooManyPatterns);
        }
        if patterns.is_empty() && mode != StsMode::None {
            return Err(InvalidStsPolicy::Missing { field: "mx" });
        }
        if max_age > Self::MAX_AGE {
            return Err(InvalidStsPolicy::MaxAge);
        }
        Ok(Self { mode, patterns, max_age: Duration::from_secs(max_age.as_secs()) })
    }

    /// Parses the text of a policy.
    ///
    /// Fields that are not known are ignored, and of a field that may appear once the first counts.
    /// A lifetime of up to ten digits, which the grammar allows, counts as [`StsPolicy::MAX_AGE`] if it
    /// is longer: to reject the policy would leave the domain without any. Empty lines are ignored.
    ///
    /// # Errors
    /// The text is too long, or not a policy.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidStsPolicy> {
        if text.len() > Self::MAX_SIZE {
            return Err(InvalidStsPolicy::TooLarge { size: text.len() });
        }
        let mut fields = Fields::default();
        for (number, line) in (1..).zip(text.split(|&octet| octet == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !trim(line).is_empty() {
                fields.read(line).ok_or(InvalidStsPolicy::Line { number })?;
            }
        }
        fields.into_policy()
    }

    /// Returns the mode.
    pub fn mode(&self) -> StsMode {
        self.mode
    }

    /// Returns the patterns of MX hosts.
    pub fn patterns(&self) -> &[MxPattern] {
        &self.patterns
    }

    /// Returns for how long the policy is valid after it was fetched: whole seconds.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns whether one of the patterns matches this name of an MX host (RFC 8461, 4.1). The
    /// [mode](Self::mode) says what follows from it; it is not looked at here.
    pub fn permits(&self, host: &Name) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(host))
    }
}

/// The text of the policy.
impl fmt::Display for StsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version: STSv1\r\nmode: {}\r\n", self.mode)?;
        for pattern in &self.patterns {
            write!(f, "mx: {pattern}\r\n")?;
        }
        write!(f, "max_age: {}\r\n", self.max_age.as_secs())
    }
}

impl fmt::Display for StsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        })
    }
}

/// The fields of a policy as they are read.
#[derive(Default)]
struct Fields<'a> {
    version: Option<&'a [u8]>,
    mode: Option<&'a [u8]>,
    max_age: Option<&'a [u8]>,
    mx: Vec<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Reads a line; it is `None` if the line is no field.
    fn read(&mut self, line: &'a [u8]) -> Option<()> {
        let colon = line.iter().position(|&octet| octet == b':')?;
        let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
        let first = match name {
            b"version" => &mut self.version,
            b"mode" => &mut self.mode,
            b"max_age" => &mut self.max_age,
            b"mx" => {
                // One too many is enough to know, whatever else the text has.
                if self.mx.len() <= StsPolicy::MAX_PATTERNS {
                    self.mx.push(value);
                }
                return Some(());
            }
            _ => {
                let value = str::from_utf8(value).ok()?;
                let valid = is_extension(name) && !value.chars().any(char::is_control);
                return valid.then_some(());
            }
        };
        first.get_or_insert(value);
        Some(())
    }

    fn into_policy(self) -> Result<StsPolicy, InvalidStsPolicy> {
        let required =
            |value: Option<&'a [u8]>, field| value.ok_or(InvalidStsPolicy::Missing { field });
        if required(self.version, "version")? != b"STSv1" {
            return Err(InvalidStsPolicy::Version);
        }
        let mode = match required(self.mode, "mode")? {
            b"enforce" => StsMode::Enforce,
            b"testing" => StsMode::Testing,
            b"none" => StsMode::None,
            _ => return Err(InvalidStsPolicy::Mode),
        };
        let max_age = max_age(required(self.max_age, "max_age")?)?;
        if self.mx.len() > StsPolicy::MAX_PATTERNS {
            return Err(InvalidStsPolicy::TooManyPatterns);
        }
        let read = |(number, &text)| {
            MxPattern::from_octets(text).map_err(|reason| InvalidStsPolicy::Mx { number, reason })
        };
        let patterns: Vec<_> = (1..).zip(&self.mx).map(read).collect::<Result<_, _>>()?;
        StsPolicy::new(mode, patterns, max_age)
    }
}

/// Reads a lifetime in seconds.
fn max_age(digits: &[u8]) -> Result<Duration, InvalidStsPolicy> {
    let is_number = (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(digits).ok().filter(|_| is_number);
    let seconds = text.and_then(|text| text.parse().ok()).ok_or(InvalidStsPolicy::MaxAge)?;
    Ok(Duration::from_secs(seconds).min(StsPolicy::MAX_AGE))
}

/// A pattern of MX hosts: a name, or one whose first label is `*`, for any single label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MxPattern {
    is_wildcard: bool,
    name: Name,
}

/// Why a text is not a pattern of MX hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMxPattern {
    /// It is not a domain name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It is a domain name, but no host has it. A `*` is allowed as the whole first label only.
    #[error("no host has this name")]
    NotAHost,
    /// It has characters outside ASCII; internationalized names are published with A-labels.
    #[error("the name is not in ASCII")]
    NotAscii,
}

impl MxPattern {
    fn from_octets(octets: &[u8]) -> Result<Self, InvalidMxPattern> {
        str::from_utf8(octets).map_err(|_| InvalidMxPattern::NotAscii)?.parse()
    }

    /// Returns whether the pattern matches this name of a host.
    pub fn matches(&self, host: &Name) -> bool {
        if !self.is_wildcard {
            return *host == self.name;
        }
        let (label, parent) = host.as_str().split_once('.').unwrap_or_default();
        !label.is_empty() && parent == self.name.as_str()
    }
}

impl FromStr for MxPattern {
    type Err = InvalidMxPattern;

    fn from_str(text: &str) -> Result<Self, InvalidMxPattern> {
        if !text.is_ascii() {
            return Err(InvalidMxPattern::NotAscii);
        }
        let parent = text.strip_prefix("*.");
        let name = Name::new(parent.unwrap_or(text))?;
        if !name.is_host() {
            return Err(InvalidMxPattern::NotAHost);
        }
        Ok(Self { is_wildcard: parent.is_some(), name })
    }
}

impl fmt::Display for MxPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_wildcard { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests;
