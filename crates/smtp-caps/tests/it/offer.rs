//! Offers: legal replies, and the same capabilities when read back.

use smtp_caps::{
    Capabilities, Channel, EightBit, Envelope, FutureRelease, Limit, Limits, Objection, Offer,
    Plan, PriorityProfile,
};
use smtp_codec::{Body, ByMode, Mail, MailData, MailParam, ReplyDecoder, Xtext, encode_reply};
use smtp_error::{Bound, Extension, Field, Flaw, Invalid, Unsupported};

fn offer() -> Offer {
    Offer::new("mx.example.org").unwrap()
}

/// Checks the lines of the encoded reply, that a strict decoder accepts it, and that it has no
/// oddities.
#[track_caller]
fn check(offer: &Offer, lines: &[&str]) -> Capabilities {
    let mut wire = Vec::new();
    encode_reply(&offer.reply(), &mut wire);
    let sent = String::from_utf8(wire.clone()).unwrap();
    let texts: Vec<&str> = sent.lines().map(|line| &line[4..]).collect();
    assert_eq!(texts, lines);
    assert!(sent.lines().all(|line| line.len() + 2 <= 512));
    let decoded = ReplyDecoder::default().decode(&mut wire.as_slice()).unwrap().unwrap();
    assert!(decoded.deviations.is_empty());
    let capabilities = Capabilities::from_reply(decoded.reply);
    assert_eq!(capabilities, Capabilities::from_reply(offer.reply()));
    let odd = capabilities.oddities().map(|oddity| oddity.to_string());
    assert_eq!(odd.collect::<Vec<_>>(), [""; 0]);
    capabilities
}

#[test]
fn a_server_may_offer_nothing() {
    assert_eq!(check(&offer(), &["mx.example.org"]), Capabilities::from_reply(offer().reply()));
    let greeted = offer().greeting("at your service").unwrap();
    check(&greeted, &["mx.example.org at your service"]);
    check(&Offer::new("[192.0.2.1]").unwrap(), &["[192.0.2.1]"]);
}

#[test]
fn an_offer_is_read_back_unchanged() {
    let limits = Limits::default().set(Limit::Rcpt, 100).unwrap().set(Limit::Mail, 5).unwrap();
    let release = FutureRelease::new(86_400, "2030-01-01T00:00:00Z").unwrap();
    let offer = offer()
        .extensions([Extension::Pipelining, Extension::EightBitMime, Extension::SmtpUtf8])
        .and_then(|offer| offer.size(52_428_800).auth(["PLAIN", "SCRAM-SHA-256"]))
        .and_then(|offer| offer.limits(limits).deliver_by(240))
        .and_then(|offer| offer.burl(["imap", "imap://imap.example.org"]))
        .and_then(|offer| offer.no_soliciting(["org.example:ADV", "net.example:ADV"]))
        .and_then(|offer| offer.xclient(["NAME", "ADDR"]))
        .and_then(|offer| offer.xforward(["HELO", "SOURCE"]))
        .and_then(|offer| offer.line("X-LOCAL a b"))
        .unwrap()
        .mt_priority(PriorityProfile::MIXER)
        .future_release(release);
    let found = check(
        &offer,
        &[
            "mx.example.org",
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            "SIZE 52428800",
            "AUTH PLAIN SCRAM-SHA-256",
            "LIMITS MAILMAX=5 RCPTMAX=100",
            "DELIVERBY 240",
            "BURL imap imap://imap.example.org",
            "NO-SOLICITING org.example:ADV,net.example:ADV",
            "XCLIENT NAME ADDR",
            "XFORWARD HELO SOURCE",
            "X-LOCAL a b",
            "MT-PRIORITY MIXER",
            "FUTURERELEASE 86400 2030-01-01T00:00:00Z",
        ],
    );
    assert_eq!(found.size_limit(), Some(52_428_800));
    assert_eq!(found.mechanisms().collect::<Vec<_>>(), [&b"PLAIN"[..], b"SCRAM-SHA-256"]);
    assert_eq!(found.limits(), limits);
    assert_eq!(found.deliver_by_min(), Some(240));
    assert!(found.burl().unwrap().accepts_any_imap());
    assert_eq!(found.burl().unwrap().servers().collect::<Vec<_>>(), ["imap://imap.example.org"]);
    assert_eq!(found.refused_solicitations().count(), 2);
    assert_eq!(found.xclient_attributes().collect::<Vec<_>>(), ["NAME", "ADDR"]);
    assert_eq!(found.xforward_attributes().collect::<Vec<_>>(), ["HELO", "SOURCE"]);
    assert_eq!(found.priority_profile(), Some(PriorityProfile::MIXER));
    assert_eq!(found.future_release(), Some(release));
    assert_eq!(found.find("x-local").unwrap().params().count(), 2);
}

