//! AUTH (RFC 4954) with each mechanism but SCRAM.
use smtp_codec::{Mechanism, SaslResponse};
use smtp_server::{Client, Closing, Event, Login, Refuse, Settings, StartTls};

use crate::host::{Answer, Host, refuse};

fn b64(text: &str) -> String {
    SaslResponse::new(text).into_base64()
}

fn verifies(event: &Event<'_>) -> Answer {
    let Event::Auth(login) = event else { return Answer::Usual };
    let is_right = match login {
        Login::Password { user, password, .. } => (*user, *password) == ("tim", "tanstaaftanstaaf"),
        Login::CramMd5 { user, proof } => *user == "tim" && proof.verify("tanstaaftanstaaf"),
        Login::Token { token: "busy", .. } => {
            return Answer::Decide(Err(refuse(454, "4.7.0 The directory is down")));
        }
        Login::Token { token: "named", .. } => return Answer::LoginAs("named@example.org"),
        Login::Token { token, .. } => *token == "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        Login::External { identity: "by-certificate" } => return Answer::LoginAs("CN=tim"),
        Login::External { .. } | Login::Anonymous { .. } => true,
        _ => false,
    };
    if is_right { Answer::Usual } else { Answer::Decide(Err(Refuse::wrong_credentials())) }
}

/// A server for a Unix socket, on which passwords need no TLS.
fn host(mechanism: Mechanism<&'static str>) -> Host {
    let settings = Settings::smtp("mx.example.org").passwords_in_clear().auth([mechanism]);
    Host::of(settings).serves(Client::new().private()).decides(verifies)
}

fn play(mechanism: Mechanism<&'static str>, lines: &str) -> crate::host::Journal {
    let before = "S: 220 mx.example.org ESMTP\nC: EHLO client.example.org\nS: 250-*\n";
    host(mechanism).play(&format!("{before}{lines}"))
}

const OK: &str = "S: 235 2.7.0 Authentication succeeded";
const NO: &str = "S: 535 5.7.8 Authentication failed";
const BAD: &str = "S: 501 5.5.2 The response does not fit the mechanism";
const BASE64: &str = "S: 501 5.5.2 The response is not base64";

#[test]
fn plain() {
    let right = b64("\0tim\0tanstaaftanstaaf");
    let journal = play(Mechanism::PLAIN, &format!("C: AUTH PLAIN {right}\n{OK}"));
    assert_eq!(journal.client.login(), Some("tim"));
    assert_eq!(journal.client.protocol(false), "ESMTPA");
    let journal = play(Mechanism::PLAIN, &format!("C: auth plain\nS: 334 \nC: {right}\n{OK}"));
    assert_eq!(journal.client.login(), Some("tim"));
    let other = b64("Ursel\0tim\0tanstaaftanstaaf");
    let journal = play(Mechanism::PLAIN, &format!("C: AUTH PLAIN {other}\n{OK}"));
    assert_eq!(journal.client.login(), Some("Ursel"));
    assert_eq!(journal.events[2], r#"Password "Ursel" "tim" "tanstaaftanstaaf""#);
    for (response, reply) in [
        ("\0tim\0wrong", NO),
        ("\0tim\0", BAD),
        ("\0\0tanstaaftanstaaf", BAD),
        ("\0tim", BAD),
        ("", BAD),
        ("\0tim\0tanstaaftanstaaf\0", BAD),
        ("\0t\nm\0tanstaaftanstaaf", BAD),
    ] {
        let encoded = b64(response);
        let encoded = if encoded.is_empty() { "=" } else { &encoded };
        let journal = play(Mechanism::PLAIN, &format!("C: AUTH PLAIN {encoded}\n{reply}"));
        assert_eq!(journal.client.login(), None, "{response:?}");
    }
}

#[test]
fn login() {
    let (user, password) = (b64("tim"), b64("tanstaaftanstaaf"));
    let ask = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\n";
    let dialogue = format!("{ask}C: {user}\nS: 334 UGFzc3dvcmQ6\nC: {password}\n{OK}");
    assert_eq!(play(Mechanism::LOGIN, &dialogue).client.login(), Some("tim"));
    let dialogue = format!("C: AUTH LOGIN {user}\nS: 334 UGFzc3dvcmQ6\nC: {password}\n{OK}");
    assert_eq!(play(Mechanism::LOGIN, &dialogue).client.login(), Some("tim"));
    play(Mechanism::LOGIN, &format!("C: AUTH LOGIN {user}\nS: 334 UGFzc3dvcmQ6\nC: {user}\n{NO}"));
    play(Mechanism::LOGIN, &format!("C: AUTH LOGIN {user}\nS: 334 UGFzc3dvcmQ6\nC:\n{BAD}"));
    play(Mechanism::LOGIN, &format!("{ask}C:\n{BAD}"));
}

#[test]
fn cram_md5() {
    // The challenge depends on the nonce of the session, which is fixed here.
    let journal = host(Mechanism::CRAM_MD5).receive(b"EHLO a.example\r\nAUTH CRAM-MD5\r\n");
    let challenge = journal.output.lines().last().unwrap().strip_prefix("334 ").unwrap().to_owned();
    let octets = SaslResponse::from_base64(challenge.as_str()).unwrap().decode().unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.starts_with('<') && text.ends_with("@mx.example.org>") && text.len() == 49);
    let ask = format!("C: AUTH CRAM-MD5\nS: 334 {challenge}\n");
    for (response, reply) in [
        ("tim b913a602c7eda7a495b4e6e7334d3890", NO),
        ("tim b913a602c7eda7a495b4e6e7334d389", BAD),
        ("tim +913a602c7eda7a495b4e6e7334d3890", BAD),
        ("tim", BAD),
        ("", BAD),
    ] {
        let line = format!("{ask}C: {}\n{reply}", b64(response));
        assert_eq!(play(Mechanism::CRAM_MD5, &line).client.login(), None);
    }
    let early = "S: 501 5.7.0 This mechanism begins with a challenge";
    play(Mechanism::CRAM_MD5, &format!("C: AUTH CRAM-MD5 dGlt\n{early}"));
}

