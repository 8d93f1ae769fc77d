//! Observers of a session.
use std::fmt;

use smtp_codec::Command;
use smtp_error::Reply;

/// Watches a session: for transcripts, logs and timings.
///
/// What it is shown holds no secret by construction: commands show themselves without them.
pub trait Observer: Send + Sync {
    /// Called when something is sent or was received. It must not panic: that would end the
    /// operation under way.
    fn event(&self, event: Event<'_>);
}

impl<F: Fn(Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}

/// What happens in a session. `Display` gives one or more lines as a transcript has them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The stream to the server is open, and nothing was sent or received over it yet. A session
    /// whose driver does not call [`connected`](crate::Session::connected) has no such event.
    Connected,
    /// A command goes out with the next write.
    Sent(Command<'a>),
    /// A reply has come.
    Received(&'a Reply),
    /// The end of a text goes out with the next write.
    Text {
        /// The size of the text in octets, stuffed dots and the end mark included.
        octets: u64,
    },
    /// TLS protects the connection from here on.
    Secured {
        /// The version, such as `TLSv1_3`.
        version: &'a str,
        /// The cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
        suite: &'a str,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("-- connected"),
            Self::Sent(command) => write!(f, "C: {command}"),
            Self::Received(reply) => {
                let last = reply.lines().count() - 1;
                for (number, line) in reply.lines().enumerate() {
                    let (end, separator) = if number < last { ("\n", '-') } else { ("", ' ') };
                    write!(f, "S: {}{separator}{}{end}", reply.code(), line.printable())?;
                }
                Ok(())
            }
            Self::Text { octets } => write!(f, "C: (text of {octets} octets)"),
            Self::Secured { version, suite } => write!(f, "-- {version}, {suite}"),
        }
    }
}
