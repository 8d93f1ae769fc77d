//! The place of TLS in a build without it: what asks for TLS is refused, never sent in clear.
use std::{convert::Infallible, io};

use smtp_error::{Broken, Error, Step};

use crate::{
    Security,
    session::Session,
    stream::{Stream, Transport},
};

/// There is no way of doing TLS.
#[derive(Clone)]
pub(crate) struct Tls(Infallible);

impl Tls {
    pub(crate) fn default_or_error() -> Result<Self, Error> {
        Err(Error::new(Step::Handshake, broken(io::ErrorKind::Unsupported.into())))
    }

    pub(crate) async fn handshake(
        &self,
        _: &str,
        _: Transport,
        _: &mut Session,
    ) -> Result<Stream, Error> {
        match self.0 {}
    }
}

/// There is nothing to know of it.
pub(crate) struct TlsFacts(Infallible);

impl TlsFacts {
    pub(crate) fn of(_: &Stream, _: Security) -> Option<Self> {
        None
    }
}

/// Whether a handshake was answered with what is no TLS.
pub(crate) fn is_no_tls(_: &Broken) -> bool {
    false
}

/// What an error of a stream means.
pub(crate) fn broken(error: io::Error) -> Broken {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Broken::Closed,
        _ => error.into(),
    }
}
