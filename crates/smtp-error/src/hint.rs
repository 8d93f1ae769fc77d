//! Hints: what is likely to be the matter.

/// What is likely to be the matter when an error has a plain cause that it cannot prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Hint {
    /// A TLS handshake was answered with what is no TLS.
    #[error("no TLS is spoken here: is this a port in clear, or one for STARTTLS?")]
    NoTls,
    /// A server that was to speak first in clear was silent, or it sent TLS.
    #[error("is this a port for TLS from the first octet?")]
    ImplicitTls,
    /// The server agreed to STARTTLS and answered the handshake with clear text.
    #[error(
        "the server agreed to STARTTLS and does not begin TLS: check its TLS configuration, or for \
         a proxy that intercepts SMTP"
    )]
    NoTlsAfterStartTls,
    /// The server and the client have no TLS version in common.
    #[error("the server takes none of the TLS versions that the client offers: update its TLS")]
    TlsVersion,
    /// The server takes none of the versions, cipher suites, groups and signature schemes that the
    /// client offers, and does not say which of these it lacks.
    #[error(
        "the server takes none of the TLS parameters that the client offers, or has no certificate \
         that fits them: check its TLS versions, cipher suites and certificate"
    )]
    TlsParameters,
    /// The server takes none of the protocols that the client offers by ALPN.
    #[error(
        "the server takes none of the protocols that are offered by ALPN: offer others, or none"
    )]
    Alpn,
    /// The server has no certificate for the name that the client asked for.
    #[error("the server does not know this host name: check the name that TLS expects")]
    TlsServerName,
    /// The server asks for a certificate of the client, or does not take the one that it has.
    #[error("the server asks for a client certificate that it trusts: configure one")]
    ClientCertificate,
    /// The certificate of the server has expired.
    #[error("renew the server's certificate, or check the clock of this machine")]
    CertificateExpired,
    /// The certificate of the server is not valid yet.
    #[error("check the clock of this machine, and the dates of the server's certificate")]
    CertificateNotYetValid,
    /// The certificate of the server is for other names.
    #[error("connect by a name that the certificate is for, or set the name that TLS expects")]
    CertificateName,
    /// The certificate of the server is not signed by an authority that the client trusts.
    #[error(
        "trust the authority that signed the certificate, or let the server send its intermediate \
         certificates"
    )]
    CertificateIssuer,
    /// The certificate of the server has another flaw: it was revoked, it is not for servers, or it
    /// cannot be read or verified.
    #[error("the server needs another certificate")]
    CertificateUnfit,
    /// The octets of the TLS connection were damaged or changed on their way.
    #[error("the octets were damaged or changed on their way: check for proxies and middleboxes")]
    TlsDamaged,
}
