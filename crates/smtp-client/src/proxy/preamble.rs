//! What is written and read on a connection before TLS and SMTP begin on it: octets in, octets out.
use std::net::IpAddr;

use smtp_codec::ProxyHeader;
use smtp_error::{Broken, ProxyError, ProxyFault};
use zeroize::Zeroizing;

use super::{Protocol, Proxy, http::Http, socks5::Socks5};

/// The exchange with a proxy, or a PROXY header.
///
/// The octets that follow belong to the server, which sends first. So no more is ever read than
/// [`wants`](Self::wants) says, and that is never more than the exchange certainly has.
pub(crate) struct Preamble {
    /// Overwritten when it is dropped, because it may hold a login.
    output: Zeroizing<Vec<u8>>,
    dialogue: Option<Dialogue>,
    /// The proxy that is to blame for a failure.
    proxy: Option<String>,
}

enum Dialogue {
    Socks5(Socks5),
    Http(Http),
}

impl Preamble {
    pub(super) fn through(proxy: &Proxy, host: &str, port: u16) -> Self {
        let login = proxy.login.as_ref();
        // Enough for every exchange, so that it never moves.
        let mut output = Zeroizing::new(Vec::with_capacity(2048));
        let dialogue = match proxy.protocol {
            Protocol::Socks5 => Dialogue::Socks5(Socks5::new(host, port, login, &mut output)),
            Protocol::Http => Dialogue::Http(Http::new(host, port, login, &mut output)),
        };
        Self { output, dialogue: Some(dialogue), proxy: Some(proxy.to_string()) }
    }

    pub(crate) fn header(header: &ProxyHeader) -> Self {
        Self { output: Zeroizing::new(header.as_bytes().to_vec()), dialogue: None, proxy: None }
    }

    /// What is to be written next.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Notes that so many octets of the output were written.
    pub(crate) fn wrote(&mut self, octets: usize) {
        self.output.drain(..octets);
    }

    /// Returns how many octets may be read next, once the output is written; 0 if the exchange is
    /// over.
    pub(crate) fn wants(&self) -> usize {
        match &self.dialogue {
            None => 0,
            Some(Dialogue::Socks5(socks5)) => socks5.wants(),
            Some(Dialogue::Http(http)) => http.wants(),
        }
    }

    /// Takes octets that were read, at most as many as it wants.
    pub(crate) fn receive(&mut self, octets: &[u8]) -> Result<(), ProxyFault> {
        match &mut self.dialogue {
            None => Ok(()),
            Some(Dialogue::Socks5(socks5)) => socks5.receive(octets, &mut self.output),
            Some(Dialogue::Http(http)) => http.receive(octets),
        }
    }

    /// Returns the address that the proxy has connected from, if it told one that can be used.
    pub(crate) fn seen_as(&self) -> Option<IpAddr> {
        match &self.dialogue {
            Some(Dialogue::Socks5(socks5)) => socks5.bound(),
            Some(Dialogue::Http(_)) | None => None,
        }
    }

    /// What it means that the exchange has failed.
    pub(crate) fn failed(&self, fault: impl Into<ProxyFault>) -> Broken {
        match (&self.proxy, fault.into()) {
            (Some(proxy), fault) => ProxyError::new(proxy.clone(), fault).into(),
            (None, ProxyFault::Broken(broken)) => *broken,
            (None, _) => Broken::Closed,
        }
    }
}
