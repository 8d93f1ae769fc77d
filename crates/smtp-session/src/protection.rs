//! Protection: what keeps others from listening in, and what TLS can be bound to.
use std::fmt;

use smtp_caps::{Capabilities, Channel};
use smtp_codec::{Deviations, ReplyDecoder};
use smtp_error::{
    Ended, Error, Extension, Misbehaved, NoMechanism, Obstacle, OfferedMechanism, Step, Unsupported,
};

use super::{ClearText, Event, Exposure, Session};

/// What a SASL mechanism can be bound to, so that nobody in between can pass it on: something that
/// both ends of the TLS connection know and nobody else (RFC 5056).
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    name: &'static str,
    data: Vec<u8>,
}

impl ChannelBinding {
    /// The label for exporting the keying material that [`tls_exporter`](Self::tls_exporter)
    /// takes; its context is empty.
    pub const EXPORTER_LABEL: &'static [u8] = b"EXPORTER-Channel-Binding";

    /// Keying material that TLS exported. It binds under TLS 1.3 only, or where the extended
    /// master secret was negotiated (RFC 9266).
    pub fn tls_exporter(material: [u8; 32]) -> Self {
        Self { name: "tls-exporter", data: material.to_vec() }
    }

    /// The registered name of its type.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The octets.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBinding").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Session {
    /// Whether the handshake may begin: nothing came in clear behind the go-ahead for TLS.
    ///
    /// # Errors
    /// Octets did. They may have been put there to be taken for protected replies.
    pub fn check_before_tls(&mut self) -> Result<(), Error> {
        if self.has_surplus() {
            self.end(Ended::Failed { step: Step::StartTls });
            return Err(self.error(Step::StartTls, Misbehaved::PlaintextAfterStartTls));
        }
        Ok(())
    }

    /// TLS of this version and cipher suite protects the connection from here on: what was learnt
    /// before is forgotten (RFC 3207, 4.2), and the next operation has to be a [`Hello`](super::Hello).
    pub fn secured(&mut self, version: &str, suite: &str) {
        self.emit(Event::Secured { version, suite });
        self.channel = Channel::TLS;
        self.forget_protection();
        self.capabilities = Capabilities::none();
        self.fell_back = false;
        self.decoder = ReplyDecoder::new(self.limits, Deviations::TOLERANT);
    }

    /// What mechanisms can be bound to. Call it after [`secured`](Self::secured), which forgets
    /// what was set before.
    pub fn bind(&mut self, binding: ChannelBinding) {
        self.binding = Some(binding);
    }

    /// What mechanisms can be bound to, if anything.
    pub fn binding(&self) -> Option<&ChannelBinding> {
        self.binding.as_ref()
    }

    /// Nobody can listen in on the transport although there is no TLS: it is a Unix socket, a
    /// pipe, or a tunnel. A secret may then be sent as inside TLS.
    pub fn confined(&mut self) {
        self.confined = true;
    }

    /// Whether nobody can listen in, thanks to TLS or to the kind of transport.
    pub fn is_private(&self) -> bool {
        self.channel.tls || self.confined
    }

    /// The mechanism by which the session is authenticated; `None` if it is not.
    pub fn authenticated_by(&self) -> Option<&str> {
        self.authenticated.as_deref()
    }

    /// Whether an AUTH can be said at all.
    pub(crate) fn can_authenticate(&self) -> Result<(), Unsupported> {
        if self.authenticated.is_some() {
            return Err(Unsupported::Authenticated);
        }
        if !self.has(Extension::Auth) {
            return Err(Unsupported::Extension(Extension::Auth));
        }
        Ok(())
    }

    pub(crate) fn offers_mechanism(&self, name: &str) -> bool {
        self.capabilities.mechanisms().any(|offered| offered.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Lists the mechanisms that the server offers, each with the obstacle to it, and those that
    /// could be used.
    pub(crate) fn no_mechanism<'n>(
        &self,
        usable: impl Iterator<Item = &'n str>,
        obstacle: impl Fn(&str) -> Obstacle,
    ) -> NoMechanism {
        let offered = self.capabilities.mechanisms().map(|name| {
            let obstacle = obstacle(&String::from_utf8_lossy(name));
            OfferedMechanism::new(name, obstacle)
        });
        NoMechanism::new(offered, usable)
    }

    /// Whether an exchange of this exposure may be had on this connection.
    pub(crate) fn may_expose(&self, exposure: Exposure, clear_text: ClearText) -> bool {
        exposure == Exposure::Hidden || clear_text == ClearText::Allowed || self.is_private()
    }

    /// Forgets what held without TLS.
    pub(super) fn forget_protection(&mut self) {
        self.binding = None;
        self.authenticated = None;
    }
}
