//! Connections that are kept, limits, hosts that are left alone, and answers that are remembered.
use std::time::Duration;

use futures_util::future::join_all;
use smtp_client::{Envelope, MailData, Rate};
use smtp_delivery::{Answer, DnsFailure, Kind, Outcome, Proof, Reason};
use smtp_testkit::{Rule, Server};
use tokio::time::{Instant, advance};

use crate::world::{TEXT, World, deliver, words};

/// A domain with one host.
fn world() -> World {
    let world = World::default();
    world.mx("example.org", 10, "mx.example.org").address("mx.example.org", "192.0.2.1");
    world
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_and_closed_when_it_was_idle() {
    let world = world();
    let server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    for _ in 0..3 {
        assert!(deliver(&courier, &["a@example.org"]).await.all_delivered());
    }
    let report = deliver(&courier, &["a@example.org"]).await;
    assert!(report.attempts()[0].is_reused, "{report:?}");
    assert_eq!((world.dialed().len(), courier.connections()), (1, 1));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(courier.connections(), 0);
    let report = server.report();
    let dialogue = report.connections()[0].dialogue();
    assert!(dialogue.iter().any(|line| format!("{line:?}").contains("QUIT")), "{dialogue:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_host_closed_meanwhile_costs_nothing() {
    let world = world();
    let idle = "S: 421 4.4.2 idle\n[close]".parse().unwrap();
    let idle = Rule::idle(Duration::from_secs(5)).answer(idle);
    let server = world.host("192.0.2.1", Server::builder().rule(idle));
    let courier = world.courier(|builder| builder);
    for _ in 0..3 {
        assert_eq!(words(&deliver(&courier, &["a@example.org"]).await), ["delivered"]);
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(server.report().messages().len(), 3);
    assert_eq!(world.dialed().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_host_gets_no_more_connections_and_messages_than_the_limits_allow() {
    let world = world();
    let slow = Rule::text().answer("[delay 1s]\nS: 250 ok".parse().unwrap());
    let server = world.host("192.0.2.1", Server::builder().rule(slow));
    let courier =
        world.courier(|builder| builder.connections_per_host(3).messages_per_connection(5));
    let deliveries = (0..40).map(|_| deliver(&courier, &["a@example.org"]));
    let reports = join_all(deliveries).await;
    assert!(reports.iter().all(smtp_delivery::Report::all_delivered));
    let report = server.report();
    assert_eq!(report.messages().len(), 40);
    assert!(report.connections().iter().all(|connection| connection.messages().len() <= 5));
    // Three at a time, of five messages each.
    assert!((8..=10).contains(&world.dialed().len()), "{}", world.dialed().len());
}

#[tokio::test(start_paused = true)]
async fn a_domain_gets_no_more_messages_at_a_time_than_the_limit_allows() {
    let world = World::default();
    for (preference, host) in [(10, "mx1.example.org"), (10, "mx2.example.org")] {
        world.mx("example.org", preference, host);
    }
    world.address("mx1.example.org", "192.0.2.1").address("mx2.example.org", "192.0.2.2");
    let slow = || Rule::text().answer("[delay 1s]\nS: 250 ok".parse().unwrap());
    let _first = world.host("192.0.2.1", Server::builder().rule(slow()));
    let _second = world.host("192.0.2.2", Server::builder().rule(slow()));
    let courier = world.courier(|builder| builder.connections_per_domain(2));
    let began = Instant::now();
    let reports = join_all((0..10).map(|_| deliver(&courier, &["a@example.org"]))).await;
    assert!(reports.iter().all(smtp_delivery::Report::all_delivered));
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_says_too_many_connections_gets_fewer() {
    let world = world();
    let slow = Rule::text().answer("[delay 1s]\nS: 250 ok".parse().unwrap());
    let limit = Rule::connections_above(2).reply("421 4.7.0 too many connections");
    let server = world.host("192.0.2.1", Server::builder().rule(slow).rule(limit));
    let courier = world.courier(|builder| builder.connections_per_host(8));
    let first = join_all((0..20).map(|_| deliver(&courier, &["a@example.org"]))).await;
    let later = first.iter().filter(|report| !report.all_delivered()).count();
    assert!(later <= 6, "{later}");
    let dialed = world.dialed().len();
    let second = join_all((0..20).map(|_| deliver(&courier, &["a@example.org"]))).await;
    assert!(second.iter().all(smtp_delivery::Report::all_delivered));
    assert!(world.dialed().len() <= dialed + 2, "{dialed} {}", world.dialed().len());
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_had_too_many_connections_gets_as_many_again_in_time() {
    let world = world();
    let slow = Rule::text().answer("[delay 1s]\nS: 250 ok".parse().unwrap());
    let limit = Rule::connections_above(1).times(1).reply("421 4.7.0 too many connections");
    let _server = world.host("192.0.2.1", Server::builder().rule(slow).rule(limit));
    let courier = world.courier(|builder| builder.connections_per_host(3));
    let burst = || join_all((0..9).map(|_| deliver(&courier, &["a@example.org"])));
    // One was refused while two were open, or three.
    burst().await;
    let before = Instant::now();
    burst().await;
    assert!(before.elapsed() > Duration::from_secs(3), "{:?}", before.elapsed());
    tokio::time::sleep(60 * MINUTE).await;
    burst().await;
    let after = Instant::now();
    burst().await;
    assert_eq!(after.elapsed(), Duration::from_secs(3));
    assert_eq!(world.most_open(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_counts_until_its_session_has_ended() {
    let world = world();
    let slow = Rule::on("QUIT").answer("[delay 2s]\n[usual]".parse().unwrap());
    let server = world.host("192.0.2.1", Server::builder().rule(slow));
    let courier =
        world.courier(|builder| builder.connections_per_host(2).messages_per_connection(1));
    let reports = join_all((0..10).map(|_| deliver(&courier, &["a@example.org"]))).await;
    assert!(reports.iter().all(smtp_delivery::Report::all_delivered));
    assert_eq!((server.report().messages().len(), world.most_open()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_a_host_is_kept() {
    let world = world();
    let _server = world.host("192.0.2.1", Server::builder());
    let rate = Rate::new(10, MINUTE);
    let courier = world.courier(|builder| builder.rate_per_host(rate));
    let began = Instant::now();
    join_all((0..40).map(|_| deliver(&courier, &["a@example.org"]))).await;
    // Ten at once, and the other thirty at six seconds each.
    let took = began.elapsed().as_secs();
    assert!((179..=181).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn durations_without_end_are_no_fault() {
    let world = world();
    world.mx("dead.example", 10, "mx.dead.example").address("mx.dead.example", "192.0.2.9");
    let _server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| {
        builder
            .idle_timeout(Duration::MAX)
            .host_deferral(Duration::MAX, Duration::MAX)
            .lookup_timeout(Duration::MAX)
            .rate_per_host(Rate::new(2, Duration::MAX))
    });
    for _ in 0..2 {
        let report = deliver(&courier, &["a@example.org", "b@dead.example"]).await;
        assert_eq!(words(&report), ["delivered", "later"]);
    }
    assert_eq!(world.dialed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_host_costs_one_attempt_per_period() {
    let world = world();
    let courier = world.courier(|builder| builder.host_deferral(5 * MINUTE, 60 * MINUTE));
    let reports = join_all((0..50).map(|_| deliver(&courier, &["a@example.org"]))).await;
    assert_eq!(world.dialed().len(), 1);
    for report in reports {
        let (_, outcome) = report.outcomes().next().unwrap();
        let Outcome::Later { reason, retry_after } = outcome else { panic!("{outcome}") };
        match reason {
            Reason::HostDeferred { .. } => assert!(*retry_after <= 5 * MINUTE),
            reason => assert!(matches!(reason, Reason::Error(_)), "{reason}"),
        }
    }
    // After 5, 15, 35, 75 and 135 minutes.
    for minute in 1..=140_usize {
        advance(MINUTE).await;
        deliver(&courier, &["a@example.org"]).await;
        let expected = 1 + [5, 15, 35, 75, 135].iter().filter(|after| **after <= minute).count();
        assert_eq!(world.dialed().len(), expected, "minute {minute}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_remembered_for_their_time() {
    let world = world();
    let _server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    join_all((0..100).map(|_| deliver(&courier, &["a@example.org"]))).await;
    assert_eq!(world.zone.asked("example.org", Kind::Mx), 1);
    assert_eq!(world.zone.asked("mx.example.org", Kind::A), 1);
    advance(6 * MINUTE).await;
    deliver(&courier, &["a@example.org"]).await;
    assert_eq!(world.zone.asked("example.org", Kind::Mx), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_fails_is_named_and_not_repeated_at_once() {
    let world = World::default();
    world.zone.set("servfail.example", Kind::Mx, Err(DnsFailure::Refused("SERVFAIL".into())));
    world.zone.hang("hangs.example", Kind::Mx);
    let bogus = Answer::new([], 5 * MINUTE, Proof::Bogus);
    world.zone.set("bogus.example", Kind::Mx, Ok(bogus));
    let courier = world.courier(|builder| builder);
    for (domain, text) in [
        (
            "servfail.example",
            "DNS lookup of MX servfail.example failed: the name server answered SERVFAIL",
        ),
        ("hangs.example", "DNS lookup of MX hangs.example failed: no name server answered in time"),
        (
            "bogus.example",
            "DNS lookup of MX bogus.example failed: the answer is bogus: its DNSSEC signatures are \
             wrong or missing",
        ),
    ] {
        let rcpt = format!("a@{domain}");
        for _ in 0..3 {
            let report = deliver(&courier, &[&rcpt]).await;
            let (_, outcome) = report.outcomes().next().unwrap();
            assert!(matches!(outcome, Outcome::Later { reason: Reason::Dns(_), .. }));
            assert_eq!(outcome.to_string(), format!("not delivered yet: {text}"));
        }
        assert_eq!(world.zone.asked(domain, Kind::Mx), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn domains_with_the_same_hosts_share_a_transaction() {
    let world = world();
    world.mx("example.net", 10, "mx.example.org");
    world.mx("example.com", 20, "mx.example.org");
    let server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    let rcpts = ["a@example.org", "b@EXAMPLE.net", "c@example.com", "d@[192.0.2.1]"];
    let report = deliver(&courier, &rcpts).await;
    assert!(report.all_delivered(), "{report:?}");
    let report = server.report();
    let mut recipients: Vec<_> =
        report.messages().iter().map(|message| message.recipients().join(" ")).collect();
    recipients.sort();
    // The preference of the third differs, and an address literal has no MX records.
    assert_eq!(recipients, ["a@example.org b@EXAMPLE.net", "c@example.com", "d@[192.0.2.1]"]);
}

#[tokio::test(start_paused = true)]
async fn many_recipients_take_several_transactions_on_one_connection() {
    let world = world();
    let server = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    let rcpts: Vec<_> = (0..250).map(|number| format!("u{number}@example.org")).collect();
    let envelope = Envelope::new("s@client.example", rcpts).unwrap();
    let report = courier.deliver(&envelope, MailData::new(TEXT).unwrap()).await;
    assert!(report.all_delivered());
    let counts: Vec<_> =
        server.report().messages().iter().map(|message| message.rcpts().len()).collect();
    assert_eq!(counts, [100, 100, 50]);
    assert_eq!(world.dialed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn families_take_turns_and_hosts_and_addresses_have_limits() {
    let world = World::default();
    for number in 0..50 {
        let host = format!("mx{number}.example.org");
        world.mx("example.org", number, &host);
        for last in 0..50 {
            world.address(&host, &format!("192.0.2.{last}"));
            world.address(&host, &format!("2001:db8::{number}:{last}"));
        }
    }
    let courier = world.courier(|builder| builder.attempts(6).addresses_per_host(3));
    let report = deliver(&courier, &["a@example.org"]).await;
    assert_eq!(words(&report), ["later"]);
    assert_eq!(
        world.dialed(),
        [
            "2001:db8::",
            "192.0.2.0",
            "2001:db8::1",
            "2001:db8::1:0",
            "2001:db8::1:1",
            "2001:db8::2:0",
        ],
    );
    assert!(world.zone.lookups() < 20, "{}", world.zone.lookups());
}

#[tokio::test(start_paused = true)]
async fn the_limits_that_a_host_states_are_kept() {
    for limits in
        ["MAILMAX=2", "RCPTMAX=3", "RCPTDOMAINMAX=1", "MAILMAX=1 RCPTMAX=2 RCPTDOMAINMAX=1"]
    {
        let world = world();
        world.mx("example.net", 10, "mx.example.org");
        let server = world.host("192.0.2.1", Server::builder().offer(&format!("LIMITS {limits}")));
        let courier = world.courier(|builder| builder);
        let rcpts: Vec<_> = (0..10)
            .map(|number| format!("u{number}@example.{}", if number < 6 { "org" } else { "net" }))
            .collect();
        let rcpts: Vec<_> = rcpts.iter().map(String::as_str).collect();
        for round in 0..3 {
            let report = deliver(&courier, &rcpts).await;
            assert!(report.all_delivered(), "{limits}, round {round}: {report:?}");
        }
        let report = server.report();
        let copies: usize = report.messages().iter().map(|message| message.rcpts().len()).sum();
        assert_eq!(copies, 30, "{limits}");
        let largest = report.messages().iter().map(|message| message.rcpts().len()).max();
        assert_eq!(largest <= Some(3), limits.contains("RCPTMAX"), "{limits}: {largest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_closes_at_the_next_message_is_asked_again() {
    let world = world();
    let closing = "S: 421 4.7.0 too many messages\n[close]".parse().unwrap();
    let limit =
        Rule::on("MAIL *").counted(smtp_testkit::Scope::Connection).after(2).answer(closing);
    let server = world.host("192.0.2.1", Server::builder().rule(limit));
    let courier = world.courier(|builder| builder);
    for _ in 0..7 {
        assert_eq!(words(&deliver(&courier, &["a@example.org"]).await), ["delivered"]);
    }
    assert_eq!((server.report().messages().len(), world.dialed().len()), (7, 4));
}
