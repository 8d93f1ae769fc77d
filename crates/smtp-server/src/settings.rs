//! What a server offers and tolerates, and its limits.
use std::fmt;

use smtp_caps::{Capabilities, Offer};
use smtp_codec::{Deviations, Dialect, Mechanism};
use smtp_error::{Extension, Invalid, Reply, ReplyCode};

use crate::{
    Client,
    auth::{self, Needs},
};

/// What a server offers, requires and tolerates, checked to fit together. Sessions share it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) policy: Policy,
    pub(crate) greeting: Reply,
    pub(crate) helo: Reply,
    /// What is offered in clear, and inside TLS, without AUTH.
    offers: [Offered; 2],
    pub(crate) line_limit: usize,
}

/// What is set by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) dialect: Dialect,
    pub(crate) tolerated: Deviations,
    pub(crate) bare: BareOctets,
    pub(crate) starttls: StartTls,
    pub(crate) implicit_tls: bool,
    pub(crate) mechanisms: Vec<Mechanism>,
    pub(crate) passwords_in_clear: bool,
    pub(crate) login_required: bool,
    pub(crate) proxy_header: bool,
    pub(crate) bounds: Bounds,
    pub(crate) secret: Secret,
}

/// What makes the salts of users that do not exist.
#[derive(Clone, Default)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// An offer, and what it means.
#[derive(Clone, Debug)]
struct Offered {
    offer: Offer,
    capabilities: Capabilities,
}

/// Whether a server offers TLS by STARTTLS (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "TLS is absent, possible or necessary")]
pub enum StartTls {
    /// It does not. TLS may still be in place from the first octet.
    #[default]
    Absent,
    /// Clients may use it.
    Offered,
    /// Clients must use it before AUTH and MAIL.
    Required,
}

/// The treatment of a message with a bare CR, a bare LF or a NUL. Software disagrees about where
/// lines end in such a message, which allows to smuggle commands through it; its end is found by
/// CRLF, dot, CRLF alone in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BareOctets {
    /// The message is refused.
    #[default]
    Refuse,
    /// The message is passed on as it is.
    Keep,
    /// A bare CR or LF after DATA becomes CRLF. What is in chunks, and NUL, is kept.
    Normalize,
}

/// The limits of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Recipients of a message: 1,000. RFC 5321, 4.5.3.1.8 asks for at least 100. Those beyond are
    /// refused for now, and after ten times as many the session ends.
    pub recipients: usize,
    /// Recipients that are refused in a row before the session ends: 100. Someone may be guessing
    /// addresses.
    pub refused_recipients: usize,
    /// Protocol errors between two messages before the session ends: 20.
    pub mistakes: usize,
    /// Commands between two messages that do not belong to a mail transaction: 100.
    pub idle_commands: usize,
    /// Failed attempts to authenticate before the session ends: 3.
    pub failed_logins: usize,
    /// Octets of a refused message, or of a line that is too long, that are read and dropped before
    /// the session ends: 64 MiB.
    pub dropped_octets: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            recipients: 1000,
            refused_recipients: 100,
            mistakes: 20,
            idle_commands: 100,
            failed_logins: 3,
            dropped_octets: 64 << 20,
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSettings {
    /// The name of the server or a line of its offer is not valid.
    #[error("offer: {0}")]
    Offer(#[from] Invalid),
    /// The extension needs support that this crate does not have.
    #[error("offer: a session does not serve {0}")]
    NotServed(Extension),
    /// The extension has a setting of its own.
    #[error("offer: {extension} has its own setting; use `SettingsBuilder::{method}`")]
    OwnSetting {
        /// The extension.
        extension: Extension,
        /// The method.
        method: &'static str,
    },
    /// An extension without the one that it needs.
    #[error("offer: {extension} needs {needs}")]
    Needs {
        /// The extension.
        extension: Extension,
        /// The one that is missing.
        needs: Extension,
    },
    /// LMTP without an extension that RFC 2033 asks for.
    #[error("offer: LMTP needs {0}")]
    LmtpNeeds(Extension),
    /// The mechanism is not implemented.
    #[error("AUTH: the mechanism {0} is not implemented")]
    Mechanism(Mechanism),
    /// Every mechanism is offered inside TLS only, and no TLS is possible.
    #[error(
        "AUTH: the mechanisms would reveal the password, and are offered inside TLS only; use \
         `SettingsBuilder::starttls`, or `SettingsBuilder::passwords_in_clear`"
    )]
    NoTlsForPasswords,
    /// A login is required, and no mechanism is offered.
    #[error("AUTH: a login is required, and no mechanism is offered")]
    NoMechanism,
}

