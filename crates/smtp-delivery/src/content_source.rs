//! The content of a message that is sent to several hosts, each of which reads it from its beginning.
use std::{fmt, io, sync::Arc};

use smtp_client::{Content, MailData};
use smtp_error::{Cause, Error, ErrorKind, Step};

/// A content that can be read any number of times: recipients in several domains, and the hosts of
/// one domain, get it in transactions of their own.
#[derive(Clone)]
pub struct ContentSource(Inner);

#[derive(Clone)]
enum Inner {
    Held(MailData),
    Opened(Arc<dyn Fn() -> io::Result<Content<'static>> + Send + Sync>),
}

impl ContentSource {
    /// Creates a source that this function opens for each transaction, such as a file that is too
    /// large for memory. It must return the same content each time.
    ///
    /// ```
    /// use smtp_client::Content;
    /// use smtp_delivery::ContentSource;
    ///
    /// let content = ContentSource::opened_by(|| Content::file("/var/spool/mail/1.eml"));
    /// ```
    pub fn opened_by(
        open: impl Fn() -> io::Result<Content<'static>> + Send + Sync + 'static,
    ) -> Self {
        Self(Inner::Opened(Arc::new(open)))
    }

    /// Returns the content from its beginning.
    pub(crate) fn open(&self) -> Result<Content<'static>, Error> {
        match &self.0 {
            Inner::Held(text) => Ok(text.into()),
            Inner::Opened(open) => {
                open().map_err(|error| Error::new(Step::Mail, ErrorKind::Source(Cause::new(error))))
            }
        }
    }
}

impl From<MailData> for ContentSource {
    fn from(text: MailData) -> Self {
        Self(Inner::Held(text))
    }
}

impl From<&MailData> for ContentSource {
    fn from(text: &MailData) -> Self {
        text.clone().into()
    }
}

impl fmt::Debug for ContentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentSource")
    }
}
