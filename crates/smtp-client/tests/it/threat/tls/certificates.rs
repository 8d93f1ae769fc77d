//! Which certificates a client trusts: rows T12 and T14.
use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use smtp_client::{
    Broken, Connector, Error, ErrorKind, Security, Server, Step, Tls, session::Dialect,
};
use smtp_testkit::{Authority, CertificateKind, Server as TestServer};

use super::is_no_name;
use crate::{
    stage::{hello, opening, parse, perform},
    tap::Tap,
    threat::BOTH,
    tls::{BAD, check_nothing_in_clear},
};

const PATHS: [Security; 2] = [Security::Tls, Security::StartTls];

/// Connects to `host`, whose server shows this certificate, as `tls` has it; nothing goes out in
/// clear but the commands up to STARTTLS.
#[track_caller]
fn connect(
    dialect: Dialect,
    security: Security,
    kind: CertificateKind,
    host: &str,
    tls: impl FnOnce(&Authority) -> Tls,
) -> Result<(), Error> {
    let authority = Authority::new();
    let server = Server::tcp(host, 465).dialect(dialect).security(security);
    let name = "client.example".parse().unwrap();
    let connector = Connector::new(server).hello_name(name).tls(tls(&authority));
    let before = match security {
        Security::Tls => "[tls]\nS: 220 hi\n".to_owned(),
        _ => opening(dialect, &["STARTTLS"]) + "C: STARTTLS\nS: 220 go\n[starttls]\n",
    };
    let script = before + &hello(dialect, &[]);
    perform(async {
        let builder = TestServer::builder().authority(authority).certificate(kind);
        let (server, pipe) = builder.script(parse(&script)).pipe();
        let (pipe, written) = Tap::new(pipe);
        let outcome = connector.connect_over(pipe).await.map(drop);
        let began = !outcome.as_ref().is_err_and(is_no_name);
        if began {
            check_nothing_in_clear(&written, security, host);
        }
        assert_eq!(server.finish().await.is_ok(), outcome.is_ok(), "{host}: {outcome:?}");
        outcome
    })
}

fn trusted(authority: &Authority) -> Tls {
    Tls::authorities([authority.der().to_vec().into()]).unwrap()
}

#[track_caller]
fn check_distrust(outcome: &Result<(), Error>, case: &str) {
    let error = outcome.as_ref().expect_err(case);
    assert!(matches!(error.kind(), ErrorKind::Broken(Broken::Tls(_))), "{case}: {error:?}");
    assert_eq!((error.step(), error.is_transient()), (Step::Handshake, false), "{case}");
}

#[test]
fn t12_bad_certificates_are_refused_on_every_path() {
    for dialect in BOTH {
        for security in PATHS {
            connect(dialect, security, CertificateKind::Good, "localhost", trusted).unwrap();
            for kind in BAD {
                let outcome = connect(dialect, security, kind, "localhost", trusted);
                check_distrust(&outcome, &format!("{dialect:?} {security:?} {kind:?}"));
            }
        }
    }
}

/// Believes everybody: what a caller has to write to do without the check.
#[derive(Debug)]
struct Gullible(Arc<CryptoProvider>);

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// There is no switch of ours: who wants no check brings a configuration that has none. That it
/// connects shows that the certificate was all that stood in the way.
#[test]
fn t12_the_certificate_is_all_that_stands_in_the_way() {
    let gullible = |_: &Authority| {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap().dangerous();
        let verifier = Arc::new(Gullible(provider));
        let config = builder.with_custom_certificate_verifier(verifier).with_no_client_auth();
        Tls::new(Arc::new(config))
    };
    for security in PATHS {
        for kind in BAD {
            connect(Dialect::Smtp, security, kind, "localhost", gullible).unwrap();
        }
    }
}

#[test]
fn t14_the_name_is_checked_in_whatever_form_it_comes() {
    let good = CertificateKind::Good;
    for host in
        ["localhost", "localhost.", "LOCALHOST", "LocalHost", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1"]
    {
        for security in PATHS {
            connect(Dialect::Smtp, security, good, host, trusted).unwrap();
            let other = connect(Dialect::Smtp, security, CertificateKind::WrongName, host, trusted);
            check_distrust(&other, host);
        }
    }
    // Each is another name, or none: the check is not skipped, whatever the form.
    for host in [
        "localhost.example",
        "sub.localhost",
        "xn--localhost",
        "local-host",
        "_localhost",
        "*.localhost",
        "*",
        "localhost..",
        ".localhost",
        "127.0.0.2",
        "127.0.0.1.",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.000.000.001",
        "::2",
        "::ffff:127.0.0.1",
        "[::1",
        "[localhost]",
        "::1%lo",
        "fe80::1%eth0",
        "localhost\0",
        "localhost\0.example",
        "localhost ",
        " localhost",
        "l\u{f6}calhost",
        "localho\u{17f}t",
        "\u{ff4c}ocalhost",
        "localhost\u{3002}",
        "localhost:25",
        "user@localhost",
        "localhost/",
        "wrong-name.invalid\0localhost",
        "",
        ".",
    ] {
        for security in PATHS {
            match connect(Dialect::Smtp, security, good, host, trusted) {
                Err(error) if is_no_name(&error) => {}
                outcome => check_distrust(&outcome, host),
            }
        }
    }
}
