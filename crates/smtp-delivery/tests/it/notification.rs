//! Delivery status notifications.
use std::time::{Duration, SystemTime};

use smtp_client::{Envelope, MailData};
use smtp_codec::{Mail, MailParam, Notify, Rcpt, RcptParam, Ret, ReversePath, Xtext};
use smtp_delivery::{Dsn, Report};
use smtp_testkit::{Rule, Server};

use crate::world::{World, name};

const ORIGINAL: &str = "From: s@client.example\r\nSubject: hi\r\n\r\nSecret text.\r\n";

/// The report of a message to five recipients with five outcomes.
async fn report(set: impl Fn(Mail) -> Mail, rcpts: Vec<Rcpt>) -> Report {
    let world = World::default();
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    world.mx("null.example", 0, ".");
    let server = Server::builder()
        .offer("DSN")
        .rule(Rule::on("RCPT TO:<no@*").reply("550 5.1.1 no such \u{1b}user"))
        .rule(Rule::on("RCPT TO:<later@*").reply("451 4.7.1 greylisted"))
        .rule(Rule::text().answer("[close]".parse().unwrap()));
    let _server = world.host("192.0.2.1", server);
    let mail = set(Mail::new(ReversePath::new("s@client.example".to_owned()).unwrap()));
    let envelope = Envelope::new(mail, rcpts).unwrap();
    let courier = world.courier(|builder| builder);
    courier.deliver(&envelope, MailData::new(ORIGINAL).unwrap()).await
}

fn rcpts() -> Vec<Rcpt> {
    ["no@example.org", "later@example.org", "doubt@example.org", "x@null.example"]
        .map(|rcpt| Rcpt::try_from(rcpt).unwrap())
        .into()
}

fn built(dsn: Dsn<'_>) -> Option<(Envelope, String)> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let (envelope, content) = dsn.build(now).unwrap()?;
    Some((envelope, String::from_utf8(content.octets().to_vec()).unwrap()))
}

/// The part of the notification that programs read.
fn fields(text: &str) -> &str {
    let start = text.find("Reporting-MTA").unwrap();
    &text[start..start + text[start..].find("\r\n--").unwrap()]
}

#[tokio::test(start_paused = true)]
async fn a_notification_names_who_failed_and_why() {
    let report = report(|mail| mail, rcpts()).await;
    let (envelope, text) = built(report.dsn(name("mta.example"))).unwrap();
    assert_eq!(envelope.mail().path().as_str(), "");
    assert_eq!(envelope.rcpts()[0].path().as_str(), "s@client.example");
    assert_eq!(
        fields(&text),
        "Reporting-MTA: dns; mta.example\r\n\
         \r\n\
         Final-Recipient: rfc822; no@example.org\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\
         Remote-MTA: dns; mx.example.org\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\
         Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         \r\n\
         Final-Recipient: rfc822; doubt@example.org\r\n\
         Action: failed\r\n\
         Status: 4.4.2\r\n\
         Remote-MTA: dns; mx.example.org\r\n\
         Diagnostic-Code: x-reason; in doubt, mx.example.org may have accepted it: end of mail \
         data at 192.0.2.1:25: the server closed the connection (the message may have been \
         accepted)\r\n\
         Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
         \r\n\
         Final-Recipient: rfc822; x@null.example\r\n\
         Action: failed\r\n\
         Status: 5.1.10\r\n\
         Diagnostic-Code: x-reason; not deliverable: the domain accepts no mail (null MX)\r\n\
         Last-Attempt-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    );
    for sentence in [
        "Auto-Submitted: auto-replied\r\n",
        "multipart/report; report-type=\"delivery-status\"",
        "It is not known whether your message was delivered",
        "MIME-Version: 1.0",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
    assert!(!text.contains("later@example.org") && !text.contains('\u{1b}'));
    assert!(text.lines().all(|line| line.len() < 998));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_gives_up_says_so_and_one_that_waits_may_say_that() {
    let report = report(|mail| mail, rcpts()).await;
    let (_, text) = built(report.dsn(name("mta.example")).give_up()).unwrap();
    assert!(fields(&text).contains("later@example.org\r\nAction: failed\r\nStatus: 4.7.1\r\n"));
    let (_, text) = built(report.dsn(name("mta.example")).tell_delay()).unwrap();
    assert!(fields(&text).contains("later@example.org\r\nAction: delayed\r\nStatus: 4.7.1\r\n"));
}

#[tokio::test(start_paused = true)]
async fn what_the_sender_asked_for_is_done() {
    let never = Notify { success: false, failure: false, delay: false };
    let asked = |rcpt: &str, notify| {
        let rcpt = Rcpt::try_from(rcpt).unwrap().with(RcptParam::Notify(notify)).unwrap();
        let kind = "rfc822".into();
        rcpt.with(RcptParam::Orcpt { kind, address: "list+2Bone@example.org".into() }).unwrap()
    };
    let failure = Notify { failure: true, ..never };
    let rcpts = vec![asked("no@example.org", failure), asked("x@null.example", never)];
    let set = |mail: Mail| {
        let mail = mail.with(MailParam::EnvId(Xtext::encode("id 7"))).unwrap();
        mail.with(MailParam::Ret(Ret::Full)).unwrap()
    };
    let report = report(set, rcpts).await;
    let original = MailData::new(ORIGINAL).unwrap();
    let (_, text) = built(report.dsn(name("mta.example")).original(&original)).unwrap();
    assert!(fields(&text).contains("Original-Envelope-Id: id 7\r\n"));
    assert!(fields(&text).contains("Original-Recipient: rfc822; list+one@example.org\r\n"));
    assert!(!text.contains("null.example"));
    assert!(text.contains("Content-Type: message/rfc822") && text.contains("Secret text."));
}

#[tokio::test(start_paused = true)]
async fn the_header_section_alone_is_returned_by_default() {
    let report = report(|mail| mail, rcpts()).await;
    let original = MailData::new(ORIGINAL).unwrap();
    let (_, text) = built(report.dsn(name("mta.example")).original(&original)).unwrap();
    assert!(text.contains("Content-Type: text/rfc822-headers"));
    assert!(text.contains("Subject: hi") && !text.contains("Secret text."));
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_never_answered_with_one() {
    let report = report(|_| Mail::new(ReversePath::Null), rcpts()).await;
    assert!(built(report.dsn(name("mta.example"))).is_none());
    let later = vec![Rcpt::try_from("later@example.org").unwrap()];
    let report = self::report(|mail| mail, later).await;
    assert!(built(report.dsn(name("mta.example"))).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_notification_requires_tls_if_the_message_did() {
    let is_required = |envelope: &Envelope| {
        envelope.mail().params().any(|param| matches!(param, MailParam::RequireTls))
    };
    let rcpts = || vec![Rcpt::try_from("x@null.example").unwrap()];
    let report = report(|mail| mail.with(MailParam::RequireTls).unwrap(), rcpts()).await;
    let (envelope, _) = built(report.dsn(name("mta.example"))).unwrap();
    assert!(is_required(&envelope));
    let report = self::report(|mail| mail, rcpts()).await;
    let (envelope, _) = built(report.dsn(name("mta.example"))).unwrap();
    assert!(!is_required(&envelope));
}

#[tokio::test(start_paused = true)]
async fn each_part_has_the_type_of_its_rfc() {
    let report = report(|mail| mail, rcpts()).await;
    let (_, text) = built(report.dsn(name("mta.example"))).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("Content-Type: "));
    let types: Vec<_> = types.skip(1).map(|value| value.replace('"', "")).collect();
    assert_eq!(types, ["text/plain; charset=utf-8", "message/delivery-status"]);
}
