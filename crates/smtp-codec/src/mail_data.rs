//! Mail data: the content of a message, checked once before it is sent (RFC 5321, 2.3.8 and
//! 4.5.3.1.6).
use alloc::vec::Vec;
use core::{fmt, str};

use bytes::Bytes;
use smtp_error::{Field, Flaw, HeaderDefect, HeaderName, Invalid};

use crate::{HeaderField, HeaderScanner, IntoOctets, header_field, line_end};

/// The content of a message, header section and body, with CRLF line ends.
///
/// It holds no bare CR or LF, no NUL, and no line of more than 998 octets, unless it is
/// [binary](Self::binary). Cloning shares the octets.
#[derive(Clone, PartialEq, Eq)]
pub struct MailData {
    octets: Bytes,
    facts: ContentFacts,
}

/// What content needs of a server. The default is content of unknown size that needs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentFacts {
    /// The size in octets, as SIZE counts it: with the CRLF that is added to a last line without
    /// one, without stuffed dots and the final dot (RFC 1870). `None` if it is not known in
    /// advance.
    pub size: Option<u64>,
    /// Whether there is an octet outside ASCII, which needs 8BITMIME.
    pub eight_bit: bool,
    /// Whether there is UTF-8 in the header section, which needs SMTPUTF8 (RFC 6532).
    pub utf8_headers: bool,
    /// The first header field with an octet outside ASCII, of UTF-8 or not.
    pub raw_header: Option<HeaderName>,
    /// What is seldom intended in the header section: a field Bcc with a value, or no header
    /// section at all. `None` also where the header section is not known in advance.
    pub header_defect: Option<HeaderDefect>,
    /// Whether it does not consist of lines, which needs BINARYMIME (RFC 3030).
    pub binary: bool,
    /// Whether the server is to fetch parts of it, which needs BURL (RFC 4468).
    pub fetched: bool,
    /// Whether it is not checked yet, because it comes in pieces. It is declared 8BITMIME if the
    /// server offers that; if not, an octet outside ASCII is an error when its piece comes, unless
    /// the settings say that the server takes it all the same.
    pub unseen: bool,
}

/// The treatment of line ends other than CRLF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LineEnds {
    /// They are errors.
    #[default]
    Strict,
    /// A bare LF becomes CRLF: for text from a Unix file. A bare CR is an error.
    Unix,
    /// A bare LF and a bare CR become CRLF.
    Any,
}

impl MailData {
    /// The longest line, in octets, CRLF not counted.
    pub const MAX_LINE: usize = 998;

    /// Checks these octets. `Bytes`, `Vec<u8>` and `String` are not copied; text that is borrowed
    /// is.
    ///
    /// # Errors
    /// Refuses a bare CR or LF, a NUL, and a line of more than 998 octets. Servers disagree about
    /// where such lines end, which makes SMTP smuggling possible.
    pub fn new(octets: impl IntoOctets) -> Result<Self, Invalid> {
        let octets = octets.into_octets();
        let facts = scan(&octets)?;
        Ok(Self { octets, facts })
    }

    /// Converts the line ends that `ends` selects to CRLF, and checks the result. The octets are
    /// copied only if something changes.
    ///
    /// # Errors
    /// Those of [`MailData::new`], for line ends that were not converted.
    pub fn normalize(octets: impl IntoOctets, ends: LineEnds) -> Result<Self, Invalid> {
        let octets = octets.into_octets();
        let changed = match ends {
            LineEnds::Strict => None,
            LineEnds::Unix => crlf(&octets, false),
            LineEnds::Any => crlf(&octets, true),
        };
        Self::new(changed.map_or(octets, Bytes::from))
    }

    /// Accepts any octets, which are sent unchanged. The server has to offer BINARYMIME and
    /// CHUNKING (RFC 3030), which few do.
    pub fn binary(octets: impl IntoOctets) -> Self {
        let octets = octets.into_octets();
        let facts =
            ContentFacts { size: Some(octets.len() as u64), binary: true, ..needs_of(&octets) };
        Self { octets, facts }
    }

    /// Returns the octets, not stuffed.
    pub fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// Returns the mail data without the fields Bcc and Resent-Bcc of its header section, whose
    /// addresses every recipient could read otherwise (RFC 5322, 3.6.3). All other octets stay as
    /// they are. They are copied only if there is such a field.
    ///
    /// ```
    /// use smtp_codec::MailData;
    ///
    /// let text = MailData::new("To: a@example.org\r\nBcc: b@example.org\r\n\r\nHello.\r\n")?;
    /// assert_eq!(text.without_bcc().octets(), "To: a@example.org\r\n\r\nHello.\r\n");
    /// # Ok::<(), smtp_error::Invalid>(())
    /// ```
    #[must_use]
    pub fn without_bcc(&self) -> Self {
        if !HeaderField::all(&self.octets).any(HeaderField::is_bcc) {
            return self.clone();
        }
        let mut kept = Vec::with_capacity(self.octets.len());
        let mut end = 0;
        for field in HeaderField::all(&self.octets) {
            end += field.lines().len();
            if !field.is_bcc() {
                kept.extend_from_slice(field.lines());
            }
        }
        kept.extend_from_slice(&self.octets[end..]);
        let octets = Bytes::from(kept);
        // What is left out is whole lines, so that no flaw is added.
        let binary = self.facts.binary;
        let size = if binary { octets.len() as u64 } else { size_of(&octets) };
        let facts = ContentFacts { size: Some(size), binary, ..needs_of(&octets) };
        Self { octets, facts }
    }