/// Makes [`Settings`]: [`Settings::smtp`] and [`Settings::lmtp`].
#[derive(Clone, Debug)]
#[must_use = "`build` returns the settings"]
pub struct SettingsBuilder {
    host: String,
    offer: Result<Offer, Invalid>,
    policy: Policy,
}

/// The extensions that need no work of a handler.
const USUAL: [Extension; 5] = [
    Extension::Pipelining,
    Extension::EightBitMime,
    Extension::SmtpUtf8,
    Extension::Chunking,
    Extension::EnhancedStatusCodes,
];

/// The extensions with commands or replies that a session does not have.
const NOT_SERVED: [Extension; 14] = [
    Extension::Atrn,
    Extension::Burl,
    Extension::Checkpoint,
    Extension::Onex,
    Extension::Saml,
    Extension::Send,
    Extension::Soml,
    Extension::Turn,
    Extension::Utf8Smtp,
    Extension::Verb,
    Extension::XanonymousTls,
    Extension::Xexch50,
    Extension::Xexps,
    Extension::Xlink2State,
];

/// Extensions that need another one (RFC 3030, 4; RFC 6531, 3.1).
const NEEDS: [(Extension, Extension); 2] =
    [(Extension::BinaryMime, Extension::Chunking), (Extension::SmtpUtf8, Extension::EightBitMime)];

/// What an LMTP server offers (RFC 2033, 5).
const LMTP_NEEDS: [Extension; 2] = [Extension::Pipelining, Extension::EnhancedStatusCodes];

/// The longest line of an AUTH exchange, in octets (RFC 4954, 4).
const AUTH_LINE: usize = 12_288;

/// The largest message by default, in octets: 25 MiB.
const SIZE: u64 = 25 << 20;

impl Settings {
    /// Begins the settings of an SMTP server with this name, which is a domain or an address literal.
    ///
    /// It offers PIPELINING, 8BITMIME, SMTPUTF8, CHUNKING, ENHANCEDSTATUSCODES and SIZE with 25 MiB.
    pub fn smtp(host: &str) -> SettingsBuilder {
        SettingsBuilder::new(host, Dialect::Smtp)
    }

    /// Begins the settings of an LMTP server with this name, and the same offer.
    pub fn lmtp(host: &str) -> SettingsBuilder {
        SettingsBuilder::new(host, Dialect::Lmtp)
    }

    /// Returns the name of the server, as it greets with.
    pub fn host(&self) -> &str {
        str::from_utf8(self.helo.as_bytes()).unwrap_or_default()
    }

    /// Returns the protocol.
    pub fn dialect(&self) -> Dialect {
        self.policy.dialect
    }

    /// Returns whether STARTTLS is offered.
    pub fn starttls(&self) -> StartTls {
        self.policy.starttls
    }

    /// Returns whether TLS is in place from the first octet.
    pub fn is_implicit_tls(&self) -> bool {
        self.policy.implicit_tls
    }

    /// Returns whether connections begin with a PROXY header.
    pub fn has_proxy_header(&self) -> bool {
        self.policy.proxy_header
    }

    /// Returns the same settings; if they have no secret, with this one.
    #[cfg(feature = "tokio")]
    pub(crate) fn with_secret(mut self, secret: [u8; 32]) -> Self {
        if self.policy.secret.0 == [0; 32] {
            self.policy.secret = Secret(secret);
        }
        self
    }