#[test]
fn no_two_challenges_are_the_same() {
    let twice = b"EHLO a.example\r\nAUTH CRAM-MD5\r\n*\r\nAUTH CRAM-MD5\r\n";
    let journal = host(Mechanism::CRAM_MD5).receive(twice);
    let challenges: Vec<_> =
        journal.output.lines().filter(|line| line.starts_with("334")).collect();
    assert_eq!(challenges.len(), 2);
    assert_ne!(challenges[0], challenges[1]);
}

#[test]
fn tokens() {
    let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
    let xoauth2 = |token: &str| b64(&format!("user=tim\u{1}auth=Bearer {token}\u{1}\u{1}"));
    let journal = play(Mechanism::XOAUTH2, &format!("C: AUTH XOAUTH2 {}\n{OK}", xoauth2(token)));
    assert_eq!(journal.client.login(), Some("tim"));
    let failed = b64(r#"{"status":"invalid_token","schemes":"bearer"}"#);
    for (given, reply) in [("wrong", NO), ("busy", "S: 454 4.7.0 The directory is down")] {
        for answer in ["", "AQ=="] {
            let lines = format!(
                "C: AUTH XOAUTH2 {}\nS: 334 {failed}\nC: {answer}\n{reply}\nC: NOOP\nS: 250 2.0.0 Ok",
                xoauth2(given)
            );
            assert_eq!(play(Mechanism::XOAUTH2, &lines).client.login(), None);
        }
    }
    let oauth = |header: &str, token: &str| {
        b64(&format!("{header}\u{1}host=mx\u{1}auth=Bearer {token}\u{1}\u{1}"))
    };
    for (header, token, login) in [
        ("n,a=tim@example.org,", token, Some("tim@example.org")),
        ("n,a=t=2Cim,", token, Some("t,im")),
        ("n,,", "named", Some("named@example.org")),
        ("y,,", "named", Some("named@example.org")),
    ] {
        let line = format!("C: AUTH OAUTHBEARER {}\n{OK}", oauth(header, token));
        assert_eq!(play(Mechanism::OAUTHBEARER, &line).client.login(), login, "{header}");
    }
    // Nobody says who that is.
    let refused = "S: 454 4.7.0 Authentication is not possible now";
    play(
        Mechanism::OAUTHBEARER,
        &format!("C: AUTH OAUTHBEARER {}\n{refused}", oauth("n,,", token)),
    );
    for response in [
        "",
        "n,,",
        "n,,\u{1}auth=Bearer a\u{1}",
        "n,,\u{1}auth=Basic a\u{1}\u{1}",
        "n,,\u{1}auth=Bearer \u{1}\u{1}",
        "n,b=c,\u{1}auth=Bearer a\u{1}\u{1}",
        "p=x,,\u{1}auth=Bearer a\u{1}\u{1}",
        "n,a==41,\u{1}auth=Bearer a\u{1}\u{1}",
    ] {
        let line = format!("C: AUTH OAUTHBEARER\nS: 334 \nC: {}\n{BAD}", b64(response));
        play(Mechanism::OAUTHBEARER, &line);
    }
}

#[test]
fn external_and_anonymous() {
    let tim = b64("tim");
    let journal = play(Mechanism::EXTERNAL, &format!("C: AUTH EXTERNAL {tim}\n{OK}"));
    assert_eq!(journal.client.login(), Some("tim"));
    let certificate = b64("by-certificate");
    let journal = play(Mechanism::EXTERNAL, &format!("C: AUTH EXTERNAL {certificate}\n{OK}"));
    assert_eq!(journal.client.login(), Some("CN=tim"));
    let refused = "S: 454 4.7.0 Authentication is not possible now";
    let journal = play(Mechanism::EXTERNAL, &format!("C: AUTH EXTERNAL =\n{refused}"));
    assert_eq!(journal.client.login(), None);
    let journal = play(Mechanism::ANONYMOUS, &format!("C: AUTH ANONYMOUS {}\n{OK}", b64("sirhc")));
    assert_eq!(journal.client.login(), Some("anonymous"));
}

#[test]
fn an_exchange_that_is_canceled_or_no_base64() {
    let journal = play(
        Mechanism::PLAIN,
        &format!(
            r"C: AUTH PLAIN
            S: 334 
            C: *
            S: 501 5.7.0 Authentication canceled
            C: AUTH PLAIN
            S: 334 
            C: not base64!
            {BASE64}
            C: AUTH PLAIN
            S: 334 
            C: QUJ
            {BASE64}
            C: AUTH PLAIN
            S: 334 
            C: QUJD QUJD
            {BASE64}
            C: AUTH PLAIN !
            S: 501 5.5.2 Bad SASL response: syntax error at octet 0
            C: AUTH PLAIN QUJ=
            {BASE64}
            C: AUTH PLAIN QQ==
            {BAD}
            C: AUTH
            S: 501 5.5.4 An argument is missing
            C: AUTH SCRAM-SHA-512
            S: 504 5.5.4 This mechanism is not offered
            C: AUTH LOGIN
            S: 504 5.5.4 This mechanism is not offered
            C: QUIT
            S: 221 2.0.0 Bye"
        ),
    );
    assert_eq!(journal.client.login(), None);
    assert_eq!(journal.closing, Some(Closing::Quit));
}

#[test]
fn authentication_has_its_place() {
    let right = b64("\0tim\0tanstaaftanstaaf");
    let settings = Settings::smtp("mx.example.org")
        .passwords_in_clear()
        .require_login()
        .auth([Mechanism::PLAIN]);
    Host::of(settings).decides(verifies).play(&format!(
        r"S: 220 mx.example.org ESMTP
        C: AUTH PLAIN {right}
        S: 503 5.5.1 EHLO or HELO first
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<>
        S: 530 5.7.0 Authentication required
        C: AUTH PLAIN {right}
        {OK}
        C: AUTH PLAIN {right}
        S: 503 5.5.1 Authenticated before
        C: MAIL FROM:<> AUTH=<>
        S: 250 2.1.0 Ok
        C: RSET
        S: 250 2.0.0 Ok
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok"
    ));
    play(
        Mechanism::PLAIN,
        &format!(
            "C: MAIL FROM:<>\nS: 250 2.1.0 Ok\nC: AUTH PLAIN {right}\n\
             S: 503 5.5.1 Not inside a mail transaction"
        ),
    );
}

#[test]
fn passwords_are_sent_inside_tls_only() {
    let right = b64("\0tim\0tanstaaftanstaaf");
    let settings = Settings::smtp("mx.example.org").starttls(StartTls::Offered).auth([
        Mechanism::PLAIN,
        Mechanism::CRAM_MD5,
        Mechanism::SCRAM_SHA_256_PLUS,
    ]);
    let mut host = Host::of(settings).decides(verifies);
    let journal = host.play(&format!(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: AUTH PLAIN {right}
        S: 538 5.7.11 Use TLS for this mechanism
        C: AUTH SCRAM-SHA-256-PLUS
        S: 538 5.7.11 Use TLS for this mechanism
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: EHLO client.example.org
        S: 250-*
        C: AUTH SCRAM-SHA-256-PLUS
        S: 504 5.5.4 This mechanism is not offered
        C: AUTH PLAIN {right}
        {OK}"
    ));
    assert_eq!(journal.client.protocol(false), "ESMTPSA");
    let offers: Vec<_> = journal.output.lines().filter(|line| line.contains("AUTH")).collect();
    assert!(offers[0].ends_with("AUTH CRAM-MD5"), "{offers:?}");
    assert!(journal.output.contains("AUTH PLAIN CRAM-MD5\n"));
    host.tls.exporter = Some([1; 32]);
    let journal = host.play("C: EHLO a.example\nC: STARTTLS\nT:\nC: EHLO a.example");
    assert!(journal.output.contains("AUTH PLAIN CRAM-MD5 SCRAM-SHA-256-PLUS\n"));
}

#[test]
fn a_login_does_not_outlive_the_handshake() {
    let right = b64("\0tim\0tanstaaftanstaaf");
    let settings = Settings::smtp("mx.example.org")
        .starttls(StartTls::Offered)
        .passwords_in_clear()
        .require_login()
        .auth([Mechanism::PLAIN]);
    let journal = Host::of(settings).decides(verifies).play(&format!(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: AUTH PLAIN {right}
        {OK}
        C: STARTTLS
        S: 220 2.0.0 Ready to start TLS
        T:
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<>
        S: 530 5.7.0 Authentication required"
    ));
    assert_eq!(journal.client.login(), None);
}

#[test]
fn failed_logins_are_counted() {
    let wrong = format!("AUTH PLAIN {}\r\n", b64("\0tim\0wrong"));
    let octets = format!("EHLO a.example\r\n{}", wrong.repeat(10));
    let journal = host(Mechanism::PLAIN).receive(octets.as_bytes());
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
    assert_eq!(journal.output.matches("535").count(), 3);
    assert!(journal.output.ends_with("421 4.7.0 Too many failed logins\n"));
}

#[test]
fn what_is_not_decided_is_no_login() {
    let mut host = host(Mechanism::PLAIN);
    host.policy = |_| Answer::Nothing;
    let right = b64("\0tim\0tanstaaftanstaaf");
    let journal =
        host.receive(format!("EHLO a.example\r\nAUTH PLAIN {right}\r\nNOOP\r\n").as_bytes());
    assert_eq!(journal.client.login(), None);
    assert!(journal.output.contains("\n454 4.7.0 Authentication is not possible now\n"));
}

#[test]
fn a_long_line_ends_an_exchange() {
    let long = format!("EHLO a.example\r\nAUTH PLAIN\r\n{}\r\nNOOP\r\n", "QUJD".repeat(4000));
    let journal = host(Mechanism::PLAIN).receive(long.as_bytes());
    assert!(journal.output.ends_with("334 \n500 5.5.6 Line too long\n250 2.0.0 Ok\n"));
    let longest = format!("EHLO a.example\r\nAUTH PLAIN\r\n{}\r\n", "QUJD".repeat(3071));
    let journal = host(Mechanism::PLAIN).receive(longest.as_bytes());
    assert!(journal.output.ends_with("501 5.5.2 The response does not fit the mechanism\n"));
}

#[test]
fn exchanges_without_end_end_the_session() {
    let play = |mechanism, exchange: &str| {
        let octets = format!("EHLO a.example\r\n{}", exchange.repeat(1000));
        host(mechanism).receive_once(octets.as_bytes())
    };
    let journal = play(Mechanism::LOGIN, "AUTH LOGIN\r\n*\r\n");
    assert_eq!(journal.closing, Some(Closing::TooManyCommands));
    assert!(journal.output.len() < 20_000);
    for exchange in ["AUTH LOGIN\r\n!\r\n", "AUTH PLAIN !\r\n", "AUTH X\r\n", "AUTH LOGIN\r\n=\r\n"]
    {
        let journal = play(Mechanism::LOGIN, exchange);
        assert_eq!(journal.closing, Some(Closing::TooManyErrors), "{exchange}");
    }
    let wrong = format!("AUTH PLAIN {}\r\n", b64("\0tim\0wrong"));
    let journal = play(Mechanism::PLAIN, &wrong);
    assert_eq!(journal.closing, Some(Closing::TooManyErrors));
    assert_eq!(journal.output.matches("535").count(), 3);
}
