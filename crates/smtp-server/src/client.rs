//! What a server knows of its client.
use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, SocketAddr},
};

use smtp_codec::{Attribute, Attributes, Command, Deviations, Dialect, HelloName};

/// The client of a session.
///
/// Cloning is meant to be rare: a session shares its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    address: Option<SocketAddr>,
    server_address: Option<SocketAddr>,
    name: Option<String>,
    hello: Option<Hello>,
    tls: Option<TlsFacts>,
    login: Option<String>,
    /// Whether XCLIENT gave the login.
    login_is_given: bool,
    dialect: Dialect,
    trusted: bool,
    private: bool,
}

/// The greeting of a client: EHLO, HELO or LHLO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    name: HelloName,
    extended: bool,
}

/// The TLS connection with a client, as far as a session needs it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsFacts {
    /// The version of the protocol, such as `TLSv1.3`.
    pub version: String,
    /// The name of the cipher suite.
    pub cipher_suite: String,
    /// The name of the server that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The certificate of the client in DER, if one was asked for and verified: who the client is
    /// for EXTERNAL.
    pub client_certificate: Option<Vec<u8>>,
    /// The value of `tls-exporter` (RFC 9266), to which -PLUS mechanisms are bound.
    pub exporter: Option<[u8; 32]>,
}

impl Client {
    /// Returns a client of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the client at this address.
    pub fn at(address: SocketAddr) -> Self {
        Self { address: Some(address), ..Self::default() }
    }

    /// Sets the address of the server that the client is connected to.
    #[must_use]
    pub fn connected_to(self, server_address: SocketAddr) -> Self {
        Self { server_address: Some(server_address), ..self }
    }

    /// Trusts the client to name another one with XCLIENT or XFORWARD. A client that the PROXY
    /// protocol names is not trusted.
    #[must_use]
    pub fn trusted(self) -> Self {
        Self { trusted: true, ..self }
    }

    /// Marks the connection as one that no third party can read, such as a Unix socket: passwords may
    /// be sent without TLS. That does not hold for a client that the PROXY protocol or XCLIENT names.
    #[must_use]
    pub fn private(self) -> Self {
        Self { private: true, ..self }
    }

    /// Returns the address: that of the connection, or the one that the PROXY protocol or XCLIENT
    /// gave.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the address of the server that the client connected to.
    pub fn server_address(&self) -> Option<SocketAddr> {
        self.server_address
    }

    /// Returns the name of the client in the DNS, if XCLIENT gave it. Nothing here looks it up.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the greeting; `None` before it.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Returns the TLS connection; `None` in clear.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// Returns the identity that the client has authenticated as.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// Returns the protocol of the session.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns whether the client may name another one.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Returns whether a password may be sent over the connection.
    pub fn is_confidential(&self) -> bool {
        self.private || self.tls.is_some()
    }

