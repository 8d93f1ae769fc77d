//! Hints: the likely cause of an error, and what to check.

use crate::{Ended, ErrorKind, Extension, Unsupported};

/// The likely cause of an error that does not prove it, and what to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Hint {
    /// The host name does not exist, or has no address.
    #[error("check the spelling of the host name, and whether it is in the DNS")]
    UnknownHost,
    /// Every attempt to connect was refused.
    #[error("no server listens on this port: check the host and the port, and whether it runs")]
    ConnectionRefused,
    /// There is no such Unix socket, or no server listens on it.
    #[error("no server listens on this Unix socket: check the path, and whether it runs")]
    UnixSocket,
    /// The proxy does not exist, or refused the connection.
    #[error(
        "no proxy listens there: check the host and the port of the proxy, and whether it runs"
    )]
    Proxy,
    /// An attempt to connect timed out.
    #[error(
        "the host does not answer on this port: check the host and the port, and whether a firewall \
         blocks the connection"
    )]
    ConnectTimedOut,
    /// An attempt to connect to port 25 timed out.
    #[error(
        "many networks block outgoing connections to port 25: submit on port 465 (smtps://) or 587 \
         (smtp+starttls://)"
    )]
    Port25Blocked,
    /// The server greeted in another protocol.
    #[error("the server speaks {0}, not SMTP: check the host and the port")]
    OtherProtocol(OtherProtocol),
    /// The server knows neither EHLO nor HELO.
    #[error("if this is an LMTP server, use lmtp://")]
    Lmtp,
    /// The server does not know LHLO.
    #[error("if this is an SMTP server, use smtp://")]
    Smtp,
    /// The server does not offer STARTTLS.
    #[error("use a port that offers STARTTLS, usually 587, or smtps:// with port 465")]
    NoStartTls,
    /// The server does not offer AUTH on a connection in clear.
    #[error("many servers offer AUTH only inside TLS: use smtps:// or smtp+starttls://")]
    AuthInsideTls,
    /// The server does not offer AUTH on port 25.
    #[error("port 25 is for mail between servers, often without AUTH: submit on port 465 or 587")]
    SubmissionPort,
    /// The server did not answer the TLS handshake with TLS.
    #[error(
        "the server does not start with TLS on this port: use smtp+starttls://, or smtps:// with \
         the port for implicit TLS, usually 465"
    )]
    NoTls,
    /// The client waited for a greeting in clear, and the server sent nothing, or TLS.
    #[error(
        "if this port expects TLS from the first octet, as 465 does, use smtps://; or else no mail \
         server answers there: check the host and the port"
    )]
    ImplicitTls,
    /// The server accepted STARTTLS and answered the handshake in clear.
    #[error(
        "the server accepted STARTTLS but did not start TLS: check its TLS configuration, and \
         whether a proxy intercepts SMTP"
    )]
    NoTlsAfterStartTls,
    /// The server and the client have no TLS version in common.
    #[error(
        "the server supports none of the TLS versions that the client offers: update the server's \
         TLS"
    )]
    TlsVersion,
    /// The server supports none of the versions, cipher suites, groups and signature schemes that
    /// the client offers. Its alert does not tell which of these it lacks.
    #[error(
        "the server supports none of the TLS parameters that the client offers, or has no \
         certificate that fits them: check its TLS versions, cipher suites and certificate"
    )]
    TlsParameters,
    /// The server supports none of the protocols that the client offers by ALPN.
    #[error(
        "the server supports none of the protocols that the client offers by ALPN: offer others, \
         or none"
    )]
    Alpn,
    /// The server has no certificate for the name that the client asked for.
    #[error("the server does not know the requested host name: check the server name set for TLS")]
    TlsServerName,
    /// The server requires a client certificate, or does not trust the one that it received.
    #[error("the server requires a client certificate that it trusts: configure one")]
    ClientCertificate,
    /// The server's certificate has expired.
    #[error("renew the server's certificate, or check the clock of this machine")]
    CertificateExpired,
    /// The server's certificate is not valid yet.
    #[error("check the clock of this machine, and the dates of the server's certificate")]
    CertificateNotYetValid,
    /// The server's certificate is for other names.
    #[error("connect by a name that the certificate is for, or set that name: `Tls::server_name`")]
    CertificateName,
    /// The server's certificate is not signed by an authority that the client trusts.
    #[error(
        "trust the authority that signed it, or the certificate itself if it is self-signed \
         (`Tls::authorities`, or tls-ca in the URL), pin its key (`Tls::pinned`), or have the server \
         send its intermediate certificates"
    )]
    CertificateIssuer,
    /// The server's certificate has another flaw: it was revoked, it is not for servers, or it
    /// cannot be read or verified.
    #[error("replace the server's certificate")]
    CertificateUnfit,
    /// The octets of the TLS connection were damaged or modified in transit.
    #[error("data was damaged or modified in transit: check proxies and middleboxes")]
    TlsDamaged,
    /// The mail data has octets outside ASCII, and the server takes only ASCII.
    #[error(
        "8BITMIME is for text with octets outside ASCII: encode it as quoted-printable or base64, as \
         message builders do, or set `Sending::eight_bit` for a server that is known to keep such text"
    )]
    EncodeText,
    /// An address or a header field has octets outside ASCII, and the server takes only ASCII.
    #[error(
        "SMTPUTF8 is for addresses and header fields with octets outside ASCII: use another address, \
         and encode header fields (RFC 2047)"
    )]
    AsciiAddress,
    /// The mail data is binary, and the server takes only lines.
    #[error(
        "BINARYMIME is for content that is not lines: encode it as base64, for `MailData::new`"
    )]
    EncodeBinary,
    /// The server's certificate was not verified, and a secret would be sent.
    #[error(
        "require TLS with a verified certificate: smtps:// or smtp+starttls://; `Tls::authorities`, \
         or tls-ca in the URL, trusts an authority"
    )]
    VerifiedTls,
    /// The session has ended.
    #[error("open a new connection")]
    NewConnection,
}

