//! The session of a server, without I/O: a whole transaction after EHLO, from MAIL to the reply to
//! the message.
use std::{net::Ipv4Addr, sync::Arc};

use mailin::{Action, Handler, SessionBuilder};
use smtp_server::{Client, Event, ServerSession, Settings};

use super::{Case, OURS, Peer, WELL_FORMED, Work};
use crate::job::{Job, Size};

pub(super) const CASES: &[Case] = &[Case {
    name: "session-1-kib",
    calls: 200,
    peers: &[
        Peer { name: OURS, connect: || transactions(each) },
        Peer { name: "ours, pipelined", connect: || transactions(grouped) },
        Peer { name: "ours, BDAT", connect: || transactions(chunk) },
        Peer { name: "mailin", connect: mailin },
    ],
}];

/// The octets as they are read: each element is one read.
type Reads = Vec<Vec<u8>>;

fn commands(job: &Job) -> [Vec<u8>; 2] {
    let mail = format!("MAIL FROM:<{}>\r\n", job.from);
    [mail, format!("RCPT TO:<{}>\r\n", job.rcpts[0])].map(String::into_bytes)
}

fn each(job: &Job) -> Reads {
    let [mail, rcpt] = commands(job);
    vec![mail, rcpt, b"DATA\r\n".to_vec(), [job.text, b".\r\n"].concat()]
}

fn grouped(job: &Job) -> Reads {
    let [mail, rcpt] = commands(job);
    vec![[&mail, &rcpt, &b"DATA\r\n"[..]].concat(), [job.text, b".\r\n"].concat()]
}

fn chunk(job: &Job) -> Reads {
    let [mail, rcpt] = commands(job);
    let bdat = format!("BDAT {} LAST\r\n", job.text.len()).into_bytes();
    vec![[&mail, &rcpt, &bdat, job.text].concat()]
}

/// Feeds a session with these reads, and accepts everything.
fn transactions(reads: fn(&Job) -> Reads) -> Work {
    let settings = Arc::new(Settings::smtp("localhost").build().expect(WELL_FORMED));
    let mut session = ServerSession::new(settings, Client::new(), [0; 32]);
    take(&mut session, b"EHLO client.example.org\r\n");
    let reads = reads(&Job::new(Size(1024), 1));
    Box::new(move || {
        let ends: usize = reads.iter().map(|octets| take(&mut session, octets)).sum();
        assert_eq!(ends, 1, "{WELL_FORMED}");
    })
}

/// Returns the number of messages that have ended.
fn take(session: &mut ServerSession, mut input: &[u8]) -> usize {
    let mut ends = 0;
    loop {
        match session.next(&mut input) {
            Event::Read => break,
            Event::End(_) => {
                ends += 1;
                session.accept();
            }
            event if event.needs_decision() => session.accept(),
            _ => {}
        }
    }
    session.output().clear();
    ends
}

struct Dropper;

impl Handler for Dropper {}

/// It takes a line at a time; to find the lines, and to write the replies, is left to its user.
fn mailin() -> Work {
    let mut session = SessionBuilder::new("localhost").build(Ipv4Addr::LOCALHOST.into(), Dropper);
    session.process(b"EHLO client.example.org\r\n");
    let whole = each(&Job::new(Size(1024), 1)).concat();
    let mut output = Vec::new();
    Box::new(move || {
        let mut replies = 0;
        for line in whole.split_inclusive(|&octet| octet == b'\n') {
            let response = session.process(line);
            if matches!(response.action, Action::Reply) {
                replies += usize::from(response.write_to(&mut output).is_ok());
            }
        }
        assert_eq!(replies, 4, "{WELL_FORMED}");
        output.clear();
    })
}
