//! What protects the connection, what TLS can be bound to, and who the client is to the server.
use std::fmt;

use smtp_caps::{Capabilities, Channel};
use smtp_error::{
    Ended, Error, Extension, Misbehaved, NoMechanism, Obstacle, OfferedMechanism, Step, Unsupported,
};

use crate::{ClearText, Event, Exposure, Session, redaction::Redaction};

/// What protects the connection, and who the client is to the server.
#[derive(Default)]
pub(crate) struct Protection {
    pub(crate) channel: Channel,
    /// Whether only this machine can read the transport although there is no TLS.
    confined: bool,
    /// Whether TLS encrypts the connection although it is not known with whom.
    unverified: bool,
    binding: Option<ChannelBinding>,
    /// The mechanism by which the client is authenticated.
    authenticated: Option<String>,
    /// What no log, observer or error shows of the replies.
    pub(crate) redaction: Redaction,
}

/// What a SASL mechanism can be bound to (RFC 5056): a value that both ends of the TLS connection
/// know and nothing between them does, so that an exchange cannot be relayed over another
/// connection.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    name: &'static str,
    data: Vec<u8>,
}

impl ChannelBinding {
    /// The label for exporting the keying material that [`tls_exporter`](Self::tls_exporter)
    /// takes; its context is empty.
    pub const EXPORTER_LABEL: &'static [u8] = b"EXPORTER-Channel-Binding";

    /// Returns the binding to keying material that TLS exported. It binds under TLS 1.3 only, or
    /// where the extended master secret was negotiated (RFC 9266).
    pub fn tls_exporter(material: [u8; 32]) -> Self {
        Self { name: "tls-exporter", data: material.to_vec() }
    }

    /// Returns the registered name of its type.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the octets.
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
    /// Checks that the TLS handshake may begin: nothing followed the 220 to STARTTLS in clear.
    ///
    /// # Errors
    /// Octets followed. An attacker may have injected them to have them taken for protected
    /// replies (RFC 3207, 6).
    pub fn check_before_tls(&mut self) -> Result<(), Error> {
        if self.replies.has_surplus() {
            self.end(Ended::Failed { step: Step::StartTls });
            return Err(self.error(Step::StartTls, Misbehaved::PlaintextAfterStartTls));
        }
        Ok(())
    }

    /// Records that TLS of this version and cipher suite protects the connection from here on. What
    /// was learned before is forgotten (RFC 3207, 4.2): the next operation has to be a
    /// [`Hello`](crate::Hello).
    pub fn secured(&mut self, version: &str, suite: &str) {
        self.emit(Event::Secured { version, suite });
        self.protection.channel = Channel::TLS;
        self.protection.unverified = false;
        self.protection.binding = None;
        self.protection.authenticated = None;
        self.capabilities = Capabilities::none();
        self.uses_helo = false;
        self.replies.restart();
        self.changes += 1;
    }

    /// Records that TLS encrypts the connection, and that it is not known with whom. Call it after
    /// [`secured`](Self::secured). A secret is sent as in clear only, and what is valid only inside
    /// TLS is not.
    pub fn unverified(&mut self) {
        self.protection.channel = Channel::CLEAR;
        self.protection.unverified = true;
    }

    /// Returns why a secret must not be sent over a connection that is not private.
    pub(crate) fn exposed(&self) -> Unsupported {
        if self.protection.unverified { Unsupported::Unverified } else { Unsupported::ClearText }
    }

    /// Records that the handshake after STARTTLS has failed, and with it the connection.
    pub fn handshake_failed(&mut self) {
        self.end(Ended::Failed { step: Step::Handshake });
    }

    /// Sets what mechanisms can be bound to. Call it after [`secured`](Self::secured), which
    /// forgets what was set before.
    pub fn bind(&mut self, binding: ChannelBinding) {
        self.protection.binding = Some(binding);
    }

    /// Returns what mechanisms can be bound to, if anything.
    pub fn binding(&self) -> Option<&ChannelBinding> {
        self.protection.binding.as_ref()
    }

    /// Records that only this machine can read the transport although there is no TLS: it is a Unix
    /// socket, a pipe, or a tunnel. A secret may then be sent as inside TLS.
    pub fn confined(&mut self) {
        self.protection.confined = true;
    }

    /// Returns whether the transport cannot be read by others, because of TLS or of its kind.
    pub fn is_private(&self) -> bool {
        self.protection.channel.tls || self.protection.confined
    }

    /// Returns the mechanism by which the session is authenticated; `None` if it is not.
    pub fn authenticated_by(&self) -> Option<&str> {
        self.protection.authenticated.as_deref()
    }

    /// Records that the session is authenticated by this mechanism.
    pub(crate) fn authenticated(&mut self, mechanism: &str) {
        self.protection.authenticated = Some(mechanism.to_owned());
        self.protection.channel = self.protection.channel.authenticated();
        self.changes += 1;
    }

    /// Checks that AUTH can be sent at all.
    pub(crate) fn can_authenticate(&self) -> Result<(), Unsupported> {
        if self.protection.authenticated.is_some() {
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

    /// Returns whether an exchange of this exposure is allowed on this connection.
    pub(crate) fn may_expose(&self, exposure: Exposure, clear_text: ClearText) -> bool {
        exposure == Exposure::Hidden || clear_text == ClearText::Allowed || self.is_private()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_binding_shows_its_name_and_not_what_tls_exported() {
        let binding = ChannelBinding::tls_exporter([b'k'; 32]);
        assert_eq!((binding.name(), binding.data()), ("tls-exporter", &[b'k'; 32][..]));
        assert_eq!(format!("{binding:?}"), "ChannelBinding { name: \"tls-exporter\", .. }");
    }

    #[test]
    fn tls_and_a_login_are_changes_for_the_next_message() {
        let mut session = Session::default();
        let before = session.changes();
        session.secured("TLSv1.3", "TLS13_AES_128_GCM_SHA256");
        let secured = session.changes();
        session.authenticated("PLAIN");
        assert!(before != secured && secured != session.changes());
    }
}