    /// Returns the SASL mechanisms that are offered where they may be used.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.policy.mechanisms
    }

    /// Returns what is offered to this client, without AUTH.
    pub fn capabilities(&self, client: &Client) -> &Capabilities {
        &self.offered(client).capabilities
    }

    /// Returns the reply to EHLO or LHLO of this client.
    pub fn hello(&self, client: &Client) -> Reply {
        let mut offer = self.offered(client).offer.clone();
        if !client.is_trusted() {
            offer = offer.without(Extension::Xclient).without(Extension::Xforward);
        }
        // AUTH has to wait for TLS where that is required.
        let too_early = self.policy.starttls == StartTls::Required && client.tls().is_none();
        let safe = self.policy.mechanisms.iter();
        let safe = safe.filter(|one| !too_early && self.is_safe(one, client));
        let mechanisms: Vec<_> = safe.map(Mechanism::as_str).collect();
        let plain = offer.reply();
        if mechanisms.is_empty() {
            return plain;
        }
        // `build` has made the line with all mechanisms.
        offer.auth(mechanisms).map_or(plain, |offer| offer.reply())
    }

    /// Returns whether this client may use this mechanism.
    pub(crate) fn allows(&self, mechanism: &str, client: &Client) -> bool {
        let is_it = |one: &&Mechanism| one.as_str().eq_ignore_ascii_case(mechanism);
        self.policy.mechanisms.iter().find(is_it).is_some_and(|one| self.is_safe(one, client))
    }

    /// Returns whether this client may authenticate at all.
    pub(crate) fn allows_login(&self, client: &Client) -> bool {
        self.policy.mechanisms.iter().any(|mechanism| self.is_safe(mechanism, client))
    }

    fn offered(&self, client: &Client) -> &Offered {
        &self.offers[usize::from(client.tls().is_some())]
    }

    fn is_safe(&self, mechanism: &Mechanism, client: &Client) -> bool {
        match auth::needs(mechanism.as_str()) {
            Needs::Nothing => true,
            Needs::Confidentiality => client.is_confidential() || self.policy.passwords_in_clear,
            Needs::Binding => client.tls().is_some_and(|tls| tls.exporter.is_some()),
        }
    }
}

impl SettingsBuilder {
    fn new(host: &str, dialect: Dialect) -> Self {
        let offer = Offer::new(host).and_then(|offer| offer.extensions(USUAL));
        let tolerated = Deviations::TOLERANT - Deviations::BARE_LF - Deviations::EXTRA_CR;
        Self {
            host: host.to_owned(),
            offer: offer.map(|offer| offer.size(SIZE)),
            policy: Policy { dialect, tolerated, ..Policy::default() },
        }
    }

    /// Changes the offer: adds DSN, LIMITS or others, or removes some.
    pub fn offer(mut self, change: impl FnOnce(Offer) -> Result<Offer, Invalid>) -> Self {
        self.offer = self.offer.and_then(change);
        self
    }

    /// Sets the size of the largest message, in octets; 0 is no limit.
    pub fn size(self, limit: u64) -> Self {
        self.offer(|offer| Ok(offer.size(limit)))
    }

    /// Sets whether STARTTLS is offered. The server needs a certificate then.
    pub fn starttls(mut self, starttls: StartTls) -> Self {
        self.policy.starttls = starttls;
        self
    }

    /// States that TLS is in place from the first octet.
    pub fn implicit_tls(mut self) -> Self {
        self.policy.implicit_tls = true;
        self
    }

    /// Offers these SASL mechanisms. Those that reveal the password are offered inside TLS only, and
    /// on [private](Client::private) connections; those that end in -PLUS inside TLS 1.3 only.
    pub fn auth<M: Into<Mechanism>>(mut self, mechanisms: impl IntoIterator<Item = M>) -> Self {
        self.policy.mechanisms = mechanisms.into_iter().map(Into::into).collect();
        self
    }

    /// Requires a login before MAIL.
    pub fn require_login(mut self) -> Self {
        self.policy.login_required = true;
        self
    }

    /// Offers mechanisms that reveal the password in clear, too. Everybody on the way can read it.
    pub fn passwords_in_clear(mut self) -> Self {
        self.policy.passwords_in_clear = true;
        self
    }

    /// Sets the deviations from the grammar that commands may have. The default is
    /// [`Deviations::TOLERANT`] without line ends other than CRLF, after which the session ends: what
    /// one reader takes for a line, another does not.
    pub fn tolerate(mut self, deviations: Deviations) -> Self {
        self.policy.tolerated = deviations;
        self
    }

    /// Sets the treatment of messages with a bare CR, a bare LF or a NUL.
    pub fn bare_octets(mut self, bare: BareOctets) -> Self {
        self.policy.bare = bare;
        self
    }

