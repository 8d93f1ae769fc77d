//! Which mechanism is used, and what is never tried.
use smtp_client::{
    Connector, Error, ErrorKind, Extension, Obstacle, Security, Server, Step, Unsupported,
    sasl::{ClearText, Credentials, Login, Mechanism},
    session::{ChannelBinding, Session},
};
use smtp_testkit::{Authority, Server as TestServer};

use super::{PLAIN, auth, confined, drive, exchange, exposed, greet, in_clear, login};
use crate::{
    answering::answer_all,
    stage::{connector, leave_after, opening, parse, perform, play},
    starttls::trusting,
    wait_timeout::bounds,
};

/// The first line of a login.
fn first_line(session: &mut Session, login: &Login) -> Result<String, Error> {
    let auth = auth(login, session)?;
    let (_, said) = drive(session, auth, |_| String::new());
    Ok(said.into_iter().next().unwrap())
}

#[track_caller]
fn check_chosen(session: &mut Session, login: &Login, expected: &str) {
    let line = first_line(session, login).unwrap();
    assert_eq!(line.split(' ').nth(1), Some(expected));
}

#[track_caller]
fn check_unsupported(error: &Error, expected: Unsupported) {
    assert_eq!(error.step(), Step::Auth);
    match error.kind() {
        ErrorKind::Unsupported(found) => assert_eq!(*found, expected),
        other => panic!("{other:?}"),
    }
}

/// The server offers these mechanisms, none of them for these reasons, and could offer those.
#[track_caller]
fn check_nothing_in_common(error: &Error, offered: &[(&str, Obstacle)], usable: &[&str]) {
    assert_eq!(error.step(), Step::Auth);
    let ErrorKind::Unsupported(Unsupported::Mechanism(none)) = error.kind() else {
        panic!("{error:?}")
    };
    let found: Vec<_> = none.offered().iter().map(|one| (&*one.name, one.obstacle)).collect();
    assert_eq!((&found[..], none.usable().collect::<Vec<_>>()), (offered, usable.to_vec()));
}

/// A session inside TLS, which mechanisms can be bound to.
pub(super) fn bound(keywords: &[&str]) -> Session {
    let mut session = Session::default();
    session.secured("TLSv1_3", "TLS13_AES_256_GCM_SHA384");
    session.bind(ChannelBinding::tls_exporter([42; 32]));
    greet(&mut session, keywords);
    session
}

const ALL: &str = "AUTH LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS \
                   SCRAM-SHA-256-PLUS DIGEST-MD5 NTLM";

const PASSWORD_MECHANISMS: [&str; 7] = [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
    "CRAM-MD5",
    "PLAIN",
    "LOGIN",
];

#[test]
fn the_strongest_common_mechanism_is_used() {
    let mut offered: Vec<&str> = ALL.split(' ').skip(1).collect();
    for strongest in PASSWORD_MECHANISMS {
        let mut session = bound(&[&format!("AUTH {}", offered.join(" "))]);
        check_chosen(&mut session, &login(), strongest);
        offered.retain(|name| *name != strongest);
    }
    let session = bound(&[&format!("AUTH {}", offered.join(" "))]);
    let other = |name| (name, Obstacle::Credentials);
    let error = auth(&login(), &session).unwrap_err();
    let usable = PASSWORD_MECHANISMS;
    check_nothing_in_common(&error, &[other("DIGEST-MD5"), other("NTLM")], &usable);
}

#[test]
fn what_cannot_be_bound_is_left_out() {
    check_chosen(&mut confined(&[ALL]), &login(), "SCRAM-SHA-256");
    let pinned = login().mechanisms([Mechanism::SCRAM_SHA_256_PLUS]);
    let session = confined(&["AUTH SCRAM-SHA-256-PLUS PLAIN NTLM"]);
    let error = auth(&pinned, &session).unwrap_err();
    let offered = [
        ("SCRAM-SHA-256-PLUS", Obstacle::ChannelBinding),
        ("PLAIN", Obstacle::NotAllowed),
        ("NTLM", Obstacle::Credentials),
    ];
    check_nothing_in_common(&error, &offered, &[]);
}

