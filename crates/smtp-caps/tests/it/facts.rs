//! The typed views of each line, and its oddities.

use smtp_caps::{Channel, FutureRelease, Limit, Limits, OddityKind, PriorityProfile};
use smtp_error::{Extension, Field, Flaw, Invalid, Unsupported};

use crate::capabilities;

/// Every extension, valid lines, and one that is not valid.
const LINES: &[(Extension, &[&str], &str)] = &[
    (Extension::Send, &["SEND"], "SEND x"),
    (Extension::Soml, &["SOML"], "SOML x"),
    (Extension::Saml, &["SAML"], "SAML x"),
    (Extension::Turn, &["TURN"], "TURN x"),
    (Extension::Vrfy, &["VRFY"], "VRFY x"),
    (Extension::Expn, &["EXPN"], "EXPN x"),
    (Extension::Help, &["HELP"], "HELP x"),
    (Extension::EightBitMime, &["8BITMIME"], "8BITMIME x"),
    (Extension::Size, &["SIZE", "SIZE 0", "SIZE 99999999999999999999"], "SIZE -1"),
    (Extension::Verb, &["VERB"], "VERB x"),
    (Extension::Onex, &["ONEX"], "ONEX x"),
    (Extension::Chunking, &["CHUNKING"], "CHUNKING x"),
    (Extension::BinaryMime, &["BINARYMIME"], "BINARYMIME x"),
    (Extension::Checkpoint, &["CHECKPOINT"], "CHECKPOINT x"),
    (Extension::DeliverBy, &["DELIVERBY", "DELIVERBY 0", "DELIVERBY 999999999"], "DELIVERBY x"),
    (Extension::Pipelining, &["PIPELINING"], "PIPELINING x"),
    (Extension::Dsn, &["DSN"], "DSN x"),
    (Extension::Etrn, &["ETRN"], "ETRN x"),
    (Extension::EnhancedStatusCodes, &["ENHANCEDSTATUSCODES"], "ENHANCEDSTATUSCODES x"),
    (Extension::StartTls, &["STARTTLS"], "STARTTLS REQUIRED"),
    (Extension::NoSoliciting, &["NO-SOLICITING", "NO-SOLICITING a:b,c"], "NO-SOLICITING a b"),
    (Extension::Mtrk, &["MTRK"], "MTRK x"),
    (Extension::Submitter, &["SUBMITTER"], "SUBMITTER x"),
    (Extension::Atrn, &["ATRN"], "ATRN x"),
    (Extension::Auth, &["AUTH", "AUTH PLAIN X-OWN_1"], "AUTH PLAIN L/OGIN"),
    (Extension::Burl, &["BURL", "BURL imap", "BURL imap://a future"], "BURL \u{e9}"),
    (Extension::FutureRelease, &["FUTURERELEASE 9 2030-01-01T00:00:00Z"], "FUTURERELEASE"),
    (Extension::Conperm, &["CONPERM"], "CONPERM x"),
    (Extension::Conneg, &["CONNEG"], "CONNEG x"),
    (Extension::Utf8Smtp, &["UTF8SMTP"], "UTF8SMTP x"),
    (Extension::SmtpUtf8, &["SMTPUTF8"], "SMTPUTF8 x"),
    (Extension::MtPriority, &["MT-PRIORITY", "MT-PRIORITY A.b-c_1"], "MT-PRIORITY a/b"),
    (Extension::Rrvs, &["RRVS"], "RRVS x"),
    (Extension::RequireTls, &["REQUIRETLS"], "REQUIRETLS x"),
    (Extension::Limits, &["LIMITS", "LIMITS RCPTMAX=1 X X_Y=a=b"], "LIMITS RCPTMAX=0"),
    (Extension::IgnoreQuota, &["IGNOREQUOTA"], "IGNOREQUOTA x"),
    (Extension::PipeConnect, &["PIPECONNECT"], "PIPECONNECT x"),
    (Extension::Prdr, &["PRDR"], "PRDR x"),
    (Extension::Verp, &["VERP", "VERP x"], "VERP \u{7f}"),
    (Extension::XanonymousTls, &["X-ANONYMOUSTLS"], "X-ANONYMOUSTLS \u{7f}"),
    (Extension::Xclient, &["XCLIENT", "XCLIENT NAME CLIENT-TRANSPORT"], "XCLIENT NAME=x"),
    (Extension::Xexch50, &["XEXCH50"], "XEXCH50 \u{7f}"),
    (Extension::Xexps, &["X-EXPS", "X-EXPS GSSAPI NTLM"], "X-EXPS GSS/API"),
    (Extension::Xforward, &["XFORWARD", "XFORWARD NAME ADDR"], "XFORWARD NA.ME"),
    (Extension::Xlink2State, &["X-LINK2STATE"], "X-LINK2STATE \u{7f}"),
    (Extension::Xverp, &["XVERP", "XVERP Courier"], "XVERP \u{7f}"),
];