    /// Returns the protocol of the session for a Received field, such as `ESMTPSA` (RFC 3848; RFC
    /// 6531, 4.3 for a transaction with SMTPUTF8).
    pub fn protocol(&self, smtputf8: bool) -> Cow<'static, str> {
        let base = match (self.dialect, &self.hello) {
            (Dialect::Lmtp, _) if smtputf8 => "UTF8LMTP",
            (Dialect::Lmtp, _) => "LMTP",
            _ if smtputf8 => "UTF8SMTP",
            (_, Some(hello)) if hello.extended => "ESMTP",
            _ => return "SMTP".into(),
        };
        match (&self.tls, &self.login) {
            (None, None) => base.into(),
            (Some(_), None) => format!("{base}S").into(),
            (None, Some(_)) => format!("{base}A").into(),
            (Some(_), Some(_)) => format!("{base}SA").into(),
        }
    }

    pub(crate) fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Takes the addresses of the client that a proxy has connected for. What was known of the
    /// proxy does not hold for it.
    pub(crate) fn proxied(&mut self, source: Option<SocketAddr>, destination: Option<SocketAddr>) {
        if source.is_some() {
            (self.address, self.trusted, self.private) = (source, false, false);
        }
        self.server_address = destination.or(self.server_address);
    }

    pub(crate) fn greeted(&mut self, hello: Hello) {
        self.hello = Some(hello);
    }

    /// Forgets what came in clear (RFC 3207, 4.2).
    pub(crate) fn secured(&mut self, facts: TlsFacts) {
        self.tls = Some(facts);
        self.hello = None;
        self.login = None;
    }

    pub(crate) fn authenticated(&mut self, identity: String) {
        self.login = Some(identity);
        self.login_is_given = false;
    }

    /// Takes the attributes of another client, which this one stands for.
    ///
    /// # Errors
    /// The name of an attribute whose value is not valid.
    pub(crate) fn stands_for(&mut self, attributes: &Attributes<&str>) -> Result<(), String> {
        self.hello = None;
        // A login of the proxy itself is not one of its client. A long list of attributes comes in
        // several commands, so that what another one gave stays.
        if !self.login_is_given {
            self.login = None;
        }
        // An address brings its port along, so that it has to come first.
        let is_port = |name: &str| ["PORT", "DESTPORT", "PROTO"].iter().any(|one| same(one, name));
        for ports in [false, true] {
            for (name, value) in attributes.iter().filter(|(name, _)| is_port(name) == ports) {
                let text = match value {
                    Attribute::Known(xtext) => String::from_utf8(xtext.decode()).ok(),
                    Attribute::Unavailable | Attribute::TemporarilyUnavailable => {
                        self.attribute(name, None);
                        continue;
                    }
                };
                let text = text.filter(|text| !text.chars().any(char::is_control));
                let known = text.filter(|text| self.attribute(name, Some(text)));
                if known.is_none() {
                    return Err(name.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Sets an attribute. Returns whether its value is valid.
    fn attribute(&mut self, name: &str, value: Option<&str>) -> bool {
        let is = |other: &str| same(other, name);
        if is("ADDR") {
            let ip = value.and_then(address);
            let port = self.address.map_or(0, |address| address.port());
            self.address = ip.map(|ip| SocketAddr::new(ip, port));
            self.private = false;
            ip.is_some()
        } else if is("DESTADDR") {
            let ip = value.and_then(address);
            let port = self.server_address.map_or(0, |address| address.port());
            self.server_address = ip.map(|ip| SocketAddr::new(ip, port));
            ip.is_some()
        } else if is("PORT") {
            set_port(&mut self.address, value)
        } else if is("DESTPORT") {
            set_port(&mut self.server_address, value)
        } else if is("PROTO") {
            let extended = value.is_some_and(|value| same(value, "ESMTP"));
            if let Some(hello) = &mut self.hello {
                hello.extended = extended;
            }
            extended || value.is_some_and(|value| same(value, "SMTP"))
        } else {
            match name {
                _ if is("NAME") => self.name = value.map(str::to_owned),
                _ if is("LOGIN") => {
                    self.login = value.map(str::to_owned);
                    self.login_is_given = value.is_some();
                }
                _ if is("HELO") => self.hello = value.and_then(Hello::named),
                // What the offer names beyond these is for the server alone.
                _ => {}
            }
            true
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Reads an address. Postfix writes `IPV6:` before that of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let tag = text.get(..5).filter(|tag| same(tag, "IPV6:"));
    text[tag.map_or(0, str::len)..].parse().ok()
}

fn set_port(address: &mut Option<SocketAddr>, value: Option<&str>) -> bool {
    let Some(port) = value.and_then(|port| port.parse().ok()) else { return false };
    if let Some(address) = address {
        address.set_port(port);
    }
    true
}

impl Hello {
    pub(crate) fn new(name: HelloName, extended: bool) -> Self {
        Self { name, extended }
    }

    /// Returns the greeting with any name; `None` if it has a character that no line has.
    fn named(name: &str) -> Option<Self> {
        let line = format!("EHLO {name}");
        match Command::decode(line.as_bytes(), Deviations::all()).ok()?.command {
            Command::Ehlo(name) => Some(Self { name: name.owned(), extended: true }),
            _ => None,
        }
    }

    /// Returns the name that the client gave itself. Nothing verifies it.
    pub fn name(&self) -> &HelloName {
        &self.name
    }

    /// Returns whether it was EHLO or LHLO, and not HELO.
    pub fn is_extended(&self) -> bool {
        self.extended
    }
}

impl fmt::Debug for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFacts")
            .field("version", &self.version)
            .field("cipher_suite", &self.cipher_suite)
            .field("server_name", &self.server_name)
            .field("client_certificate", &self.client_certificate.is_some())
            .field("exporter", &self.exporter.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_named_as_registered() {
        let hello = |extended| Hello::new("client.example.org".parse().unwrap(), extended);
        let mut client = Client::new();
        client.greeted(hello(false));
        assert_eq!(client.protocol(false), "SMTP");
        client.greeted(hello(true));
        assert_eq!(client.protocol(false), "ESMTP");
        client.secured(TlsFacts::default());
        client.greeted(hello(true));
        assert_eq!(client.protocol(false), "ESMTPS");
        client.authenticated("alice".into());
        assert_eq!(client.protocol(false), "ESMTPSA");
        assert_eq!(client.protocol(true), "UTF8SMTPSA");
        client.set_dialect(Dialect::Lmtp);
        assert_eq!(client.protocol(false), "LMTPSA");
    }
}
