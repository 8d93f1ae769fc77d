//! SCRAM: what is proved, what is refused, and its cost.
use std::time::{Duration, Instant};

use smtp_client::{
    Ended, Error, ErrorKind, Misbehaved, SaslFault, Step,
    sasl::{Credentials, Login, Mechanism},
    session::{ChannelBinding, Session},
};
use smtp_testkit::{Authority, CertificateKind, pipe};
use tokio_rustls::{TlsAcceptor, rustls};

use super::{
    PASSWORD, USER, auth,
    choice::bound,
    confined, drive, exposed, login,
    scram_server::{ScramServer, Twist},
};
use crate::{answering::answer_all, stage::perform, starttls::trusting};

const OFFER: &str = "AUTH SCRAM-SHA-1 SCRAM-SHA-256 PLAIN";

/// Returns the result of a login by SCRAM-SHA-256 at this server, and the lines that were sent.
fn attempt(mut server: ScramServer) -> (Result<(), Error>, Vec<String>, Session) {
    let mut session = exposed(&[OFFER]);
    let auth = auth(&login(), &session).unwrap();
    let (outcome, said) = drive(&mut session, auth, |line| server.answer(line));
    (outcome, said, session)
}

fn server() -> ScramServer {
    ScramServer::new("SCRAM-SHA-256", PASSWORD)
}

/// Checks that the login ends with this fault after this number of lines, without authentication,
/// and that the session has ended.
#[track_caller]
fn check_fault(twist: Twist, fault: SaslFault, lines: usize) {
    let (outcome, said, session) = attempt(server().twist(twist));
    let error = outcome.unwrap_err();
    assert_eq!(error.step(), Step::Auth);
    match error.kind() {
        ErrorKind::Misbehaved(Misbehaved::Sasl(found)) => assert_eq!(*found, fault, "{twist:?}"),
        other => panic!("{twist:?}: {other:?}"),
    }
    assert_eq!(said.len(), lines, "{twist:?}: {said:?}");
    assert_eq!(session.authenticated_by(), None);
    assert!(matches!(session.ended(), Some(Ended::Failed { step: Step::Auth })), "{twist:?}");
}

#[test]
fn both_sides_prove_that_they_know_the_password() {
    for mechanism in [Mechanism::SCRAM_SHA_1, Mechanism::SCRAM_SHA_256] {
        for (user, password) in [
            (USER, PASSWORD),
            ("a=b,c", "=,=2C"),
            ("bob", "p\u{e4} ss\"w\\rd"),
            ("emoji", "\u{1f600}\u{1fae0}"),
        ] {
            let login = Login::new(Credentials::password(user, password).unwrap());
            let login = login.mechanisms([mechanism]);
            let mut server = ScramServer::new(mechanism.as_str(), password);
            let mut session = exposed(&[OFFER]);
            let auth = auth(&login, &session).unwrap();
            let (outcome, said) = drive(&mut session, auth, |line| server.answer(line));
            outcome.unwrap();
            assert_eq!(said.len(), 3);
            assert_eq!(said[2], "", "an empty line answers the server's last message");
            assert_eq!(session.authenticated_by(), Some(mechanism.as_str()));
        }
    }
}

#[test]
fn a_password_is_prepared_as_both_sides_must() {
    // The examples of RFC 4013, and a full-width letter.
    for (typed, stored) in [("I\u{ad}X", "IX"), ("\u{aa}", "a"), ("\u{2168}", "IX")] {
        let login = Login::new(Credentials::password(USER, typed).unwrap());
        let mut server = ScramServer::new("SCRAM-SHA-256", stored);
        let mut session = exposed(&[OFFER]);
        let auth = auth(&login, &session).unwrap();
        drive(&mut session, auth, |line| server.answer(line)).0.unwrap();
    }
}

#[test]
fn a_wrong_password_is_a_refusal() {
    let (outcome, _, session) = attempt(ScramServer::new("SCRAM-SHA-256", "another"));
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
    assert!(session.ended().is_none());
}

#[test]
fn plus_binds_to_what_tls_exported() {
    for mechanism in [Mechanism::SCRAM_SHA_1_PLUS, Mechanism::SCRAM_SHA_256_PLUS] {
        for (servers, taken) in [([42; 32], true), ([43; 32], false)] {
            let login = login().mechanisms([mechanism]);
            let mut server = ScramServer::new(mechanism.as_str(), PASSWORD).binding(&servers);
            let mut session = bound(&["AUTH SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS"]);
            let auth = auth(&login, &session).unwrap();
            let (outcome, _) = drive(&mut session, auth, |line| server.answer(line));
            assert_eq!(outcome.is_ok(), taken, "{outcome:?}");
        }
    }
}