#[test]
fn the_parameters_of_each_keyword_are_checked() {
    let known: Vec<Extension> = LINES.iter().map(|&(extension, ..)| extension).collect();
    assert_eq!(known, Extension::ALL);
    // The extensions that others require are offered, and REQUIRETLS is received inside TLS.
    let beside = &["CHUNKING", "8BITMIME"];
    for &(extension, good, bad) in LINES {
        for line in good.iter().chain([&bad]) {
            let lines: Vec<&str> =
                beside.iter().copied().filter(|other| !line.starts_with(other)).collect();
            let channel = Channel { tls: extension == Extension::RequireTls, ..Channel::CLEAR };
            let found = capabilities(&[&lines[..], &[line]].concat()).with_channel(channel);
            assert!(found.has(extension), "{line}");
            let odd: Vec<OddityKind> = found.oddities().map(|oddity| oddity.kind).collect();
            match line == &bad {
                false => assert!(odd.is_empty(), "{line}: {odd:?}"),
                true => assert!(
                    matches!(odd[..], [OddityKind::Unexpected | OddityKind::Malformed]),
                    "{line}: {odd:?}"
                ),
            }
        }
    }
}

#[track_caller]
fn limits(lines: &[&str], mail: Option<u32>, rcpt: Option<u32>, domain: Option<u32>) {
    let found = capabilities(lines).limits();
    let stated = (found.mail_max(), found.rcpt_max(), found.rcpt_domain_max());
    assert_eq!(stated, (mail, rcpt, domain), "{lines:?}");
}

#[test]
fn limits_are_parsed() {
    limits(&[], None, None, None);
    limits(&["LIMITS"], None, None, None);
    limits(&["LIMITS MAILMAX=1 RCPTMAX=20 RCPTDOMAINMAX=999999"], Some(1), Some(20), Some(999_999));
    limits(&["limits rcptmax=20"], None, Some(20), None);
    limits(&["LIMITS X-OWN=a=b RCPTMAX=20 FLAG"], None, Some(20), None);
}

#[test]
fn an_invalid_limit_does_not_affect_others() {
    for bad in ["0", "01", "1000000", "x", "1x", "-1", "+1", "1.5"] {
        limits(&[&format!("LIMITS RCPTMAX={bad} MAILMAX=5")], Some(5), None, None);
    }
    limits(&["LIMITS RCPTMAX MAILMAX=5"], Some(5), None, None);
    limits(&["LIMITS RCPTMAX=9 RCPTMAX=7 RCPTMAX=x RCPTMAX=8"], None, Some(7), None);
}

#[test]
fn a_malformed_line_has_no_limits() {
    for bad in ["=", "=1", "X=", "RCPTMAX=", "X.Y=1", "X=1;2", "\u{e9}=1", "X=\u{e9}"] {
        limits(&[&format!("LIMITS MAILMAX=5 {bad}")], None, None, None);
        limits(&[&format!("LIMITS {bad} MAILMAX=5")], None, None, None);
    }
}

