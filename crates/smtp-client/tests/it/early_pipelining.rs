//! Commands before the greeting, to a server that is known to support them (PIPECONNECT).
use std::{
    io,
    sync::{Arc, Mutex},
};

use smtp_client::{
    Connector, Delivery, EhloCache, Envelope, Error, MailData, Reply, ReplyCode, Step,
    session::Dialect,
};
use smtp_testkit::Server as TestServer;

use crate::stage::{connector, early_chunks, is_refusal, opening, parse, perform};

const OFFER: &str = "PIPELINING\nPIPECONNECT\nCHUNKING";

fn memory(offer: &str) -> EhloCache {
    EhloCache::from_reply(Reply::new(ReplyCode::OK, format!("mx.example\n{offer}")))
}

/// The commands of a connection that is remembered, as they stand in a script.
const EARLY: &str = "C| EHLO client.example\nC| MAIL FROM:<a@example.org>\n\
C| RCPT TO:<b@example.org>\n";
const GREETED: &str =
    "S: 220 mx.example ready\nS: 250-mx.example\nS: 250-PIPELINING\nS: 250-PIPECONNECT\n";
const ANSWERED: &str = "S: 250 sender\nS: 250 recipient\n";

/// Delivers one message to servers that play these scripts, one connection each.
#[track_caller]
fn deliver(scripts: &[&str], memory: &EhloCache) -> Result<Delivery, Error> {
    deliver_by(connector(Dialect::Smtp), scripts, memory)
}

#[track_caller]
fn deliver_by(
    connector: Connector,
    scripts: &[&str],
    memory: &EhloCache,
) -> Result<Delivery, Error> {
    perform(async {
        let mut builder = TestServer::builder();
        for script in scripts {
            builder = builder.script(parse(script));
        }
        let (server, dialer) = builder.pipes();
        let connector = from(connector, dialer).ehlo_cache(memory.clone());
        let envelope = Envelope::new("a@example.org", ["b@example.org"]).unwrap();
        let outcome = connector.deliver(&envelope, MailData::new("a: b\r\n").unwrap()).await;
        let outcome = outcome.map(|(connection, delivery)| {
            drop(connection);
            delivery
        });
        server.finish().await.unwrap();
        outcome
    })
}

fn from(connector: Connector, dialer: smtp_testkit::Dialer) -> Connector {
    let dialer = Arc::new(Mutex::new(dialer));
    connector.dialer(move |_| {
        let pipe = dialer.lock().unwrap().dial();
        async { Ok::<_, io::Error>(pipe) }
    })
}

#[test]
fn the_commands_leave_before_the_greeting() {
    let script =
        format!("{EARLY}C| DATA\n{GREETED}S: 250 HELP\n{ANSWERED}S: 354 go\n[text]\nS: 250 taken");
    let memory = memory("PIPELINING\nPIPECONNECT\nHELP");
    assert!(deliver(&[&script], &memory).unwrap().all_accepted());
    assert!(memory.reply().is_some());
}

#[test]
fn a_text_in_chunks_waits_for_the_answers() {
    let script = format!(
        "{EARLY}{GREETED}S: 250 CHUNKING\n{ANSWERED}C: BDAT 6 LAST\n[chunk 6]\nS: 250 taken"
    );
    let connector = connector(Dialect::Smtp).sending(early_chunks());
    assert!(deliver_by(connector, &[&script], &memory(OFFER)).unwrap().all_accepted());
}

#[test]
fn a_server_that_has_changed_gets_the_message_in_the_usual_way() {
    let early =
        format!("{EARLY}C| DATA\n{GREETED}S: 250 SIZE 5\n{ANSWERED}S: 503 what?\n[expect-close]");
    let offer = ["PIPELINING", "SIZE 100"];
    let usual = opening(Dialect::Smtp, &offer)
        + "C| MAIL FROM:<a@example.org> SIZE=6\nC| RCPT TO:<b@example.org>\nC| DATA\n"
        + ANSWERED
        + "S: 354 go\n[text]\nS: 250 taken";
    let memory = memory(OFFER);
    assert!(deliver(&[&early, &usual], &memory).unwrap().all_accepted());
    // It does not offer it any more.
    assert_eq!(memory.reply(), None);
}

#[test]
fn a_server_that_refuses_early_commands_gets_the_message_in_the_usual_way() {
    let early = format!("{EARLY}C| DATA\n");
    for offense in [
        "S: 554 SMTP synchronization error\n[close]",
        "[close]",
        "[reset]",
        "S: 220 hi\n[close]",
        "S: 220 hi\nS: 502 not yet\n[expect-close]",
    ] {
        let usual = opening(Dialect::Smtp, &["PIPELINING"])
            + "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\n"
            + ANSWERED
            + "S: 354 go\n[text]\nS: 250 taken";
        let memory = memory("PIPELINING\nPIPECONNECT");
        let offended = format!("{early}{offense}");
        assert!(deliver(&[&offended, &usual], &memory).unwrap().all_accepted(), "{offense}");
        assert_eq!(memory.reply(), None);
    }
}

#[test]
fn a_transient_refusal_to_connect_is_not_repeated() {
    let script = format!("{EARLY}C| DATA\nS: 421 come back later\n[expect-close]");
    let memory = memory("PIPELINING\nPIPECONNECT");
    let error = deliver(&[&script], &memory).unwrap_err();
    assert!(is_refusal(&error), "{error:?}");
    assert_eq!((error.step(), error.in_doubt()), (Step::Greeting, false));
    assert!(memory.reply().is_some());
}

#[test]
fn a_refusing_greeting_is_the_answer() {
    let early = format!("{EARLY}C| DATA\nS: 554 no service here\n[expect-close]");
    let usual = "S: 554 no service here\nC: QUIT\n[expect-close]";
    let error = deliver(&[&early, usual], &memory("PIPELINING\nPIPECONNECT")).unwrap_err();
    assert!(is_refusal(&error), "{error:?}");
    assert_eq!((error.step(), error.in_doubt()), (Step::Greeting, false));
}

#[test]
fn nothing_is_remembered_of_a_server_that_does_not_offer_it() {
    let usual = opening(Dialect::Smtp, &["PIPELINING"])
        + "C| MAIL FROM:<a@example.org>\nC| RCPT TO:<b@example.org>\nC| DATA\n"
        + ANSWERED
        + "S: 354 go\n[text]\nS: 250 taken";
    let memory = EhloCache::default();
    assert!(deliver(&[&usual], &memory).unwrap().all_accepted());
    assert_eq!(memory.reply(), None);
    let offering = usual.replace("S: 250 PIPELINING", "S: 250-PIPELINING\nS: 250 PIPECONNECT");
    assert!(deliver(&[&offering], &memory).unwrap().all_accepted());
    assert!(memory.reply().is_some());
}