    /// Sets the limits.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.policy.bounds = bounds;
        self
    }

    /// Expects a header of the PROXY protocol before anything else. Use it only where every
    /// connection comes from a proxy of one's own: the header says who the client is.
    pub fn proxy_header(mut self) -> Self {
        self.policy.proxy_header = true;
        self
    }

    /// Sets the octets that make the salts that a SCRAM mechanism shows for users that do not exist.
    /// They should be random, and stay the same, so that such users cannot be told from others. A
    /// [`Server`](crate::Server) without one makes its own: after a restart the salts of such users
    /// are others, and those of the others are not.
    pub fn secret(mut self, octets: [u8; 32]) -> Self {
        self.policy.secret = Secret(octets);
        self
    }

    /// Returns the settings.
    ///
    /// # Errors
    /// They cannot work.
    pub fn build(self) -> Result<Settings, InvalidSettings> {
        let Self { host, offer, mut policy } = self;
        let offer = offer?;
        check_offer(&Capabilities::from_reply(offer.reply()), policy.dialect)?;
        check_logins(&policy)?;
        let in_clear = match policy.starttls {
            StartTls::Absent => offer.clone(),
            _ => offer.clone().extensions([Extension::StartTls])?,
        };
        // RFC 8689, 2.
        let in_clear = Offered::new(in_clear.without(Extension::RequireTls), &policy)?;
        let offers = [in_clear, Offered::new(offer, &policy)?];
        let auth_line = if policy.mechanisms.is_empty() { 0 } else { AUTH_LINE };
        let lines = offers
            .iter()
            .map(|one| one.capabilities.mail_line_limit().max(one.capabilities.rcpt_line_limit()));
        let line_limit = lines.fold(auth_line, usize::max);
        if let Some(most) = offers[1].capabilities.limits().rcpt_max() {
            policy.bounds.recipients = policy.bounds.recipients.min(most as usize);
        }
        let protocol = match policy.dialect {
            Dialect::Smtp => "ESMTP",
            Dialect::Lmtp => "LMTP",
        };
        Ok(Settings {
            greeting: Reply::new(ReplyCode::READY, format!("{host} {protocol}")),
            helo: Reply::new(ReplyCode::OK, host),
            policy,
            offers,
            line_limit,
        })
    }
}

impl Offered {
    /// Checks that the line with all mechanisms can be sent.
    fn new(offer: Offer, policy: &Policy) -> Result<Self, InvalidSettings> {
        if !policy.mechanisms.is_empty() {
            offer.clone().auth(policy.mechanisms.iter().map(Mechanism::as_str))?;
        }
        let capabilities = Capabilities::from_reply(offer.reply());
        Ok(Self { offer, capabilities })
    }
}

/// Refuses an offer that a session cannot keep.
fn check_offer(stated: &Capabilities, dialect: Dialect) -> Result<(), InvalidSettings> {
    if let Some(&extension) = NOT_SERVED.iter().find(|&&extension| stated.has(extension)) {
        return Err(InvalidSettings::NotServed(extension));
    }
    for (extension, method) in [(Extension::StartTls, "starttls"), (Extension::Auth, "auth")] {
        if stated.has(extension) {
            return Err(InvalidSettings::OwnSetting { extension, method });
        }
    }
    for (extension, needs) in NEEDS {
        if stated.has(extension) && !stated.has(needs) {
            return Err(InvalidSettings::Needs { extension, needs });
        }
    }
    let missing = LMTP_NEEDS.into_iter().find(|&extension| !stated.has(extension));
    match missing.filter(|_| dialect == Dialect::Lmtp) {
        Some(extension) => Err(InvalidSettings::LmtpNeeds(extension)),
        None => Ok(()),
    }
}

/// Refuses logins that are required and cannot be done.
fn check_logins(policy: &Policy) -> Result<(), InvalidSettings> {
    let mut mechanisms = policy.mechanisms.iter();
    if let Some(unknown) = mechanisms.find(|one| !auth::is_known(one.as_str())) {
        return Err(InvalidSettings::Mechanism(unknown.clone()));
    }
    if policy.mechanisms.is_empty() {
        return if policy.login_required { Err(InvalidSettings::NoMechanism) } else { Ok(()) };
    }
    let tls = policy.implicit_tls || policy.starttls != StartTls::Absent;
    let harmless = |one: &Mechanism| auth::needs(one.as_str()) == Needs::Nothing;
    // LMTP is usually spoken over a Unix socket, which is private.
    let usable = tls
        || policy.passwords_in_clear
        || policy.dialect == Dialect::Lmtp
        || policy.mechanisms.iter().any(harmless);
    if usable { Ok(()) } else { Err(InvalidSettings::NoTlsForPasswords) }
}