#[test]
fn the_last_limits_line_applies() {
    limits(&["LIMITS MAILMAX=5", "HELP", "LIMITS RCPTMAX=7"], None, Some(7), None);
    limits(&["LIMITS MAILMAX=5", "LIMITS"], None, None, None);
    limits(&["LIMITS MAILMAX=5", "LIMITS ="], None, None, None);
}

#[test]
fn limits_are_numbers_from_1_to_999999() {
    let set = |number| Limits::default().set(Limit::Rcpt, number);
    let out_of_range =
        Err(Invalid::new(Field::Capability, Flaw::OutOfRange { least: 1, most: 999_999 }));
    for (number, sound) in [(0, false), (1, true), (999_999, true), (1_000_000, false)] {
        assert_eq!(set(number).is_ok(), sound, "{number}");
        assert!(sound || set(number) == out_of_range);
    }
}

#[test]
fn the_minimum_of_deliverby_is_parsed() {
    for (lines, minimum) in [
        (&["DELIVERBY 240"][..], Some(240)),
        (&["deliverby 999999999"], Some(999_999_999)),
        (&["DELIVERBY"], None),
        (&["DELIVERBY 0"], None),
        (&["DELIVERBY 1000000000"], None),
        (&["DELIVERBY -5"], None),
        (&["DELIVERBY 5 6"], None),
        (&["DELIVERBY 5", "DELIVERBY 60", "DELIVERBY"], Some(60)),
        (&["HELP"], None),
    ] {
        assert_eq!(capabilities(lines).deliver_by_min(), minimum, "{lines:?}");
    }
}

const DATE: &str = "2030-01-01T00:00:00Z";

#[test]
fn future_release_has_an_interval_and_a_date() {
    let found = capabilities(&["FUTURERELEASE 86400 2030-01-01T00:00:00Z"]);
    let release = found.future_release().unwrap();
    assert_eq!((release.max_interval(), release.max_date_time()), (86_400, DATE));
    assert_eq!(Some(release), FutureRelease::new(86_400, DATE).ok());
    for bad in [
        "",
        "86400",
        "2030-01-01T00:00:00Z",
        "86400 2030-01-01",
        "86400 2030-01-01T00:00:00+01:00",
        "86400 2030-13-01T00:00:00Z",
        "86400 2030-01-01T00:00:00.00000000000000000000Z",
        "-1 2030-01-01T00:00:00Z",
        "1234567890 2030-01-01T00:00:00Z",
        "2030-01-01T00:00:00Z 86400",
        "86400 2030-01-01T00:00:00Z x",
    ] {
        let found = capabilities(&[&format!("FUTURERELEASE {bad}")]);
        assert_eq!(found.future_release(), None, "{bad}");
        assert!(found.has(Extension::FutureRelease), "{bad}");
    }
    assert!(FutureRelease::new(1_000_000_000, DATE).is_err());
    assert!(FutureRelease::new(1, "2030-01-01T00:00:00").is_err());
}

#[test]
fn priority_profiles_are_an_open_set() {
    for (line, profile) in [
        ("MT-PRIORITY MIXER", Some(PriorityProfile::MIXER)),
        ("MT-PRIORITY stanag4406", Some(PriorityProfile::STANAG4406)),
        ("MT-PRIORITY NSEP", Some(PriorityProfile::NSEP)),
        ("MT-PRIORITY example.org", PriorityProfile::new("example.org").ok()),
        ("MT-PRIORITY", None),
        ("MT-PRIORITY a/b", None),
        ("MT-PRIORITY MIXER NSEP", None),
        ("MT-PRIORITY abcdefghijklmnopqrstu", None),
    ] {
        assert_eq!(capabilities(&[line]).priority_profile(), profile, "{line}");
    }
    assert_ne!(PriorityProfile::MIXER, PriorityProfile::NSEP);
}

