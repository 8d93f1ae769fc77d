//! Failures: the reason why TLS failed, as a message for an operator, and a hint.
use std::{error, fmt};

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};
use smtp_error::{Excerpt, Hint};

use super::{instant::Instant, offered::Offered};

/// The reason why TLS failed, during the handshake or after it: the error of the TLS library, and
/// what the client offered.
///
/// It is the [`Cause`](crate::Cause) of [`Broken::Tls`](crate::Broken::Tls), whose
/// [`downcast_ref`](crate::Cause::downcast_ref) gives it, and the error of rustls as well.
#[derive(Clone, Debug)]
pub struct TlsFailure {
    error: rustls::Error,
    server_name: Option<String>,
    offered: Offered,
}

impl TlsFailure {
    /// Creates a failure after the handshake.
    pub(super) fn new(error: rustls::Error) -> Self {
        Self { error, server_name: None, offered: Offered::default() }
    }

    /// Creates a failure of the handshake with this server name and offer.
    pub(super) fn of_handshake(error: rustls::Error, server_name: &str, offered: Offered) -> Self {
        Self { error, server_name: Some(server_name.to_owned()), offered }
    }

    /// Returns the error of the TLS library.
    pub fn error(&self) -> &rustls::Error {
        &self.error
    }

    /// Returns the name or address that the server's certificate had to be for; `None` if the
    /// handshake had succeeded.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Returns the names of the versions that the client offered, such as `TLSv1_3`. Empty if the
    /// handshake had succeeded, or if nothing was written.
    pub fn offered_versions(&self) -> &[&'static str] {
        &self.offered.versions
    }

    /// Returns the names of the cipher suites that the client offered, such as
    /// `TLS13_AES_256_GCM_SHA384`. Empty if the handshake had succeeded, or if nothing was written.
    pub fn offered_suites(&self) -> &[&'static str] {
        &self.offered.suites
    }

    /// Returns a hint for this failure, if its cause is known.
    pub(super) fn hint(&self) -> Option<Hint> {
        Some(match &self.error {
            rustls::Error::AlertReceived(alert) => return alert_hint(*alert),
            rustls::Error::InvalidCertificate(flaw) => return certificate_hint(flaw),
            rustls::Error::PeerIncompatible(what) if is_about_versions(what) => Hint::TlsVersion,
            rustls::Error::PeerIncompatible(_) => Hint::TlsParameters,
            rustls::Error::NoCertificatesPresented => Hint::CertificateUnfit,
            rustls::Error::NoApplicationProtocol => Hint::Alpn,
            rustls::Error::DecryptError => Hint::TlsDamaged,
            _ => return None,
        })
    }
}

/// Returns the hint for an alert of the server. An alert about a certificate is about the client's.
fn alert_hint(alert: AlertDescription) -> Option<Hint> {
    Some(match alert {
        AlertDescription::ProtocolVersion => Hint::TlsVersion,
        AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity
        | AlertDescription::MissingExtension => Hint::TlsParameters,
        AlertDescription::NoApplicationProtocol => Hint::Alpn,
        AlertDescription::UnrecognisedName => Hint::TlsServerName,
        AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateRequired => Hint::ClientCertificate,
        AlertDescription::BadRecordMac
        | AlertDescription::DecryptionFailed
        | AlertDescription::DecryptError
        | AlertDescription::DecodeError => Hint::TlsDamaged,
        _ => return None,
    })
}

fn certificate_hint(flaw: &CertificateError) -> Option<Hint> {
    Some(match flaw {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Hint::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Hint::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Hint::CertificateName
        }
        CertificateError::UnknownIssuer => Hint::CertificateIssuer,
        // These are about revocation and checks that the caller configured, not about the
        // certificate.
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::ApplicationVerificationFailure => return None,
        _ => Hint::CertificateUnfit,
    })
}

