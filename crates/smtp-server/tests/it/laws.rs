//! Laws that hold for whatever a client sends: the cut of its octets does not matter, each message
//! has one end, and nothing is accepted that the server did not accept.
use proptest::prelude::*;
use smtp_caps::{Limit, Limits};
use smtp_codec::{Deviations, Mechanism};
use smtp_error::Extension;
use smtp_server::{Accept, BareOctets, Bounds, Client, Event, Login, Settings, SettingsBuilder};

use crate::host::{Answer, Fate, Host, Journal, Policy, refuse, usual};

/// What a client may send, right or wrong.
const FRAGMENTS: [&str; 52] = [
    "EHLO a.example\r\n",
    "LHLO a.example\r\n",
    "HELO a.example\r\n",
    "MAIL FROM:<a@b.example>\r\n",
    "MAIL FROM:<> BODY=BINARYMIME\r\n",
    "MAIL FROM:<> PRDR\r\n",
    "MAIL FROM:<> SIZE=5000\r\n",
    "MAIL FROM:<late@b.example>\r\n",
    "RCPT TO:<b@c.example>\r\n",
    "RCPT TO:<d@e.example>\r\n",
    "RCPT TO:<no@c.example>\r\n",
    "RCPT TO:<later@c.example>\r\n",
    "RCPT TO:<bye@c.example>\r\n",
    "DATA\r\n",
    "text\r\n",
    ".\r\n",
    "..\r\n",
    "\r\n.\r\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r",
    "\n",
    "\0",
    ".",
    "BDAT 0\r\n",
    "BDAT 3\r\n",
    "BDAT 6 LAST\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 60 LAST\r\n",
    "BDAT 99999999999999999999\r\n",
    "BDAT x\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "VRFY a\r\n",
    "HELP\r\n",
    "EXPN a\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AHRpbQBwYXNz\r\n",
    "AUTH CRAM-MD5\r\n",
    "AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n",
    "*\r\n",
    "AHRpbQBwYXNz\r\n",
    "XCLIENT ADDR=192.0.2.1 LOGIN=a\r\n",
    "XCLIENT NAME=[UNAVAILABLE]\r\n",
    "XFORWARD NAME=x\r\n",
    "GET / HTTP/1.1\r\n",
    "\u{ff}\r\n",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    " ",
    "FOO bar\r\n",
];

#[derive(Clone, Debug)]
struct Server {
    lmtp: bool,
    bare: usize,
    tolerant: bool,
    small: bool,
    trusted: bool,
    policy: usize,
}

fn servers() -> impl Strategy<Value = Server> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, 0usize..3, 0usize..4).prop_map(|((lmtp, tolerant, small, trusted), bare, policy)| {
        Server { lmtp, bare, tolerant, small, trusted, policy }
    })
}

impl Server {
    fn settings(&self) -> SettingsBuilder {
        let settings = match self.lmtp {
            true => Settings::lmtp("mx.example.org"),
            false => Settings::smtp("mx.example.org"),
        };
        let bare = [BareOctets::Refuse, BareOctets::Keep, BareOctets::Normalize][self.bare];
        let mechanisms = [Mechanism::PLAIN, Mechanism::CRAM_MD5, Mechanism::SCRAM_SHA_256];
        let mut settings = settings.bare_octets(bare).passwords_in_clear().auth(mechanisms);
        if self.tolerant {
            settings = settings.tolerate(Deviations::all());
        }
        let small = self.small;
        if small {
            let mut bounds = Bounds::default();
            (bounds.recipients, bounds.mistakes, bounds.idle_commands) = (2, 5, 6);
            (bounds.refused_recipients, bounds.dropped_octets) = (2, 40);
            settings = settings.bounds(bounds).size(20);
        }
        settings.offer(move |offer| {
            let offer = offer.extensions([Extension::BinaryMime, Extension::Prdr])?;
            let offer = offer.xclient(["ADDR", "LOGIN", "NAME"])?.xforward(["NAME"])?;
            let limits = Limits::default().set(Limit::RcptDomain, 1)?;
            Ok(if small { offer.limits(limits) } else { offer })
        })
    }

    fn host(&self) -> Host {
        let client = Client::new();
        let client = if self.trusted { client.trusted() } else { client };
        let nothing: Policy = |_| Answer::Nothing;
        let policy = [nothing, no_end, mostly, each][self.policy];
        Host::of(self.settings()).serves(client).decides(policy)
    }
}

fn no_end(event: &Event<'_>) -> Answer {
    if let Event::End(_) = event { Answer::Nothing } else { mostly(event) }
}

fn mostly(event: &Event<'_>) -> Answer {
    match event {
        Event::Auth(Login::Password { .. }) => Answer::Usual,
        Event::Auth(_) => Answer::Nothing,
        Event::Message(envelope) if envelope.mail().path().as_str().starts_with("late") => {
            Answer::Decide(Err(refuse(554, "5.7.1 Not this")))
        }
        other => usual(other),
    }
}

fn each(event: &Event<'_>) -> Answer {
    match event {
        Event::End(end) => {
            let decide =
                |at| if at % 2 == 0 { Ok(Accept::usual()) } else { Err(refuse(450, "Later")) };
            Answer::Each((0..end.decisions).map(decide).collect())
        }
        other => mostly(other),
    }
}

/// Counts the replies that accept a message or a part of it.
fn accepted(journal: &Journal) -> usize {
    journal.output.matches("250 2.0.0 Message accepted\n").count()
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(&FRAGMENTS[..]);
    let beginning = prop::sample::select(&["EHLO a.example\r\n", "LHLO a.example\r\n", ""][..]);
    let transaction = "MAIL FROM:<a@b.example>\r\nRCPT TO:<b@c.example>\r\n";
    let opened = prop::sample::select(vec!["".to_owned(), transaction.to_owned()]);
    (beginning, opened, prop::collection::vec(fragment, 0..25)).prop_map(
        |(beginning, opened, fragments)| {
            let text = format!("{beginning}{opened}{}", fragments.concat());
            // One octet outside of UTF-8 stands for a character.
            text.chars().map(|character| character as u8).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_with_any_cut(server in servers(), octets in octets()) {
        // Which of two faults of a message is found first depends on the cut.
        let may_differ = server.small && server.bare == 0;
        let host = server.host();
        let journal = if may_differ { host.receive_once(&octets) } else { host.receive(&octets) };
        let ended = journal.messages.iter().filter(|message| message.fate == Fate::Ended);
        let recipients: usize = ended.clone().map(|message| message.to.len()).sum();
        let most = match (server.policy, server.lmtp) {
            (0 | 1, _) => 0,
            // With PRDR there is one reply more.
            (_, true) => recipients,
            (_, false) => recipients + ended.count(),
        };
        prop_assert!(accepted(&journal) <= most, "{journal:?}");
        if server.lmtp && server.policy == 2 {
            prop_assert_eq!(accepted(&journal), recipients);
        }
        // What is accepted by default has no line end but CRLF, except binary content.
        if server.bare == 0 {
            for message in journal.messages.iter().filter(|one| one.fate == Fate::Ended) {
                let text = String::from_utf8_lossy(&message.content).replace("\r\n", "");
                let is_binary = journal.events.iter().any(|event| event.contains("BINARYMIME"));
                prop_assert!(is_binary || !text.contains(['\r', '\n', '\0']));
            }
        }
    }
}