#[test]
fn burl_states_the_servers_that_it_fetches_from() {
    assert!(capabilities(&["HELP"]).burl().is_none());
    for (lines, unknown, any, servers) in [
        (&["BURL"][..], true, false, &[][..]),
        (&["BURL imap"], false, true, &[]),
        (&["BURL IMAP imap://a.example"], false, true, &["imap://a.example"]),
        (&["BURL imap://a", "BURL imap://b imap://A"], false, false, &["imap://a", "imap://b"]),
        (&["BURL http imap://"], false, false, &[]),
    ] {
        let found = capabilities(lines);
        let burl = found.burl().unwrap();
        assert_eq!(burl.needs_authentication(), unknown, "{lines:?}");
        assert_eq!(burl.accepts_any_imap(), any, "{lines:?}");
        assert_eq!(burl.servers().collect::<Vec<_>>(), servers, "{lines:?}");
    }
}

#[test]
fn names_are_in_order_without_duplicates() {
    let found = capabilities(&[
        "XCLIENT NAME ADDR name PO.RT",
        "XFORWARD NAME SOURCE",
        "xclient LOGIN ADDR",
        "X-EXPS=LOGIN",
        "X-EXPS GSSAPI NTLM login",
        "NO-SOLICITING org.example:ADV,net.example:ADV",
        "NO-SOLICITING ORG.example:adv,x",
        "NO-SOLICITING 1st",
        "NO-SOLICITING org/example",
    ]);
    assert_eq!(found.xclient_attributes().collect::<Vec<_>>(), ["NAME", "ADDR", "LOGIN"]);
    assert_eq!(found.xforward_attributes().collect::<Vec<_>>(), ["NAME", "SOURCE"]);
    assert_eq!(found.xexps_mechanisms().collect::<Vec<_>>(), ["LOGIN", "GSSAPI", "NTLM"]);
    for (length, count) in [(1000, 1), (1001, 0)] {
        let found = capabilities(&[&format!("NO-SOLICITING {}", "x".repeat(length))]);
        assert_eq!(found.refused_solicitations().count(), count, "{length}");
    }
    let classes: Vec<&str> = found.refused_solicitations().collect();
    assert_eq!(classes, ["org.example:ADV", "net.example:ADV", "x"]);
}

#[test]
fn former_spellings_of_pipeconnect_are_recognized() {
    for spelling in ["PIPECONNECT", "X_PIPE_CONNECT", "pipe_connect"] {
        let found = capabilities(&[spelling]);
        assert!(found.has(Extension::PipeConnect), "{spelling}");
        assert!(!found.without(Extension::PipeConnect).has(Extension::PipeConnect));
    }
}

#[test]
fn a_masked_extension_states_nothing() {
    for &(extension, good, _) in LINES {
        let found = capabilities(good).without(extension);
        assert_eq!(found.limits(), Limits::default());
        assert!(found.deliver_by_min().is_none() && found.future_release().is_none());
        assert!(found.priority_profile().is_none() && found.burl().is_none());
        assert_eq!(found.refused_solicitations().count(), 0);
        assert_eq!(found.xclient_attributes().chain(found.xforward_attributes()).count(), 0);
        assert_eq!(found.oddities().count(), 0);
    }
}

#[test]
fn requiretls_is_valid_only_inside_tls() {
    let found = capabilities(&["REQUIRETLS"]);
    let clear = Err(Unsupported::OutsideTls(Extension::RequireTls));
    assert_eq!(found.channel(), Channel::CLEAR);
    for (channel, expected) in [
        (Channel::CLEAR, clear.clone()),
        (Channel::CLEAR.authenticated(), clear),
        (Channel::TLS, Ok(())),
        (Channel::TLS.authenticated(), Ok(())),
    ] {
        let learned = found.clone().with_channel(channel);
        assert_eq!(learned.require(Extension::RequireTls), expected, "{channel:?}");
        assert!(learned.has(Extension::RequireTls) && learned.channel() == channel);
    }
    let missing = capabilities(&[]).with_channel(Channel::TLS).require(Extension::RequireTls);
    assert_eq!(missing, Err(Unsupported::Extension(Extension::RequireTls)));
}