#[test]
fn every_extension_can_be_offered_but_one_needs_parameters() {
    for &extension in Extension::ALL {
        let plain = offer().extensions([extension]);
        if extension == Extension::FutureRelease {
            let flaw = Flaw::Syntax { offset: extension.keyword().len() };
            assert_eq!(plain, Err(Invalid::new(Field::Capability, flaw)));
            continue;
        }
        let found = Capabilities::from_reply(plain.unwrap().reply()).with_channel(Channel::TLS);
        for &other in Extension::ALL {
            assert_eq!(found.has(other), other == extension, "{other} in {extension}");
        }
    }
}

#[test]
fn a_line_replaces_the_one_with_the_same_keyword() {
    let offer = offer().size(1).extensions([Extension::Help, Extension::Auth]).unwrap();
    let again = offer.size(2).auth(["PLAIN"]).unwrap().line("help").unwrap();
    check(&again, &["mx.example.org", "SIZE 2", "help", "AUTH PLAIN"]);
    let less = again.without(Extension::Help).without(Extension::StartTls);
    check(&less, &["mx.example.org", "SIZE 2", "AUTH PLAIN"]);
    check(&less.size(0), &["mx.example.org", "SIZE 0", "AUTH PLAIN"]);
}

#[test]
fn illegal_names_and_greetings_are_refused() {
    for host in ["", " ", "mx example", "mx\r\n250 SIZE", "\u{e9}.example", "[1.2.3]", "-"] {
        assert!(Offer::new(host).is_err(), "{host:?}");
    }
    for text in ["\n", "a\r\nb", "\0", "\u{e9}", "\t", "\u{7f}"] {
        assert!(offer().greeting(text).is_err(), "{text:?}");
    }
    let room = 512 - 4 - 2 - "mx.example.org ".len();
    let greeted = offer().greeting(&"x".repeat(room)).unwrap();
    check(&greeted, &[&format!("mx.example.org {}", "x".repeat(room))]);
    assert!(offer().greeting(&"x".repeat(room + 1)).is_err());
}

#[test]
fn illegal_lines_are_refused() {
    let syntax = |offset| Flaw::Syntax { offset };
    for (line, flaw) in [
        ("", Flaw::Empty),
        (" ", syntax(0)),
        ("X_Y", syntax(0)),
        ("-X", syntax(0)),
        ("AUTH=PLAIN", syntax(0)),
        ("X ", syntax(1)),
        ("X  a", syntax(1)),
        ("X a ", syntax(1)),
        ("SIZE x", syntax(4)),
        ("STARTTLS REQUIRED", syntax(8)),
        ("FUTURERELEASE 5", syntax(13)),
        ("LIMITS RCPTMAX=0", syntax(6)),
        ("X\ta", Flaw::Control { character: '\t', offset: 1 }),
        ("X a\r\nSTARTTLS", Flaw::Control { character: '\r', offset: 3 }),
        ("X a\nSTARTTLS", Flaw::Control { character: '\n', offset: 3 }),
        ("X \0", Flaw::Control { character: '\0', offset: 2 }),
        ("X \u{e9}", Flaw::NonAscii { offset: 2 }),
    ] {
        let refused = Invalid::new(Field::Capability, flaw);
        assert_eq!(offer().line(line), Err(refused), "{line:?}");
        assert_eq!(Capabilities::none().with_line(line), Err(refused), "{line:?}");
    }
    let long = format!("X {}", "y".repeat(504));
    check(&offer().line(&long).unwrap(), &["mx.example.org", &long]);
    let flaw = Flaw::TooLong { length: 507, limit: 506 };
    let refused = Err(Invalid::new(Field::Capability, flaw));
    assert_eq!(offer().line(&(long + "y")), refused);
}

#[test]
fn illegal_parameters_are_refused() {
    for word in ["", " ", "A B", "A,B", "A\r\nB", "A=B", "\u{e9}", "A\tB"] {
        assert!(offer().auth([word]).is_err(), "{word:?}");
        assert!(offer().burl([word]).is_err(), "{word:?}");
        assert!(offer().xclient(["NAME", word]).is_err(), "{word:?}");
        assert!(offer().xforward([word, "NAME"]).is_err(), "{word:?}");
    }
    for class in ["", " ", "1st", "a b", "a\r\nb", "\u{e9}"] {
        assert!(offer().no_soliciting(["x", class]).is_err(), "{class:?}");
    }
    assert!(offer().deliver_by(1_000_000_000).is_err());
    assert!(offer().auth(["SCRAM-SHA-256-PLUS"; 30]).is_err());
    check(&offer().auth([""; 0]).unwrap(), &["mx.example.org", "AUTH"]);
    check(&offer().no_soliciting([""; 0]).unwrap(), &["mx.example.org", "NO-SOLICITING"]);
}

/// Plans a message to this number of recipients, for a server that offers this inside TLS.
fn plan(offer: &Offer, mail: Mail, rcpts: usize, text: &str) -> Result<Plan, Objection> {
    let offered = Capabilities::from_reply(offer.reply()).with_channel(Channel::TLS);
    let envelope = Envelope::new(mail, (0..rcpts).map(|_| "b@example.org")).unwrap();
    Plan::new(
        &offered,
        &envelope,
        MailData::new(text.as_bytes().to_vec()).unwrap().facts(),
        EightBit::Refuse,
    )
}