fn is_about_versions(what: &PeerIncompatible) -> bool {
    matches!(
        what,
        PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
    )
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            rustls::Error::AlertReceived(alert) => {
                let number = u8::from(*alert);
                write!(f, "the server sent the TLS alert {} ({number})", AlertName(*alert))?;
                match alert_hint(*alert) {
                    Some(Hint::TlsVersion | Hint::TlsParameters) => self.offer(f),
                    _ => Ok(()),
                }
            }
            rustls::Error::InvalidCertificate(flaw) => {
                f.write_str("the server's certificate")?;
                if let Some(name) = &self.server_name {
                    write!(f, " for {}", Excerpt::new(name.as_bytes()))?;
                }
                write!(f, " is not accepted: {}", Flaw(flaw))
            }
            rustls::Error::PeerIncompatible(what) => {
                write!(f, "the server and the client have no TLS parameters in common: {what:?}")?;
                self.offer(f)
            }
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                f.write_str("the server sent octets that are not TLS")
            }
            rustls::Error::InvalidMessage(what) => {
                write!(f, "the server sent a TLS message that is not valid: {}", Damage(what))
            }
            rustls::Error::PeerMisbehaved(what) => {
                write!(f, "the server broke the TLS protocol: {what:?}")
            }
            rustls::Error::DecryptError => {
                f.write_str("a TLS record from the server could not be decrypted")
            }
            rustls::Error::NoCertificatesPresented => f.write_str("the server has no certificate"),
            other => write!(f, "TLS failed: {other}"),
        }
    }
}

impl TlsFailure {
    fn offer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Offered { versions, suites } = &self.offered;
        if versions.is_empty() {
            return Ok(());
        }
        write!(f, "; the client offers {} with {}", versions.join(", "), suites.join(", "))
    }
}

impl error::Error for TlsFailure {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Displays why a TLS message is not valid.
struct Damage<'a>(&'a InvalidMessage);

impl fmt::Display for Damage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            InvalidMessage::MissingData(what) => return write!(f, "it ends before its {what}"),
            InvalidMessage::MessageTooShort => "it ends too early",
            InvalidMessage::MessageTooLarge => "it is too large",
            InvalidMessage::TrailingData(what) => {
                return write!(f, "octets follow its {what}");
            }
            InvalidMessage::InvalidEmptyPayload => "it is empty",
            InvalidMessage::UnknownProtocolVersion => "its TLS version is unknown",
            InvalidMessage::UnexpectedMessage(what) => return write!(f, "unexpected {what}"),
            other => return write!(f, "{other:?}"),
        })
    }
}

/// Displays an alert by its name in RFC 8446, 6.
struct AlertName(AlertDescription);

impl fmt::Display for AlertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            Some("UnrecognisedName") => f.write_str("unrecognized_name"),
            Some(name) => {
                let mut before_is_lower = false;
                for letter in name.chars() {
                    if letter.is_ascii_uppercase() && before_is_lower {
                        f.write_str("_")?;
                    }
                    before_is_lower = letter.is_ascii_lowercase();
                    write!(f, "{}", letter.to_ascii_lowercase())?;
                }
                Ok(())
            }
            None => f.write_str("with an unknown number"),
        }
    }
}

/// Displays what is wrong with a certificate.
struct Flaw<'a>(&'a CertificateError);