#[test]
fn binarymime_requires_chunking() {
    let missing = Err(Unsupported::Extension(Extension::Chunking));
    assert_eq!(capabilities(&["BINARYMIME"]).require(Extension::BinaryMime), missing);
    let both = capabilities(&["BINARYMIME", "CHUNKING"]);
    assert_eq!(both.require(Extension::BinaryMime), Ok(()));
    assert_eq!(both.without(Extension::Chunking).require(Extension::BinaryMime), missing);
}

/// Checks the oddities of these lines, each as text.
#[track_caller]
fn odd(lines: &[&str], expected: &[&str]) {
    let found = capabilities(lines);
    let oddities: Vec<String> = found.oddities().map(|oddity| oddity.to_string()).collect();
    assert_eq!(oddities, expected, "{lines:?}");
}

#[test]
fn oddities_are_reported_line_by_line() {
    odd(&["PIPELINING", "SIZE 1000", "8BITMIME", "X-OWN a b", "STARTTLS"], &[]);
    odd(&["X_PIPE_CONNECT"], &["X_PIPE_CONNECT: not a valid keyword"]);
    odd(&["!!!", ""], &["!!!: not a valid keyword", ": not a valid keyword"]);
    odd(
        &["XXXXXXXA", "XXXB"],
        &["XXXXXXXA: keyword overwritten in transit", "XXXB: keyword overwritten in transit"],
    );
    odd(&["XXA", "XXXXXXXA1", "xxxxxxxa"], &[]);
    odd(&["STARTTLS "], &["STARTTLS : parameters not separated by single spaces"]);
    odd(&["AUTH  PLAIN"], &["AUTH  PLAIN: parameters not separated by single spaces"]);
    odd(&["AUTH\tPLAIN"], &["AUTH\\tPLAIN: parameters not separated by single spaces"]);
    odd(&["STARTTLS REQUIRED"], &["STARTTLS REQUIRED: unexpected parameters"]);
    odd(&["X \u{7f}"], &["X \\x7f: malformed parameters"]);
    odd(&["REQUIRETLS"], &["REQUIRETLS: not allowed in this state of TLS"]);
    odd(&["BINARYMIME"], &["BINARYMIME: offered without CHUNKING"]);
    odd(
        &["SMTPUTF8 x"],
        &["SMTPUTF8 x: unexpected parameters", "SMTPUTF8 x: offered without 8BITMIME"],
    );
    let old =
        ["AUTH=PLAIN: parameters not separated by single spaces", "AUTH=PLAIN: duplicate keyword"];
    odd(&["auth PLAIN", "AUTH=PLAIN"], &old);
    odd(&["x a", "X b", "X"], &["X b: duplicate keyword", "X: duplicate keyword"]);
    let inside = capabilities(&["STARTTLS"]).with_channel(Channel::TLS);
    assert_eq!(inside.oddities().next().unwrap().kind, OddityKind::OutOfPlace);
}

#[test]
fn odd_lines_can_be_removed() {
    let all = capabilities(&["AUTH=PLAIN LOGIN", "AUTH  CRAM-MD5", "SIZE 10", "X!", "STARTTLS"]);
    assert_eq!(all.mechanisms().count(), 3);
    let even = all.clone().without_oddities(|kind| kind == OddityKind::Separators);
    assert_eq!(even.mechanisms().count(), 0);
    assert!(!even.has(Extension::Auth) && even.has(Extension::StartTls));
    assert_eq!((even.size_limit(), even.iter().count()), (Some(10), 3));
    assert_eq!(all.clone().without_oddities(|_| true).iter().count(), 2);
    let none = all.clone().without_oddities(|_| false);
    assert!(none.iter().eq(all.iter()) && none.has(Extension::Auth));
    assert_eq!(even.reply(), all.reply());
}

#[test]
fn a_limit_of_any_length_is_no_limit_at_most() {
    for digits in 7..40 {
        let line = format!("LIMITS RCPTMAX={} MAILMAX=5", "9".repeat(digits));
        let limits = capabilities(&[&line]).limits();
        assert_eq!((limits.rcpt_max(), limits.mail_max()), (None, Some(5)), "{line}");
    }
}