/// Checks the plan for a MAIL with this parameter.
#[track_caller]
fn asked(offer: &Offer, param: MailParam<&str>, expected: Result<(), Unsupported>) {
    let mail = Mail::try_from("a@example.com").unwrap().param(param).unwrap();
    let found = plan(offer, mail, 1, "a").map(|_| ());
    assert_eq!(found, expected.map_err(Objection::from), "{param}");
}

fn out_of_range(extension: Extension, bound: Bound) -> Result<(), Unsupported> {
    Err(Unsupported::OutOfRange { extension, bound })
}

#[test]
fn hold_times_beyond_the_limit_of_the_server_are_refused() {
    let release = FutureRelease::new(60, "2030-06-01T12:00:00Z").unwrap();
    let offer = offer().future_release(release);
    let too_long = Bound::AtMost { asked: 61, maximum: 60 };
    asked(&offer, MailParam::HoldFor(60), Ok(()));
    asked(&offer, MailParam::HoldFor(61), out_of_range(Extension::FutureRelease, too_long));
    for (date_time, late) in [
        ("2030-06-01T12:00:00Z", false),
        ("2030-06-01T12:00:00.9Z", false),
        ("2030-06-01t11:59:59z", false),
        ("2030-06-01T12:00:01Z", true),
        ("2031-01-01T00:00:00.5z", true),
        ("2031-01-01T00:00:00+01:00", false),
    ] {
        let late = out_of_range(Extension::FutureRelease, Bound::NotAfter).err().filter(|_| late);
        asked(&offer, MailParam::HoldUntil(date_time), late.map_or(Ok(()), Err));
    }
}

#[test]
fn return_times_below_the_minimum_of_the_server_are_refused() {
    let by = |seconds, mode| MailParam::By { seconds, mode, trace: false };
    let stated = offer().deliver_by(60).unwrap();
    let too_short = Bound::AtLeast { asked: 59, minimum: 60 };
    asked(&stated, by(60, ByMode::Return), Ok(()));
    asked(&stated, by(59, ByMode::Return), out_of_range(Extension::DeliverBy, too_short));
    asked(&stated, by(59, ByMode::Notify), Ok(()));
    asked(&stated, by(-1, ByMode::Notify), Ok(()));
    let unstated = offer().extensions([Extension::DeliverBy]).unwrap();
    asked(&unstated, by(1, ByMode::Return), Ok(()));
    asked(&offer(), by(1, ByMode::Return), Err(Unsupported::Extension(Extension::DeliverBy)));
}

#[test]
fn recipients_beyond_the_limit_are_counted() {
    let limits = Limits::default().set(Limit::Rcpt, 2).unwrap();
    for (offer, rcpts, max, excess) in [
        (offer().limits(limits), 1, Some(2), 0),
        (offer().limits(limits), 2, Some(2), 0),
        (offer().limits(limits), 5, Some(2), 3),
        (offer().limits(Limits::default()), 5, None, 0),
        (offer(), 5, None, 0),
    ] {
        let plan = plan(&offer, "a@example.com".try_into().unwrap(), rcpts, "a").unwrap();
        assert_eq!((plan.rcpt_max(), plan.excess_rcpts()), (max, excess));
    }
}

#[test]
fn binary_mail_data_needs_binarymime_and_chunking() {
    let mail = || Mail::try_from("a@example.com").unwrap().body(Body::BinaryMime);
    let both = [Extension::BinaryMime, Extension::Chunking];
    for (offered, missing) in [
        (&[][..], Some(Extension::BinaryMime)),
        (&both[..1], Some(Extension::Chunking)),
        (&both[1..], Some(Extension::BinaryMime)),
        (&both, None),
    ] {
        let offer = offer().extensions(offered.iter().copied()).unwrap();
        for text in ["a", "\u{e9}"] {
            let found = plan(&offer, mail(), 1, text).err();
            assert_eq!(found, missing.map(|one| Unsupported::Extension(one).into()), "{offered:?}");
        }
    }
}

#[test]
fn requiretls_and_submitter_need_a_valid_offer() {
    let offered = [Extension::RequireTls, Extension::Submitter];
    let offer = offer().extensions(offered).unwrap();
    let submitter = || MailParam::Submitter(Xtext::new("a@example.com").unwrap());
    asked(&offer, MailParam::RequireTls, Ok(()));
    asked(&offer, submitter(), Ok(()));
    let without = offer.clone().without(Extension::Submitter);
    asked(&without, submitter(), Err(Unsupported::Extension(Extension::Submitter)));

    let clear = Capabilities::from_reply(offer.reply());
    let mail = Mail::try_from("a@example.com").unwrap().param(MailParam::<&str>::RequireTls);
    let envelope = Envelope::new(mail.unwrap(), ["b@example.org"]).unwrap();
    let found = Plan::new(&clear, &envelope, MailData::new("a").unwrap().facts(), EightBit::Refuse);
    assert_eq!(found, Err(Unsupported::OutsideTls(Extension::RequireTls).into()));
}
