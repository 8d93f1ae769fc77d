//! The examples of the specifications, octet for octet.
use smtp_client::{
    sasl::{Credentials, Login, Mechanism, Nonce},
    session::Session,
};
use smtp_codec::SaslResponse;

use super::{confined, drive, exchange, exposed, in_clear, login};
use crate::stage::play_on;

/// Plays an example of SCRAM, whose nonce is given.
#[track_caller]
fn check_scram(session: &mut Session, nonce: &str, mechanism: &str, messages: [&str; 4]) {
    let octets = SaslResponse::from_base64(nonce).unwrap().decode().unwrap();
    let login = Login::new(Credentials::password("user", "pencil").unwrap());
    let auth = login.auth(session, Nonce::new(octets)).unwrap();
    let [client_first, server_first, client_final, server_final] = messages.map(base64);
    let mut answers = [
        format!("334 {server_first}\r\n"),
        format!("334 {server_final}\r\n"),
        "235 2.7.0 Authentication successful\r\n".to_owned(),
    ]
    .into_iter();
    let (outcome, said) = drive(session, auth, |_| answers.next().unwrap());
    outcome.unwrap();
    assert_eq!(said, [format!("AUTH {mechanism} {client_first}"), client_final, String::new()]);
    assert_eq!(session.authenticated_by(), Some(mechanism));
}

fn base64(text: &str) -> String {
    SaslResponse::new(text).into_base64()
}

#[test]
fn scram_sha_1_as_in_rfc_5802() {
    check_scram(
        &mut exposed(&["AUTH SCRAM-SHA-1 PLAIN"]),
        "fyko+d2lbbFgONRv9qkxdawL",
        "SCRAM-SHA-1",
        [
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,\
             p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ],
    );
}

#[test]
fn scram_sha_256_as_in_rfc_7677() {
    check_scram(
        &mut exposed(&["AUTH SCRAM-SHA-1 SCRAM-SHA-256"]),
        "rOprNGfwEbeRWgbNEkqO",
        "SCRAM-SHA-256",
        [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    );
}

#[test]
fn cram_md5_as_in_rfc_2195() {
    let rest = "
        C: AUTH CRAM-MD5
        S: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
        C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
        S: 235 2.7.0 Authentication successful
        C: QUIT
        S: 221 2.0.0 Bye
    ";
    play_on(&["AUTH CRAM-MD5 PLAIN"], rest, async |mut connection| {
        connection.login(&login()).await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("CRAM-MD5"));
        connection.quit().await.unwrap();
    });
}

#[test]
fn plain_as_in_rfc_4954() {
    let rest = "
        C: AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=
        S: 235 2.7.0 Authentication successful
    ";
    play_on(&["AUTH PLAIN"], rest, async |mut connection| {
        let credentials = Credentials::password("test", "1234").unwrap().act_as("test").unwrap();
        let login = Login::new(credentials).clear_text(smtp_client::sasl::ClearText::Allowed);
        connection.login(&login).await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("PLAIN"));
    });
}

#[test]
fn login_as_servers_ask_for_it() {
    let rest = "
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: dGlt
        S: 334 UGFzc3dvcmQ6
        C: dGFuc3RhYWZ0YW5zdGFhZg==
        S: 235 go ahead
    ";
    play_on(&["AUTH LOGIN"], rest, async |mut connection| {
        connection.login(&in_clear()).await.unwrap();
        assert_eq!(connection.authenticated_by(), Some("LOGIN"));
    });
}

#[test]
fn oauthbearer_as_in_rfc_7628() {
    let bearer =
        Credentials::bearer("user@example.com", "vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==");
    let sent = "AUTH OAUTHBEARER bixhPXVzZXJAZXhhbXBsZS5jb20sAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52Y\
                jNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    let mut session = confined(&["AUTH OAUTHBEARER SCRAM-SHA-1"]);
    let login = Login::new(bearer.unwrap());
    exchange(&mut session, &login, &[(sent, "235 2.7.0 Accepted")]).unwrap();
    assert_eq!(session.authenticated_by(), Some(Mechanism::OAUTHBEARER.as_str()));
}

#[test]
fn xoauth2_as_its_providers_have_it() {
    let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg==";
    let sent = "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxb\
                VRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    let mut session = confined(&["AUTH LOGIN PLAIN XOAUTH2"]);
    let login = Login::new(Credentials::bearer("someuser@example.com", token).unwrap());
    exchange(&mut session, &login, &[(sent, "235 2.7.0 Accepted")]).unwrap();
}
