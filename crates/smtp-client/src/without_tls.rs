//! The place of TLS in a build without it: what asks for TLS is refused, never sent in clear.
use std::{convert::Infallible, io};

use smtp_error::{Broken, Error, Step};

use crate::{
    Security,
    clock::Clock,
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
        _: &mut Clock,
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

/// Whether octets begin as a record of TLS does.
pub(crate) fn is_tls(octets: &[u8]) -> bool {
    matches!(octets, [20..=23] | [20..=23, 3, ..])
}

/// Whether TLS failed.
pub(crate) fn is_failure_of_tls(_: &io::Error) -> bool {
    false
}

/// There is nothing to say of it.
pub(crate) fn hinted(error: Error) -> Error {
    error
}

/// What an error of a stream means.
pub(crate) fn broken(error: io::Error) -> Broken {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Broken::Closed,
        _ => error.into(),
    }
}
