//! Both ways: no secret is shown that a server repeats, and no word of its own is hidden.
use smtp_codec::SaslResponse;

use super::*;

const USER: &str = "tim@example.org";

/// The redaction over PLAIN and LOGIN with this password.
fn redaction(password: &str) -> Redaction {
    let mut redaction = Redaction::default();
    redaction.hide_secret(password.as_bytes());
    for response in [format!("\0{USER}\0{password}"), USER.into(), password.into()] {
        redaction.hide_response(response.as_bytes(), base64(&response).as_bytes(), false);
    }
    redaction
}

fn base64(text: &str) -> String {
    SaslResponse::new(text).into_base64()
}

/// The text of a reply as it is shown.
fn redact(redaction: &Redaction, text: &str) -> String {
    let reply = Reply::new(ReplyCode::CREDENTIALS_INVALID, text);
    String::from_utf8(redaction.redact(reply).as_bytes().to_vec()).unwrap()
}

/// What servers and providers answer to a login that fails, without what they add of it.
const REPLIES: &[&str] = &[
    "these credentials are wrong",
    "wrong",
    "5.7.8 Error: authentication failed: authentication failure",
    "5.7.8 Error: authentication failed: generic failure",
    "5.7.8 Error: authentication failed:",
    "5.7.0 Error: authentication failed",
    "5.7.8 Authentication credentials invalid",
    "5.7.8 Username and Password not accepted. For more information, go to\n5.7.8  \
     https://support.google.com/mail/?p=x d2e1a72 - gsmtp",
    "5.7.9 Application-specific password required. Learn more at\n5.7.9  \
     https://support.google.com/mail/?p=x",
    "5.7.14 Please log in via your web browser and then try again.\n5.7.14 Learn more at",
    "5.7.3 Authentication unsuccessful",
    "5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
    "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. \
     Visit https://aka.ms/x for more information.",
    "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults \
     policy. Contact your administrator.",
    "5.7.0 (#AUTH005) Too many bad auth attempts.",
    "Incorrect authentication data",
    "Authentication Credentials Invalid",
    "4.7.0 Temporary authentication failure",
    "4.7.0 Too many login attempts, please try again later.",
    "4.7.12 A password transition is needed",
    "5.7.0 Must issue a STARTTLS command first",
    "5.7.1 Client was not authenticated to send anonymous mail",
    "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/x",
    "5.5.4 Unrecognized authentication type",
    "5.5.6 Authentication Exchange line is too long",
    "5.7.13 User account disabled",
    "5.7.1 Your account has been temporarily suspended due to suspicious activity",
    "Login failed (check your username/password, or unlock the account)",
    "user can't log in: the mailbox isn't active",
    "\"Incorrect authentication data\"",
    "not authorized; access denied",
    "tim@example.org: wrong password",
    "user tim@example.org failed to log in",
    "<tim@example.org> authentication failed, account disabled",
];

#[test]
fn no_word_of_the_server_is_hidden() {
    for reply in REPLIES {
        let own = reply.replace(USER, "");
        for word in own.split(|character: char| !character.is_ascii_alphabetic()) {
            // Names of products, and what is no word.
            if word.len() < 2 || ["SmtpClientAuthentication"].contains(&word) {
                continue;
            }
            // In a place of its own it may be an echo.
            if *reply == REPLIES[1] && word != "wrong" {
                continue;
            }
            for password in [word.to_owned(), word.to_ascii_lowercase(), word.to_ascii_uppercase()]
            {
                assert_eq!(redact(&redaction(&password), reply), *reply, "{password}");
            }
        }
    }
}

/// Where servers put what they were sent: `{}`.
const ECHOES: &[&str] = &[
    "bad password \"{}\"",
    "bad password '{}'",
    "bad password `{}'",
    "bad password <{}>",
    "bad password [{}]",
    "bad password ({})",
    "password={}",
    "user=tim@example.org pass={} ip=192.0.2.1",
    "bad password: {}",
    "bad password: {}.",
    "5.7.8 password:{}",
    "5.7.8 command unrecognized: {}\nsee below",
    "user tim@example.org:{}",
    "command unrecognized: tim@example.org {}",
    "command unrecognized: \"tim@example.org {}\"",
    "user tim@example.org/{}",
    "TIM@EXAMPLE.ORG, {}",
    "unrecognized: tim@example.org{}",
    "unrecognized: \0tim@example.org\0{}",
    "unrecognized: ?tim@example.org?{}",
    "unrecognized: \\0tim@example.org\\0{}",
    "unrecognized: \\u0000tim@example.org\\u0000{}",
    "unrecognized: %00tim@example.org%00{}",
    "unrecognized: \u{2400}tim@example.org\u{2400}{}",
    "\x01auth=Bearer {}",
    "{\"user\":\"tim@example.org\",\"pass\":\"{}\"}",
    "<pass>{}</pass>\"{}\"",
];