#[test]
fn the_choice_can_be_pinned_and_limited() {
    let pinned = login().mechanisms([Mechanism::PLAIN]);
    check_chosen(&mut bound(&[ALL]), &pinned, "PLAIN");
    let ordered = login().mechanisms([Mechanism::CRAM_MD5, Mechanism::SCRAM_SHA_1]);
    check_chosen(&mut bound(&[ALL]), &ordered, "CRAM-MD5");
    check_chosen(&mut bound(&["AUTH SCRAM-SHA-1 PLAIN"]), &ordered, "SCRAM-SHA-1");
    let named = login().mechanisms(["scram-sha-1".parse::<Mechanism>().unwrap()]);
    check_chosen(&mut bound(&[ALL]), &named, "SCRAM-SHA-1");
    let error = auth(&ordered, &bound(&["AUTH PLAIN"])).unwrap_err();
    let plain = [("PLAIN", Obstacle::NotAllowed)];
    check_nothing_in_common(&error, &plain, &["CRAM-MD5", "SCRAM-SHA-1"]);
    let nothing = login().mechanisms::<Mechanism>([]);
    let error = auth(&nothing, &bound(&["AUTH PLAIN"])).unwrap_err();
    check_nothing_in_common(&error, &plain, &[]);
}

#[test]
fn a_mechanism_without_authorization_identity_is_reported() {
    let acting = Credentials::password("tim", "secret").unwrap().act_as("kurt").unwrap();
    let error = auth(&Login::new(acting), &confined(&["AUTH LOGIN CRAM-MD5"])).unwrap_err();
    let offered = [("LOGIN", Obstacle::ActAs), ("CRAM-MD5", Obstacle::ActAs)];
    check_nothing_in_common(&error, &offered, &["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]);
}

#[test]
fn a1_without_auth_nothing_more_is_sent() {
    for keywords in [&[][..], &["PIPELINING"], &["AUTHX PLAIN", "XAUTH PLAIN"]] {
        let script = opening(Default::default(), keywords) + "C: QUIT";
        let connector = connector(Default::default()).login(in_clear());
        let played = play(&script, &connector, async |connected| connected.unwrap_err());
        played.verdict.unwrap();
        check_unsupported(&played.outcome, Unsupported::Extension(Extension::Auth));
    }
}

#[test]
fn a1_without_authentication_there_is_no_connection() {
    for (verdict, keyword) in [
        ("S: 535 5.7.8 no\nC: QUIT", "AUTH PLAIN"),
        ("S: 454 4.7.0 later\nC: QUIT", "AUTH PLAIN"),
        ("S: 250 ok", "AUTH PLAIN"),
        ("[close]", "AUTH PLAIN"),
    ] {
        let script = format!("{}C: AUTH PLAIN {PLAIN}\n{verdict}", {
            opening(Default::default(), &[keyword])
        });
        let connector = connector(Default::default()).login(in_clear());
        let played = play(&script, &connector, async |connected| connected.unwrap_err());
        played.verdict.unwrap();
        assert_eq!(played.outcome.step(), Step::Auth, "{verdict}");
    }
}

#[test]
fn a1_a_login_is_no_reason_to_fall_back_to_helo() {
    for code in [500, 502] {
        let script = format!("S: 220 hi\nC: EHLO client.example\nS: {code} what?\nC: QUIT");
        let connector = connector(Default::default()).login(in_clear());
        let played = play(&script, &connector, async |connected| connected.unwrap_err());
        played.verdict.unwrap();
        assert_eq!(played.outcome.step(), Step::Hello);
        assert!(matches!(played.outcome.kind(), ErrorKind::Refused(_)));
    }
}

#[test]
fn a2_a_refusal_downgrades_nothing_by_default() {
    for code in [421, 432, 454, 500, 501, 504, 530, 534, 535, 538] {
        let mut session = bound(&["AUTH SCRAM-SHA-256 PLAIN LOGIN"]);
        let auth = auth(&login(), &session).unwrap();
        let (outcome, said) = drive(&mut session, auth, |_| format!("{code} no\r\n"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(outcome.unwrap_err().reply().unwrap().code().get(), code);
    }
}

#[test]
fn a2_the_next_of_the_callers_list_is_tried_inside_tls() {
    let ordered = [Mechanism::CRAM_MD5, Mechanism::PLAIN, Mechanism::LOGIN];
    let sent = format!("AUTH PLAIN {PLAIN}");
    for code in ["432 no", "454 no", "500 no", "501 no", "504 no", "534 no", "538 no"] {
        let mut session = bound(&["AUTH LOGIN PLAIN CRAM-MD5"]);
        let dialogue = [("AUTH CRAM-MD5", code), (sent.as_str(), "235 yes")];
        exchange(&mut session, &login().mechanisms(ordered), &dialogue).unwrap();
        assert_eq!(session.authenticated_by(), Some("PLAIN"));
    }
    for code in ["535 no", "525 no", "421 no"] {
        let mut session = bound(&["AUTH LOGIN PLAIN CRAM-MD5"]);
        let dialogue = [("AUTH CRAM-MD5", code)];
        exchange(&mut session, &login().mechanisms(ordered), &dialogue).unwrap_err();
    }
}

#[test]
fn a2_outside_tls_nothing_else_is_tried() {
    let login = in_clear().mechanisms([Mechanism::CRAM_MD5, Mechanism::PLAIN]);
    for code in ["504 no", "454 no", "535 no"] {
        let mut session = exposed(&["AUTH LOGIN PLAIN CRAM-MD5"]);
        let error = exchange(&mut session, &login, &[("AUTH CRAM-MD5", code)]).unwrap_err();
        assert_eq!(error.reply().unwrap().to_string(), code);
    }
}

#[test]
fn t6_no_secret_goes_over_a_connection_in_clear() {
    let bearer = Login::new(Credentials::bearer("u", "token").unwrap());
    for (login, keyword) in [
        (login(), "AUTH PLAIN"),
        (login(), "AUTH LOGIN"),
        (login().mechanisms([Mechanism::LOGIN, Mechanism::PLAIN]), "AUTH PLAIN LOGIN CRAM-MD5"),
        (bearer.clone(), "AUTH OAUTHBEARER XOAUTH2"),
        (bearer, "AUTH XOAUTH2"),
    ] {
        let error = auth(&login, &exposed(&[keyword])).unwrap_err();
        check_unsupported(&error, Unsupported::ClearText);
        let session = exposed(&[keyword]);
        auth(&login.clone().clear_text(ClearText::Allowed), &session).unwrap();
        auth(&login, &confined(&[keyword])).unwrap();
    }
}

#[test]
fn t6_what_hides_the_secret_may() {
    for (keyword, chosen) in [("CRAM-MD5", "CRAM-MD5"), ("SCRAM-SHA-1", "SCRAM-SHA-1")] {
        check_chosen(&mut exposed(&[&format!("AUTH LOGIN PLAIN {keyword}")]), &login(), chosen);
    }
}

#[test]
fn t10_what_was_known_before_tls_is_forgotten() {
    let mut session = confined(&["AUTH PLAIN"]);
    let sent = format!("AUTH PLAIN {PLAIN}");
    exchange(&mut session, &login(), &[(&sent, "235 yes")]).unwrap();
    session.bind(ChannelBinding::tls_exporter([1; 32]));
    session.secured("TLSv1_2", "suite");
    assert_eq!(session.authenticated_by(), None);
    assert_eq!(session.binding(), None);
    let error = auth(&login(), &session).unwrap_err();
    check_unsupported(&error, Unsupported::Extension(Extension::Auth));
}

#[test]
fn t11_what_follows_tls_must_be_ehlo() {
    for code in [421, 500, 502, 554] {
        let authority = Authority::new();
        let connector = trusting(&authority, Default::default(), Security::Tls).login(login());
        let leave = leave_after(code);
        let script = format!("[tls]\nS: 220 hi\nC: EHLO client.example\nS: {code} no{leave}");
        perform(async {
            let builder = TestServer::builder().authority(authority).script(parse(&script));
            let (server, pipe) = builder.pipe();
            let error = connector.connect_over(pipe).await.unwrap_err();
            assert_eq!(error.step(), Step::Hello);
            assert_eq!(error.reply().unwrap().code().get(), code);
            server.finish().await.unwrap();
        });
    }
}

#[test]
fn t19_another_protocol_gets_no_secret() {
    for greeting in ["* OK IMAP4", "+OK POP3", "HTTP/1.1 400 Bad", "SSH-2.0-x", "250 AUTH PLAIN"] {
        let script = format!("[raw \"{greeting}\\r\\n\"]\n[expect-close]");
        let connector = connector(Default::default()).login(in_clear());
        let played = play(&script, &connector, async |connected| connected.unwrap_err());
        played.verdict.unwrap();
        assert_eq!(played.outcome.step(), Step::Greeting, "{greeting}");
    }
}

#[test]
fn a_silent_server_has_as_long_as_auth_may_take() {
    let script = opening(Default::default(), &["AUTH CRAM-MD5"]) + "C: AUTH CRAM-MD5\n[stall]";
    let connector = connector(Default::default()).timeouts(bounds()).login(login());
    let played = play(&script, &connector, async |connected| connected.unwrap_err());
    played.verdict.unwrap();
    assert_eq!(played.outcome.step(), Step::Auth);
    assert_eq!(played.elapsed, bounds().auth);
}

#[cfg(unix)]
#[test]
fn t6_a_unix_socket_is_as_good_as_tls() {
    let folder = std::env::temp_dir().join(format!("smtp-client-auth-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = |line: &str| match line.split(' ').next() {
                Some("") => "220 hi\r\n".to_owned(),
                Some("EHLO") => "250-hi\r\n250 AUTH PLAIN\r\n".to_owned(),
                _ => "235 yes\r\n".to_owned(),
            };
            answer_all(stream, answer).await.unwrap()
        });
        let connector = Connector::new(Server::unix(&path)).login(login());
        let connection = connector.connect().await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("PLAIN"));
        drop(connection);
        assert_eq!(serving.await.unwrap()[1], format!("AUTH PLAIN {PLAIN}"));
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a10_the_flag_states_what_was_offered() {
    let header = |session: &mut Session, login: &Login| {
        let line = first_line(session, login).unwrap();
        let encoded = line.rsplit(' ').next().unwrap();
        let octets = smtp_codec::SaslResponse::from_base64(encoded).unwrap().decode().unwrap();
        String::from_utf8(octets).unwrap().split(",n=").next().unwrap().to_owned()
    };
    let plus = login();
    let without = login().mechanisms([Mechanism::SCRAM_SHA_256]);
    // It was offered and is used; it was taken away; it is offered and was not wanted; we cannot.
    assert_eq!(header(&mut bound(&[ALL]), &plus), "p=tls-exporter,");
    assert_eq!(header(&mut bound(&["AUTH SCRAM-SHA-256 PLAIN"]), &plus), "y,");
    assert_eq!(header(&mut bound(&[ALL]), &without), "n,");
    assert_eq!(header(&mut bound(&["AUTH SCRAM-SHA-256 SCRAM-SHA-1-PLUS"]), &without), "n,");
    assert_eq!(header(&mut confined(&[ALL]), &plus), "n,");
    assert_eq!(header(&mut confined(&["AUTH SCRAM-SHA-256"]), &plus), "n,");
}