#[test]
fn a_connection_binds_to_its_own_tls() {
    perform(async {
        let authority = Authority::new();
        let connector = trusting(&authority, Default::default(), smtp_client::Security::Tls);
        let identity = authority.issue(CertificateKind::Good);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ServerConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![identity.certificate_der().to_vec().into()],
                rustls::pki_types::PrivateKeyDer::try_from(identity.key_der().to_vec()).unwrap(),
            )
            .unwrap();
        let (client, server) = pipe(1 << 16);
        let serving = tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
            let stream = acceptor.accept(server).await.unwrap();
            let label = ChannelBinding::EXPORTER_LABEL;
            let exported = stream.get_ref().1.export_keying_material([0; 32], label, None);
            let mut scram =
                ScramServer::new("SCRAM-SHA-256-PLUS", PASSWORD).binding(&exported.unwrap());
            let mut greeted = false;
            let answer = move |line: &str| match line {
                "" if !std::mem::replace(&mut greeted, true) => "220 hi\r\n".to_owned(),
                line if line.starts_with("EHLO") => {
                    "250-hi\r\n250 AUTH SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n".to_owned()
                }
                line => scram.answer(line),
            };
            answer_all(stream, answer).await.unwrap()
        });
        let connection = connector.login(login()).connect_over(client).await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("SCRAM-SHA-256-PLUS"));
        drop(connection);
        let heard = serving.await.unwrap();
        assert!(heard[1].starts_with("AUTH SCRAM-SHA-256-PLUS "), "{heard:?}");
    });
}

#[test]
fn a6_success_before_the_servers_first_message() {
    for reply in ["235 2.7.0 ok", "235-2.7.0 ok\r\n235 ok", "235"] {
        check_fault(Twist::FirstReply(reply), SaslFault::UnprovenSuccess, 1);
    }
}

#[test]
fn a6_success_before_the_server_signature() {
    // The last: the right signature, where only people read it.
    for reply in ["235 2.7.0 ok", "235 v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", "235 {v}"] {
        check_fault(Twist::LastReply(reply), SaslFault::UnprovenSuccess, 2);
    }
}

#[test]
fn a6_success_in_one_segment_with_what_it_should_follow() {
    for twist in [Twist::FirstReply("334 cj1h\r\n235 ok"), Twist::LastReply("334 {v}\r\n235 ok")] {
        let (outcome, _, session) = attempt(server().twist(twist));
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        assert_eq!(session.authenticated_by(), None);
        assert!(session.ended().is_some());
    }
}

#[test]
fn a6_the_last_message_in_place_of_the_first() {
    check_fault(Twist::First("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), SaslFault::Syntax, 2);
    check_fault(Twist::FirstReply("334"), SaslFault::Syntax, 2);
    check_fault(Twist::FirstReply("334 "), SaslFault::Syntax, 2);
}

#[test]
fn a6_something_else_in_place_of_the_signature() {
    for reply in ["334", "334 ", "334 ="] {
        check_fault(Twist::LastReply(reply), SaslFault::Signature, 2);
    }
    for message in ["r=x,s=QSXCR+Q6sek8bf92,i=4096", "x={v}", "V={v}", "\0v={v}", " v={v}"] {
        check_fault(Twist::Last(message), SaslFault::Signature, 2);
    }
}

#[test]
fn a6_success_instead_of_a_canceled_exchange() {
    let mut server = server().twist(Twist::First("r=other,s=QSXCR+Q6sek8bf92,i=4096"));
    let mut session = exposed(&[OFFER]);
    let auth = auth(&login(), &session).unwrap();
    let (outcome, said) = drive(&mut session, auth, |line| match line {
        "*" => "235 2.7.0 ok\r\n".into(),
        line => server.answer(line),
    });
    let error = outcome.unwrap_err();
    let nonce = matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Sasl(SaslFault::Nonce)));
    assert!(nonce, "{error:?}");
    assert_eq!(said.last().unwrap(), "*");
    assert_eq!(session.authenticated_by(), None);
    assert!(session.ended().is_some());
}

