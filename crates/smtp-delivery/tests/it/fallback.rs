//! Which hosts are tried, and when the next one follows.
use smtp_delivery::{NoRoute, Outcome};
use smtp_testkit::{Rule, Server};

use crate::world::{World, deliver, words};

fn two_hosts() -> World {
    let world = World::default();
    world.mx("example.org", 10, "mx1.example.org").mx("example.org", 20, "mx2.example.org");
    world.address("mx1.example.org", "192.0.2.1").address("mx2.example.org", "192.0.2.2");
    world
}

/// Delivers to a domain whose first host answers as the rule says. Returns the outcome in a word, the
/// addresses that were connected to, and the number of messages that each host has.
async fn first_host_answers(rule: Rule) -> (Vec<&'static str>, Vec<String>, [usize; 2]) {
    let world = two_hosts();
    let first = world.host("192.0.2.1", Server::builder().rule(rule));
    let second = world.host("192.0.2.2", Server::builder());
    let report = deliver(&world.courier(|builder| builder), &["bob@example.org"]).await;
    let counts = [&first, &second].map(|host| host.report().messages().len());
    (words(&report), world.dialed(), counts)
}

#[tokio::test(start_paused = true)]
async fn the_host_with_the_lowest_preference_is_tried_first() {
    let world = two_hosts();
    let first = world.host("192.0.2.1", Server::builder());
    let report = deliver(&world.courier(|builder| builder), &["bob@example.org"]).await;
    assert_eq!(words(&report), ["delivered"], "{report:?}");
    assert_eq!(world.dialed(), ["192.0.2.1"]);
    assert_eq!(first.report().messages().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_host_is_tried_for_what_was_certainly_not_accepted() {
    for (what, rule) in [
        ("greeting 421", Rule::greeting().answer("S: 421 4.3.2 busy\n[close]".parse().unwrap())),
        ("greeting 554", Rule::greeting().answer("S: 554 no service\n[close]".parse().unwrap())),
        ("no greeting", Rule::greeting().answer("[stall]".parse().unwrap())),
        ("EHLO lost", Rule::on("EHLO *").answer("[close]".parse().unwrap())),
        ("MAIL 4yz", Rule::on("MAIL *").reply("451 4.3.0 later")),
        ("MAIL lost", Rule::on("MAIL *").answer("[reset]".parse().unwrap())),
        ("RCPT 4yz", Rule::on("RCPT *").reply("450 4.2.1 later")),
        ("RCPT silent", Rule::on("RCPT *").answer("[stall]".parse().unwrap())),
        ("DATA 4yz", Rule::on("DATA").reply("451 4.3.0 later")),
        ("text 4yz", Rule::text().reply("451 4.3.0 later")),
    ] {
        let (outcome, dialed, [_, second]) = first_host_answers(rule).await;
        assert_eq!(outcome, ["delivered"], "{what}");
        assert_eq!(dialed.last().unwrap(), "192.0.2.2", "{what}");
        assert_eq!(second, 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_stands() {
    for rule in [
        Rule::on("MAIL *").reply("550 5.7.1 no"),
        Rule::on("RCPT *").reply("550 5.1.1 no such user"),
        Rule::text().reply("554 5.6.0 no"),
    ] {
        let (outcome, dialed, [_, second]) = first_host_answers(rule).await;
        assert_eq!((outcome, second), (vec!["refused"], 0));
        assert_eq!(dialed, ["192.0.2.1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_goes_to_no_other_host() {
    for answer in ["[close]", "[reset]", "[stall]"] {
        let rule = Rule::text().answer(answer.parse().unwrap());
        let (outcome, dialed, [first, second]) = first_host_answers(rule).await;
        assert_eq!((outcome, first, second), (vec!["in doubt"], 1, 0), "{answer}");
        assert_eq!(dialed, ["192.0.2.1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_reason_why_there_is_no_route_is_its_own() {
    let world = World::default();
    world.mx("null.example", 0, ".");
    world.mx("nohost.example", 10, "mx.nohost.example");
    world.mx("loop.example", 10, "client.example");
    world.mx("odd.example", 10, "m\\000x.odd.example");
    let courier = world.courier(|builder| builder);
    for (rcpt, expected) in [
        ("a@nowhere.example", NoRoute::NoSuchDomain),
        ("a@null.example", NoRoute::NullMx),
        ("a@nohost.example", NoRoute::NoHost),
        ("a@odd.example", NoRoute::NoHost),
        ("a@loop.example", NoRoute::Loop),
        ("postmaster", NoRoute::NoDomain),
    ] {
        let report = deliver(&courier, &[rcpt]).await;
        let (_, outcome) = report.outcomes().next().unwrap();
        assert!(
            matches!(outcome, Outcome::NoRoute(no_route) if *no_route == expected),
            "{rcpt}: {outcome}"
        );
    }
    assert_eq!(world.dialed(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_left_alone_uses_up_no_attempts() {
    let world = World::default();
    world.mx("example.org", 10, "mx1.example.org").mx("example.org", 20, "mx2.example.org");
    for last in 11..=15 {
        world.address("mx1.example.org", &format!("192.0.2.{last}"));
    }
    world.address("mx2.example.org", "192.0.2.2");
    let _second = world.host("192.0.2.2", Server::builder());
    let courier = world.courier(|builder| builder);
    assert_eq!(words(&deliver(&courier, &["a@example.org"]).await), ["later"]);
    assert_eq!(world.dialed().len(), 5);
    assert_eq!(words(&deliver(&courier, &["a@example.org"]).await), ["delivered"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_every_host_fails_for_good_and_not_before() {
    let closed = || Rule::greeting().answer("S: 554 5.3.2 no service\n[close]".parse().unwrap());
    for (attempts, outcome) in [(5, "refused"), (1, "later")] {
        let world = two_hosts();
        let _first = world.host("192.0.2.1", Server::builder().rule(closed()));
        let _second = world.host("192.0.2.2", Server::builder().rule(closed()));
        let courier = world.courier(|builder| builder.attempts(attempts));
        let report = deliver(&courier, &["a@example.org"]).await;
        assert_eq!(words(&report), [outcome], "{attempts} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canceled_delivery_says_nothing_final_of_hosts_that_were_not_tried() {
    let world = two_hosts();
    let closed = "S: 554 5.3.2 no service\n[close]".parse().unwrap();
    let _first = world.host("192.0.2.1", Server::builder().rule(Rule::greeting().answer(closed)));
    let stalls = Rule::greeting().answer("[stall]".parse().unwrap());
    let _second = world.host("192.0.2.2", Server::builder().rule(stalls));
    let courier = world.courier(|builder| builder);
    let limit = std::time::Duration::from_secs(10);
    let canceled = tokio::time::timeout(limit, deliver(&courier, &["a@example.org"])).await;
    assert!(canceled.is_err());
    let reports = courier.take_interrupted();
    assert_eq!(words(&reports[0]), ["later"], "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn a_content_that_cannot_be_read_now_is_delivered_later() {
    let world = two_hosts();
    let first = world.host("192.0.2.1", Server::builder());
    let courier = world.courier(|builder| builder);
    let envelope = smtp_client::Envelope::new("s@client.example", ["a@example.org"]).unwrap();
    let unreadable = smtp_delivery::ContentSource::opened_by(|| {
        Err(std::io::Error::from(std::io::ErrorKind::NotFound))
    });
    let report = courier.deliver(&envelope, unreadable).await;
    assert_eq!((words(&report), world.dialed().len()), (vec!["later"], 1));
    assert_eq!(first.report().messages().len(), 0);
}