#[test]
fn no_secret_that_is_repeated_is_shown() {
    let passwords = [
        "tanstaaftanstaaf",
        "hunter2",
        "dragon",
        "wrong",
        "password",
        "Incorrect",
        "password123",
        "correct horse battery",
        "these credentials",
        "p4ss",
        "x7",
        "no",
        "caf\u{e9} cr\u{e8}me",
        "\"quoted\" \\ and = more",
        "tim@example.org",
    ];
    for password in passwords {
        let redaction = redaction(password);
        for echo in ECHOES {
            let text = echo.replace("{}", password);
            // What the text has apart from the secret is not to be found in it.
            let shown = redact(&redaction, &text);
            let expected = echo.matches("{}").count();
            let left = echo.to_ascii_lowercase().matches(&password.to_ascii_lowercase()).count();
            let found = shown.to_ascii_lowercase().matches(&password.to_ascii_lowercase()).count();
            assert!(expected > 0 && found <= left && shown.contains("***"), "{password}: {shown}");
        }
        for sent in [format!("\0{USER}\0{password}"), password.to_owned(), USER.to_owned()] {
            let line = base64(&sent);
            for text in [
                format!("unrecognized: \"AUTH PLAIN {line}\""),
                format!("unrecognized: {}", line.trim_end_matches('=')),
                format!("{line} {password} is no command"),
                format!("5.5.1 {}", line.to_ascii_uppercase()),
                sent,
            ] {
                let shown = redact(&redaction, &text);
                let line = line.trim_end_matches('=').to_ascii_lowercase();
                if line.len() >= PREFIX || text.contains(&line) {
                    assert!(!shown.to_ascii_lowercase().contains(&line), "{password}: {shown}");
                }
            }
        }
    }
}

#[test]
fn an_echo_that_is_cut_off_shows_no_more_than_its_beginning() {
    let token = "ya29.vF9dft4qmTc2Nvb3Rlbg";
    let mut redaction = Redaction::default();
    redaction.hide_secret(token.as_bytes());
    let response = format!("user={USER}\x01auth=Bearer {token}\x01\x01");
    let line = base64(&response);
    redaction.hide_response(response.as_bytes(), line.as_bytes(), false);
    for sent in [token, &line] {
        for length in PREFIX..=sent.len() {
            let text = format!("unrecognized: {} and more", &sent[..length]);
            assert_eq!(redact(&redaction, &text), "unrecognized: *** and more");
        }
        for length in SHORTEST..=sent.len() {
            let octets = format!("500 5.5.1 unrecognized: {}", &sent[..length]);
            assert_eq!(redaction.redact_octets(octets.as_bytes()), b"500 5.5.1 unrecognized: ***");
        }
    }
}

#[test]
fn the_status_of_a_reply_is_never_hidden() {
    for password in ["5.7.8", "535", "535 5.7.8 no", "5.7.8 no"] {
        let shown = redact(&redaction(password), "5.7.8 no such user\n5.7.8 5.7.8");
        assert!(shown.starts_with("5.7.8 ") && shown.contains("\n5.7.8 "), "{password}: {shown}");
        let shown = redaction(password).redact_octets(b"535 5.7.8 no");
        assert!(shown.starts_with(b"535"), "{}", shown.escape_ascii());
    }
}

#[test]
fn what_hides_a_secret_is_not_shown_either() {
    let mut redaction = Redaction::default();
    redaction.hide_secret(b"pencil");
    for response in [
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfux,p=dHzbZapWIk4jUhN+Ute9ytag9zjfM=",
        "postmaster b913a602c7eda7a495b4e6e7334d3890",
    ] {
        redaction.hide_response(response.as_bytes(), base64(response).as_bytes(), true);
        let fields = response.split([',', ' ']).skip(1).filter(|field| field.len() >= PREFIX);
        for field in fields.chain([response]) {
            assert_eq!(redact(&redaction, &format!("what? {field}")), "what? ***");
        }
    }
    assert_eq!(redact(&redaction, "the postmaster knows"), "the postmaster knows");
}

#[test]
fn no_challenge_is_shown_though_it_is_cut() {
    let shown = |octets: &str| {
        String::from_utf8(redaction("hunter2").redact_octets(octets.as_bytes())).unwrap()
    };
    assert_eq!(shown("334 PDE4OTYuNjk3"), "334 ***");
    assert_eq!(shown("334-PDE4OTYu\r\n334 PDE"), "334 ***\r\n334 ***");
    assert_eq!(shown("334PDE4OTYu"), "334 ***");
    assert_eq!(shown("334"), "334");
    assert_eq!(shown("334 PDE4\r\nNjk3MTcwOTUy\r\n"), "334 ***\r\n***\r\n");
    assert_eq!(shown("+ PDE4OTYuNjk3"), "***");
    assert_eq!(shown("ERROR: internal"), "ERROR: internal");
    assert_eq!(shown("535 5.7.8 no"), "535 5.7.8 no");
    // A challenge is one without an exchange, too.
    assert_eq!(Redaction::default().redact_octets(b"334 PDE4"), b"334 ***");
}