impl fmt::Display for Flaw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CertificateError::Expired => f.write_str("it has expired"),
            CertificateError::ExpiredContext { time, not_after } => {
                let (now, end) = (Instant::from(*time), Instant::from(*not_after));
                write!(f, "it expired on {end}, {} ago", now.since(end))
            }
            CertificateError::NotValidYet => f.write_str("it is not valid yet"),
            CertificateError::NotValidYetContext { time, not_before } => {
                let (now, start) = (Instant::from(*time), Instant::from(*not_before));
                write!(f, "it is valid from {start} on, {} from now", start.since(now))
            }
            CertificateError::NotValidForName => f.write_str("it is for other names"),
            CertificateError::NotValidForNameContext { presented, .. } => {
                f.write_str("it is for ")?;
                let mut names = presented.iter().map(|name| bare_name(name));
                f.write_str(&names.next().unwrap_or_else(|| "no name at all".into()))?;
                names.try_for_each(|name| write!(f, ", {name}"))
            }
            CertificateError::UnknownIssuer => f.write_str("no trusted authority signed it"),
            CertificateError::Revoked => f.write_str("it was revoked"),
            CertificateError::BadEncoding => f.write_str("it cannot be read"),
            CertificateError::BadSignature => f.write_str("a signature is wrong"),
            CertificateError::InvalidPurpose => f.write_str("it is not for servers"),
            CertificateError::InvalidPurposeContext { presented, .. } => {
                f.write_str("it is not for servers, but for")?;
                let mut uses = presented.iter().map(ToString::to_string);
                f.write_str(" ")?;
                f.write_str(&uses.next().unwrap_or_else(|| "no use at all".into()))?;
                uses.try_for_each(|one| write!(f, ", {one}"))
            }
            CertificateError::Other(cause) => match cause.0.to_string().as_str() {
                // A self-signed certificate that was made with the defaults of OpenSSL.
                "CaUsedAsEndEntity" => f.write_str(
                    "it is the certificate of an authority (CA:TRUE), not one for a server",
                ),
                other => write!(f, "{}", Excerpt::new(other.as_bytes())),
            },
            other => write!(f, "{}", Excerpt::new(other.to_string().as_bytes())),
        }
    }
}

/// Returns a name of a certificate, which rustls displays as `DnsName("mx.example.org")`, without
/// the type. Control characters are escaped: the issuer of a certificate chooses its names, and
/// they must not break the log.
fn bare_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    let inner = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(inner);
    Excerpt::new(inner.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn io(message: &str) -> std::io::Error {
        std::io::Error::other(message.to_owned())
    }

    #[track_caller]
    fn check(flaw: CertificateError, message: &str) {
        let error = rustls::Error::InvalidCertificate(flaw);
        let failure = TlsFailure::of_handshake(error, "mx.example.org", Offered::default());
        let sentence =
            format!("the server's certificate for mx.example.org is not accepted: {message}");
        assert_eq!(failure.to_string(), sentence);
    }

    #[test]
    fn damaged_messages_are_described() {
        for (what, words) in [
            (InvalidMessage::MissingData("ProtocolVersion"), "it ends before its ProtocolVersion"),
            (InvalidMessage::MessageTooShort, "it ends too early"),
            (InvalidMessage::InvalidCcs, "InvalidCcs"),
        ] {
            let shown = TlsFailure::new(rustls::Error::InvalidMessage(what)).to_string();
            let sentence = format!("the server sent a TLS message that is not valid: {words}");
            assert_eq!(shown, sentence);
        }
    }

    #[test]
    fn certificate_errors_are_displayed_for_operators() {
        use rustls::pki_types::UnixTime;
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let (time, other) = (at(1_767_225_600), at(1_764_547_200));
        check(CertificateError::ExpiredContext { time, not_after: other }, {
            "it expired on 2025-12-01 00:00:00 UTC, 31 days ago"
        });
        check(CertificateError::NotValidYetContext { time: other, not_before: time }, {
            "it is valid from 2026-01-01 00:00:00 UTC on, 31 days from now"
        });
        let expected = || "mx.example.org".try_into().unwrap();
        // The issuer chooses the names: their control characters must not reach a log.
        let presented =
            vec!["DnsName(\"a\x1b[2J\n.example\")".into(), "IpAddress(192.0.2.1)".into()];
        check(CertificateError::NotValidForNameContext { expected: expected(), presented }, {
            "it is for a\\u{1b}[2J\\n.example, 192.0.2.1"
        });
        check(
            CertificateError::NotValidForNameContext { expected: expected(), presented: vec![] },
            "it is for no name at all",
        );
        check(CertificateError::Revoked, "it was revoked");
        // Errors of webpki for which rustls has no variant.
        let other = |name: &str| CertificateError::Other(rustls::OtherError(Arc::new(io(name))));
        check(other("CaUsedAsEndEntity"), {
            "it is the certificate of an authority (CA:TRUE), not one for a server"
        });
        check(other("InvalidSerialNumber"), "InvalidSerialNumber");
    }
}
