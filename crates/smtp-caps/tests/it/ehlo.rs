//! Replies to EHLO and LHLO as servers in use send them.

use smtp_caps::Capabilities;
use smtp_codec::{Deviations, ReplyDecoder, ReplyLimits};
use smtp_error::Extension;

use crate::words;

/// What a reply is expected to offer.
#[derive(Default)]
struct Offer {
    /// The known keywords.
    known: &'static str,
    /// The other keywords.
    unknown: &'static str,
    size: Option<u64>,
    mechanisms: &'static str,
    /// The increments of the MAIL and RCPT lines beyond 512 octets.
    increments: (usize, usize),
    deviations: Deviations,
}

#[track_caller]
fn check(file: &str, offer: &Offer) {
    let wire = file.replace('\n', "\r\n");
    let mut decoder = ReplyDecoder::new(ReplyLimits::default(), Deviations::all());
    let decoded = decoder.decode(&mut wire.as_bytes()).unwrap().unwrap();
    assert_eq!(decoded.deviations, offer.deviations);
    let capabilities = Capabilities::from_reply(decoded.reply);

    let kept: Vec<&[u8]> = capabilities.iter().map(|one| one.as_bytes()).collect();
    let sent: Vec<&[u8]> = file.lines().skip(1).map(|line| &line.as_bytes()[4..]).collect();
    assert_eq!(kept, sent, "every line is kept as received");

    let known = capabilities.iter().filter(|one| one.extension().is_some());
    assert_eq!(words(known.map(|one| one.keyword())), offer.known);
    let unknown = capabilities.iter().filter(|one| one.extension().is_none());
    assert_eq!(words(unknown.map(|one| one.keyword())), offer.unknown);
    for &extension in Extension::ALL {
        let offered = offer.known.split(' ').any(|known| known == extension.keyword());
        assert_eq!(capabilities.has(extension), offered, "{extension}");
    }

    assert_eq!(capabilities.size_limit(), offer.size);
    assert_eq!(words(capabilities.mechanisms()), offer.mechanisms);
    let limits = (capabilities.mail_line_limit(), capabilities.rcpt_line_limit());
    assert_eq!(limits, (512 + offer.increments.0, 512 + offer.increments.1));
}

#[test]
fn postfix() {
    check(
        include_str!("../ehlo/postfix.txt"),
        &Offer {
            known: "PIPELINING SIZE VRFY ETRN STARTTLS AUTH XCLIENT XFORWARD ENHANCEDSTATUSCODES \
                    8BITMIME DSN SMTPUTF8 CHUNKING",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            increments: (26 + 500 + 107 + 10, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn postfix_with_auth_in_both_forms() {
    check(
        include_str!("../ehlo/postfix-poor.txt"),
        &Offer {
            known: "SIZE VRFY AUTH AUTH XCLIENT XFORWARD",
            size: Some(10_240),
            mechanisms: "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            increments: (26 + 500, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn exim() {
    check(
        include_str!("../ehlo/exim.txt"),
        &Offer {
            known: "SIZE LIMITS 8BITMIME DSN ETRN VRFY EXPN PIPELINING PIPECONNECT AUTH CHUNKING \
                    STARTTLS PRDR SMTPUTF8 HELP",
            unknown: "WELLKNOWN",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5",
            increments: (26 + 500 + 107 + 10, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn opensmtpd() {
    check(
        include_str!("../ehlo/opensmtpd.txt"),
        &Offer {
            known: "8BITMIME ENHANCEDSTATUSCODES SIZE DSN STARTTLS HELP",
            size: Some(52_428_800),
            increments: (26 + 107, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn sendmail() {
    check(
        include_str!("../ehlo/sendmail.txt"),
        &Offer {
            known: "ENHANCEDSTATUSCODES PIPELINING EXPN VERB 8BITMIME SIZE DSN ETRN AUTH STARTTLS \
                    DELIVERBY HELP",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            increments: (26 + 107 + 500 + 17, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn dovecot_for_submission() {
    check(
        include_str!("../ehlo/dovecot-submission.txt"),
        &Offer {
            known: "8BITMIME AUTH SMTPUTF8 BURL CHUNKING ENHANCEDSTATUSCODES SIZE STARTTLS \
                    PIPELINING",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 OAUTHBEARER \
                         XOAUTH2 EXTERNAL",
            increments: (500 + 10 + 26, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn dovecot_after_authentication() {
    check(
        include_str!("../ehlo/dovecot-after-auth.txt"),
        &Offer {
            known: "8BITMIME AUTH SMTPUTF8 BURL CHUNKING DSN ENHANCEDSTATUSCODES SIZE VRFY \
                    PIPELINING",
            size: Some(52_427_776),
            increments: (500 + 10 + 107 + 26, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn dovecot_for_lmtp() {
    check(
        include_str!("../ehlo/dovecot-lmtp.txt"),
        &Offer {
            known: "8BITMIME CHUNKING ENHANCEDSTATUSCODES PIPELINING SIZE SMTPUTF8 STARTTLS",
            increments: (26 + 10, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn aiosmtpd() {
    check(
        include_str!("../ehlo/aiosmtpd.txt"),
        &Offer {
            known: "SIZE 8BITMIME SMTPUTF8 STARTTLS HELP",
            size: Some(52_428_800),
            increments: (26 + 10, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn haraka() {
    check(
        include_str!("../ehlo/haraka.txt"),
        &Offer {
            known: "PIPELINING 8BITMIME SMTPUTF8 SIZE STARTTLS AUTH",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5",
            increments: (10 + 26 + 500, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn smtp_server() {
    check(
        include_str!("../ehlo/smtp-server.txt"),
        &Offer {
            known: "PIPELINING 8BITMIME SMTPUTF8 AUTH STARTTLS SIZE XCLIENT XFORWARD",
            size: Some(52_428_800),
            mechanisms: "PLAIN LOGIN CRAM-MD5 XOAUTH2",
            increments: (10 + 500 + 26, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn smtp_sink_whose_last_line_is_empty() {
    check(
        include_str!("../ehlo/smtp-sink.txt"),
        &Offer {
            known: "PIPELINING 8BITMIME AUTH XCLIENT XFORWARD ENHANCEDSTATUSCODES DSN",
            mechanisms: "PLAIN LOGIN",
            increments: (500 + 107, 507),
            deviations: Deviations::EMPTY_TEXT,
            ..Offer::default()
        },
    );
}

#[test]
fn a_server_like_exchange() {
    check(
        include_str!("../ehlo/exchange-like.txt"),
        &Offer {
            known: "SIZE PIPELINING DSN ENHANCEDSTATUSCODES STARTTLS X-ANONYMOUSTLS AUTH X-EXPS \
                    8BITMIME BINARYMIME CHUNKING XEXCH50 SMTPUTF8",
            unknown: "XRDST",
            size: Some(37_748_736),
            mechanisms: "NTLM",
            increments: (26 + 107 + 500 + 16 + 10, 507),
            ..Offer::default()
        },
    );
}

#[test]
fn a_server_like_gmail() {
    check(
        include_str!("../ehlo/gmail-like.txt"),
        &Offer {
            known: "SIZE 8BITMIME AUTH ENHANCEDSTATUSCODES PIPELINING CHUNKING SMTPUTF8",
            size: Some(35_882_577),
            mechanisms: "LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH",
            increments: (26 + 500 + 10, 0),
            ..Offer::default()
        },
    );
}

#[test]
fn a_server_that_supports_helo_only() {
    check(include_str!("../ehlo/helo-only.txt"), &Offer::default());
}