#[test]
fn a7_nothing_is_read_after_a_bad_signature() {
    for message in [
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        "v=",
        "v=!!!",
        "v={v}=",
        "v={v}A",
        "v=AAAA",
        "v={v},",
        "v={v},x",
        "v={v},v={v}",
        "v={v},m=now",
        "v={v}\0",
        "v",
    ] {
        check_fault(Twist::Last(message), SaslFault::Signature, 2);
    }
    for message in ["e=other-error", "e=invalid-proof", "e=", "e=unknown-user,x=y"] {
        check_fault(Twist::Last(message), SaslFault::Reported, 2);
    }
}

#[test]
fn a7_an_extension_after_the_signature_is_ignored() {
    let (outcome, _, _) = attempt(server().twist(Twist::Last("v={v},x=anything=at all")));
    outcome.unwrap();
}

#[test]
fn a8_too_little_and_too_much_work_is_refused_at_once() {
    let fault = SaslFault::WorkFactor { least: 4096, most: 100_000 };
    let begun = Instant::now();
    for message in [
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=0",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=1",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4095",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=100001",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=2147483647",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4294967295",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4294971392",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=18446744073709555712",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=99999999999999999999999999999999999999999999999",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=-4096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=+4096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=04096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i= 4096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096 ",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4e5",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=0x1000",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096.0",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=\u{664}\u{660}\u{669}\u{666}",
    ] {
        check_fault(Twist::First(message), fault, 2);
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a8_the_bounds_are_inclusive_and_can_be_set() {
    for (bounds, iterations, taken) in [
        (4096..=100_000, 4096, true),
        (1..=10, 10, true),
        (1..=10, 11, false),
        (20..=30, 19, false),
    ] {
        let login = login().iterations(bounds);
        let mut server = server().iterations(iterations);
        let mut session = exposed(&[OFFER]);
        let auth = auth(&login, &session).unwrap();
        let (outcome, _) = drive(&mut session, auth, |line| server.answer(line));
        assert_eq!(outcome.is_ok(), taken, "{iterations}");
    }
}

#[test]
fn a9_the_server_nonce_starts_with_the_client_nonce() {
    for message in [
        "r=other,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours},s=QSXCR+Q6sek8bf92,i=4096",
        "r=x{ours},s=QSXCR+Q6sek8bf92,i=4096",
        "r=,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours}\x07,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours} ,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours}\u{e4},s=QSXCR+Q6sek8bf92,i=4096",
    ] {
        check_fault(Twist::First(message), SaslFault::Nonce, 2);
    }
}

#[test]
fn a9_a_salt_must_be_valid_base64() {
    for message in ["r={ours}x,s=!!!!,i=4096", "r={ours}x,s=,i=4096", "r={ours}x,s=QQ,i=4096"] {
        check_fault(Twist::First(message), SaslFault::Salt, 2);
    }
}

#[test]
fn a9_no_attribute_is_repeated_or_missing() {
    for message in [
        "",
        ",",
        "r",
        "r={ours}x",
        "r={ours}x,s=QSXCR+Q6sek8bf92",
        "s=QSXCR+Q6sek8bf92,r={ours}x,i=4096",
        "r={ours}x,i=4096,s=QSXCR+Q6sek8bf92",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,i=4096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,i=1",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,r={ours}x",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,x",
        "e=other-error",
    ] {
        check_fault(Twist::First(message), SaslFault::Syntax, 2);
    }
}

#[test]
fn a9_what_must_be_understood_and_is_not_ends_it() {
    for message in [
        "m=new,r={ours}x,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours}x,m=new,s=QSXCR+Q6sek8bf92,i=4096",
        "r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,m=new",
    ] {
        check_fault(Twist::First(message), SaslFault::MandatoryExtension, 2);
    }
}

#[test]
fn a9_other_extensions_are_signed_with_the_rest() {
    let (outcome, _, session) =
        attempt(server().twist(Twist::First("r={ours}x,s=QSXCR+Q6sek8bf92,i=4096,x=y,z==")));
    outcome.unwrap();
    assert!(session.authenticated_by().is_some());
}

#[test]
fn a9_a_salt_of_a_mebibyte_is_more_than_is_held() {
    let mut session = confined(&[OFFER]);
    let auth = auth(&login(), &session).unwrap();
    let (outcome, said) =
        drive(&mut session, auth, |_| format!("334 {}\r\n", "QUJD".repeat(1 << 18)));
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misbehaved(Misbehaved::Malformed(_))), "{error:?}");
    assert_eq!(said.len(), 1);
}
