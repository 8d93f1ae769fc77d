//! Delivered once, or said to be in doubt: wherever a connection is cut, and whenever the future of a
//! delivery is dropped.
use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use smtp_client::{Envelope, MailData};
use smtp_delivery::{Outcome, Report};
use smtp_testkit::{Rule, Server};

use crate::world::{TEXT, World, deliver};

/// What the hosts have, for each recipient.
fn copies(servers: &[Server], rcpt: &str) -> usize {
    let reports = servers.iter().map(Server::report);
    let has = |report: smtp_testkit::Report| {
        let messages = report.messages().into_iter().map(|message| message.recipients());
        messages.filter(|recipients| recipients.iter().any(|one| one == rcpt)).count()
    };
    reports.map(has).sum()
}

/// What was seen over many deliveries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    delivered: usize,
    in_doubt: usize,
    later: usize,
}

impl Seen {
    /// Holds the report against what the hosts have.
    #[track_caller]
    fn judge(&mut self, report: &Report, servers: &[Server], what: &str) {
        assert_eq!(report.outcomes().len(), report.envelope().rcpts().len());
        for (rcpt, outcome) in report.outcomes() {
            let copies = copies(servers, rcpt.path().as_str());
            assert!(copies <= 1, "{what}: {copies} copies; {outcome}");
            match outcome {
                Outcome::Delivered { .. } => {
                    assert_eq!(copies, 1, "{what}: {outcome}");
                    self.delivered += 1;
                }
                Outcome::InDoubt { .. } => self.in_doubt += 1,
                Outcome::Later { .. } => {
                    assert_eq!(copies, 0, "{what}: {outcome}");
                    self.later += 1;
                }
                other => panic!("{what}: {other}"),
            }
        }
    }
}

/// A domain with so many hosts.
fn world(hosts: u8) -> (World, Vec<Server>) {
    let world = World::default();
    let servers = (1..=hosts).map(|number| {
        let (host, address) = (format!("mx{number}.example.org"), format!("192.0.2.{number}"));
        world.mx("example.org", number.into(), &host).address(&host, &address);
        world.host(&address, Server::builder().offer("PIPELINING"))
    });
    let servers = servers.collect();
    (world, servers)
}

/// The octets of a whole session, both directions together.
const SESSION: usize = 400;

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_anywhere_delivers_once_or_is_in_doubt() {
    let mut seen = Seen::default();
    for octets in 0..=SESSION {
        let (world, servers) = world(2);
        world.cut("192.0.2.1", octets);
        let courier = world.courier(|builder| builder);
        let report = deliver(&courier, &["a@example.org", "b@example.org"]).await;
        seen.judge(&report, &servers, &format!("cut after {octets} octets"));
    }
    // The other host takes what is certainly not accepted by the first.
    assert_eq!(seen.later, 0);
    assert!(seen.delivered > 500 && seen.in_doubt > 20, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn three_hosts_that_are_cut_anywhere_deliver_once_or_are_in_doubt() {
    let mut seen = Seen::default();
    let mut random = fastrand::Rng::with_seed(15);
    for round in 0..300 {
        let (world, servers) = world(3);
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            world.cut(address, random.usize(0..SESSION));
        }
        let courier = world.courier(|builder| builder);
        let report = deliver(&courier, &["a@example.org", "b@example.org"]).await;
        seen.judge(&report, &servers, &format!("round {round}"));
    }
    assert!(seen.delivered > 100 && seen.in_doubt > 20 && seen.later > 50, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_dropped_anywhere_leaves_its_report() {
    let mut seen = Seen::default();
    for polls in 0.. {
        let (world, mut servers) = world(2);
        // A refusal for now, so that the second host is tried too; its replies come one by one.
        let grey = Rule::on("RCPT TO:<b@*").reply("450 4.2.1 later");
        servers[0] = world.host("192.0.2.1", Server::builder().rule(grey));
        let courier = world.courier(|builder| builder);
        let envelope = Envelope::new("s@client.example", ["a@example.org", "b@example.org"]);
        let envelope = envelope.unwrap();
        let finished = {
            let mut delivery = pin!(courier.deliver(&envelope, MailData::new(TEXT).unwrap()));
            let mut left = polls;
            poll_fn(|cx| match (delivery.as_mut().poll(cx), left) {
                (Poll::Ready(report), _) => Poll::Ready(Some(report)),
                (Poll::Pending, 0) => Poll::Ready(None),
                (Poll::Pending, _) => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        // What the hosts have already been sent, they read.
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut interrupted = courier.take_interrupted();
        match (finished, interrupted.pop()) {
            (Some(report), None) => {
                assert!(report.all_delivered(), "{report:?}");
                assert!(seen.in_doubt > 0 && seen.later > 0, "{seen:?}");
                return;
            }
            (None, Some(report)) => seen.judge(&report, &servers, &format!("{polls} polls")),
            other => panic!("{other:?}"),
        }
    }
}
