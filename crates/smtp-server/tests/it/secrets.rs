//! No `Debug` shows what is secret.
use smtp_codec::{Mechanism, SaslResponse};
use smtp_server::{Client, Event, ServerSession, Settings, TlsFacts};

use crate::host::Host;

#[test]
fn a_session_shows_no_password_at_any_octet() {
    let settings = Settings::smtp("mx.example.org")
        .passwords_in_clear()
        .secret(*b"the-secret-of-the-settings-12345")
        .auth([Mechanism::PLAIN, Mechanism::LOGIN, Mechanism::XOAUTH2]);
    let host = Host::of(settings);
    let encoded = |text: &str| SaslResponse::new(text).into_base64();
    let secrets = ["open-sesame", "abracadabra"];
    let password = encoded("\0tim\0open-sesame");
    let token = encoded("user=tim\u{1}auth=Bearer abracadabra\u{1}\u{1}");
    let octets = format!(
        "EHLO a.example\r\nAUTH PLAIN {password}\r\nAUTH LOGIN\r\n{}\r\n{}\r\nAUTH XOAUTH2 {token}\r\n",
        encoded("tim"),
        encoded("open-sesame"),
    );
    let mut session = ServerSession::new(
        host.settings.clone(),
        Client::new(),
        *b"nonce-nonce-nonce-nonce-nonce-no",
    );
    let mut seen = 0;
    let lists = [b"the-secret-of-the-settings-12345", b"nonce-nonce-nonce-nonce-nonce-no"];
    let mut hidden: Vec<String> = lists.iter().map(|octets| format!("{octets:?}")).collect();
    hidden.extend(secrets.map(str::to_owned));
    hidden.extend([password[..20].to_owned(), token[..20].to_owned()]);
    for octet in octets.as_bytes().chunks(1) {
        let mut input = octet;
        loop {
            let event = session.next(&mut input);
            let shown = format!("{event:?}");
            seen +=
                usize::from(shown.starts_with("Auth(Password") || shown.starts_with("Auth(Token"));
            let is_read = matches!(event, Event::Read);
            let all = format!("{shown} {session:?} {:?}", host.settings);
            let found = hidden.iter().find(|secret| all.contains(secret.as_str()));
            assert_eq!(found, None, "{all}");
            if is_read {
                break;
            }
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn what_is_sent_is_not_shown() {
    let mut facts = TlsFacts::default();
    facts.exporter = Some([171; 32]);
    facts.client_certificate = Some(vec![171; 4]);
    assert!(!format!("{facts:?}").contains("171"));
    assert_eq!(format!("{:?}", Event::Content(b"private")), "Content(7)");
    let other = Event::Other { verb: "XPASS", arguments: "private" };
    assert_eq!(format!("{other:?}"), r#"Other { verb: "XPASS", .. }"#);
}
