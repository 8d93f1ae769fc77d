//! The header section of a content that was not checked beforehand, looked at as it passes.
use smtp_codec::HeaderScanner;
use smtp_error::{Field, Flaw, Invalid};

use crate::HeaderDefects;

/// What is looked for in the header section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderRules {
    /// Whether an octet outside ASCII is an error.
    pub(crate) ascii_only: bool,
    pub(crate) defects: HeaderDefects,
}

/// Looks at a header section in pieces.
#[derive(Debug)]
pub(crate) struct HeaderCheck {
    scanner: HeaderScanner,
    rules: HeaderRules,
}

impl HeaderCheck {
    pub(crate) fn new(rules: HeaderRules) -> Self {
        Self { scanner: HeaderScanner::new(), rules }
    }

    /// Looks at the next piece.
    pub(crate) fn scan(&mut self, octets: &[u8]) -> Result<(), Invalid> {
        if self.scanner.is_over() {
            return Ok(());
        }
        self.scanner.scan(octets);
        match self.scanner.raw_header() {
            Some(name) if self.rules.ascii_only => {
                Err(Invalid::new(Field::Text, Flaw::RawHeader { name }))
            }
            _ => self.report(),
        }
    }

    /// Looks at the end of the content.
    pub(crate) fn end(&mut self) -> Result<(), Invalid> {
        self.scanner.end();
        self.report()
    }

    /// Reports a defect once.
    fn report(&mut self) -> Result<(), Invalid> {
        let Some(defect) = self.scanner.header_defect() else { return Ok(()) };
        let rule = std::mem::replace(&mut self.rules.defects, HeaderDefects::Ignore);
        rule.apply(defect)
    }
}
