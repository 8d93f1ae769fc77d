//! Hints: the likely cause of an error, and what to check.

/// The likely cause of an error that does not prove it, and what to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Hint {
    /// The server did not answer the TLS handshake with TLS.
    #[error(
        "the server does not use TLS on this port: check whether the port is for unencrypted \
         connections or for STARTTLS"
    )]
    NoTls,
    /// The client waited for a greeting in clear, and the server sent nothing, or TLS.
    #[error("check whether this port expects TLS from the first octet (implicit TLS)")]
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
    #[error(
        "connect by a name that the certificate is for, or set that name as the server name for TLS"
    )]
    CertificateName,
    /// The server's certificate is not signed by an authority that the client trusts.
    #[error(
        "trust the authority that signed the certificate, or configure the server to send its \
         intermediate certificates"
    )]
    CertificateIssuer,
    /// The server's certificate has another flaw: it was revoked, it is not for servers, or it
    /// cannot be read or verified.
    #[error("replace the server's certificate")]
    CertificateUnfit,
    /// The octets of the TLS connection were damaged or modified in transit.
    #[error("data was damaged or modified in transit: check proxies and middleboxes")]
    TlsDamaged,
}