impl Hint {
    /// Returns what to do about this kind of error, wherever it occurs.
    pub(crate) fn about(kind: &ErrorKind) -> Option<Self> {
        Some(match kind {
            ErrorKind::Unsupported(Unsupported::Extension(extension)) => match extension {
                Extension::EightBitMime => Self::EncodeText,
                Extension::SmtpUtf8 => Self::AsciiAddress,
                Extension::BinaryMime => Self::EncodeBinary,
                _ => return None,
            },
            ErrorKind::Unsupported(Unsupported::Unverified) => Self::VerifiedTls,
            ErrorKind::Ended(Ended::Quit | Ended::Failed { .. } | Ended::Canceled { .. }) => {
                Self::NewConnection
            }
            _ => return None,
        })
    }
}

/// A protocol that a server speaks in place of SMTP, by the first octets that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OtherProtocol {
    /// HTTP.
    #[error("HTTP")]
    Http,
    /// SSH.
    #[error("SSH")]
    Ssh,
    /// POP3.
    #[error("POP3")]
    Pop3,
    /// IMAP.
    #[error("IMAP")]
    Imap,
}

impl OtherProtocol {
    /// Returns the protocol in which these octets are a greeting, or a reply to a client that sent
    /// no request; `None` if that is not certain.
    pub fn of_greeting(octets: &[u8]) -> Option<Self> {
        let beginnings: [(&[u8], Self); 8] = [
            (b"HTTP/", Self::Http),
            (b"SSH-", Self::Ssh),
            (b"+OK", Self::Pop3),
            (b"-ERR", Self::Pop3),
            (b"* OK", Self::Imap),
            (b"* BYE", Self::Imap),
            (b"* BAD", Self::Imap),
            (b"* PREAUTH", Self::Imap),
        ];
        let greeted = |(beginning, _): &(&[u8], Self)| octets.starts_with(beginning);
        beginnings.into_iter().find(greeted).map(|(_, protocol)| protocol)
    }
}