    /// Returns what it needs of a server.
    pub fn facts(&self) -> ContentFacts {
        self.facts
    }
}

impl fmt::Debug for MailData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailData({:?})", self.facts)
    }
}

/// Returns what the content needs, or its first flaw.
fn scan(octets: &[u8]) -> Result<ContentFacts, Invalid> {
    if !(line_end::are_whole(octets) && has_short_lines(octets)) {
        find_flaw(octets)?;
    }
    Ok(ContentFacts { size: Some(size_of(octets)), ..needs_of(octets) })
}

/// Returns the size of mail data that consists of lines, as SIZE counts it.
fn size_of(octets: &[u8]) -> u64 {
    let complete = octets.is_empty() || octets.ends_with(b"\r\n");
    octets.len() as u64 + if complete { 0 } else { 2 }
}

/// Returns what the octets need, without a look at lines.
fn needs_of(octets: &[u8]) -> ContentFacts {
    let header_defect = header_field::defect(octets);
    if octets.is_ascii() {
        return ContentFacts { header_defect, ..ContentFacts::default() };
    }
    let headers_end = match octets {
        [b'\r', b'\n', ..] => Some(0),
        _ => memchr::memmem::find(octets, b"\r\n\r\n"),
    };
    let headers = &octets[..headers_end.unwrap_or(octets.len())];
    let mut facts = ContentFacts { eight_bit: true, header_defect, ..ContentFacts::default() };
    if !headers.is_ascii() {
        facts.utf8_headers = str::from_utf8(headers).is_ok();
        let mut scanner = HeaderScanner::new();
        scanner.scan(headers);
        facts.raw_header = scanner.raw_header();
    }
    facts
}

/// Returns whether no line is too long, in octets whose line ends are all CRLF. From the beginning
/// of a line it jumps to the last line end within the limit, and so skips most line ends.
pub(crate) fn has_short_lines(octets: &[u8]) -> bool {
    let mut rest = octets;
    while rest.len() > MailData::MAX_LINE {
        let reach = rest.len().min(MailData::MAX_LINE + "\r\n".len());
        match memchr::memrchr(b'\n', &rest[..reach]) {
            Some(end) => rest = &rest[end + 1..],
            None => return false,
        }
    }
    true
}

/// Finds the first flaw, line by line.
fn find_flaw(octets: &[u8]) -> Result<(), Invalid> {
    let refuse = |flaw| Err(Invalid::new(Field::Text, flaw));
    let mut start = 0;
    let mut line = 1;
    while start < octets.len() {
        let lf = memchr::memchr(b'\n', &octets[start..]).map(|at| start + at);
        let content_end = match lf {
            Some(lf) if lf == start || octets[lf - 1] != b'\r' => {
                return first_flaw(octets, start, lf, Flaw::BareLf { offset: lf });
            }
            Some(lf) => lf - 1,
            None => octets.len(),
        };
        if let Some(at) = memchr::memchr2(b'\r', 0, &octets[start..content_end]) {
            let offset = start + at;
            return refuse(match octets[offset] {
                0 => Flaw::Nul { offset },
                _ => Flaw::BareCr { offset },
            });
        }
        let length = content_end - start;
        if length > MailData::MAX_LINE {
            return refuse(Flaw::LineTooLong { line, length, limit: MailData::MAX_LINE });
        }
        start = lf.map_or(octets.len(), |lf| lf + 1);
        line += 1;
    }
    Ok(())
}

/// Reports the bare LF at `lf`, unless a bare CR or a NUL precedes it in the same line.
fn first_flaw(octets: &[u8], start: usize, lf: usize, bare: Flaw) -> Result<(), Invalid> {
    let flaw = match memchr::memchr2(b'\r', 0, &octets[start..lf]) {
        Some(at) if octets[start + at] == 0 => Flaw::Nul { offset: start + at },
        Some(at) => Flaw::BareCr { offset: start + at },
        None => bare,
    };
    Err(Invalid::new(Field::Text, flaw))
}

/// Returns the octets with each bare LF, and with `bare_cr` each bare CR, replaced by CRLF; `None`
/// if there are none.
pub(crate) fn crlf(octets: &[u8], bare_cr: bool) -> Option<Vec<u8>> {
    let mut changed: Option<Vec<u8>> = None;
    let mut kept = 0;
    for at in memchr::memchr2_iter(b'\r', b'\n', octets) {
        let bare = match octets[at] {
            b'\n' => at == 0 || octets[at - 1] != b'\r',
            _ => bare_cr && octets.get(at + 1) != Some(&b'\n'),
        };
        if bare {
            let out =
                changed.get_or_insert_with(|| Vec::with_capacity(octets.len() + octets.len() / 32));
            out.extend_from_slice(&octets[kept..at]);
            out.extend_from_slice(b"\r\n");
            kept = at + 1;
        }
    }
    if let Some(out) = &mut changed {
        out.extend_from_slice(&octets[kept..]);
    }
    changed
}
