//! Tests of the store: limits, filters, changes and waits.

use super::*;

fn message(to: &str, subject: &str, text: &str) -> NewMessage {
    let content = format!(
        "From: Alice <alice@example.org>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n"
    );
    NewMessage {
        received: SystemTime::UNIX_EPOCH,
        protocol: Protocol::Smtp,
        listener: 0,
        connection: 0,
        reverse_path: "bounces@example.org".to_owned(),
        forward_paths: vec![to.to_owned()],
        mail: "MAIL FROM:<bounces@example.org>".to_owned(),
        rcpts: vec![format!("RCPT TO:<{to}>")],
        octets: Bytes::from(content),
        tls: None,
        user: None,
        findings: Vec::new(),
    }
}

fn bob(subject: &str) -> NewMessage {
    message("bob@example.org", subject, "Hello.")
}

fn store(messages: usize, octets: usize) -> Store {
    Store::new(Limits { messages, octets })
}

#[track_caller]
fn check_ids(found: &[Arc<Stored>], ids: &[u64]) {
    assert_eq!(found.iter().map(|stored| stored.id).collect::<Vec<_>>(), ids);
}

#[test]
fn the_oldest_messages_are_dropped_when_there_are_too_many() {
    let store = store(2, 1 << 20);
    let mut changes = store.subscribe();
    for subject in ["one", "two", "three"] {
        store.add(bob(subject));
    }
    check_ids(&store.list(&Filter::default(), 10, None).messages, &[3, 2]);
    assert!(store.get(1).is_none());
    let counts = store.counts();
    assert_eq!((counts.stored, counts.received, counts.dropped), (2, 3, 1));
    let seen: Vec<Change> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    let removed = Change::Removed(vec![1]);
    assert_eq!(seen, [Change::Added(1), Change::Added(2), removed, Change::Added(3)]);
}

#[test]
fn the_oldest_messages_are_dropped_when_they_are_too_large() {
    let large = message("bob@example.org", "large", &"x".repeat(10_000));
    let store = store(100, 2 * large.cost() + 100);
    store.add(large.clone());
    store.add(large.clone());
    store.add(bob("small"));
    check_ids(&store.list(&Filter::default(), 10, None).messages, &[3, 2]);
    assert_eq!(store.counts().octets, large.cost() + bob("small").cost());
    store.clear();
    assert_eq!(store.counts().octets, 0);
}

#[test]
fn a_message_above_the_limit_drops_no_other() {
    let store = store(100, 5_000);
    store.add(bob("small"));
    store.add(message("bob@example.org", "large", &"x".repeat(10_000)));
    check_ids(&store.list(&Filter::default(), 10, None).messages, &[1]);
    assert_eq!(store.counts().dropped, 1);
}

#[test]
fn pages_go_from_the_newest_to_the_oldest() {
    let store = store(100, 1 << 20);
    for number in 0..5 {
        store.add(bob(if number % 2 == 0 { "even" } else { "odd" }));
    }
    let all = Filter::default();
    let even = Filter::default().subject("EVEN");
    let page = store.list(&all, 2, None);
    assert_eq!(page.total, 5);
    check_ids(&page.messages, &[5, 4]);
    check_ids(&store.list(&all, 2, Some(4)).messages, &[3, 2]);
    check_ids(&store.list(&all, 2, Some(1)).messages, &[]);
    check_ids(&store.list(&even, 2, None).messages, &[5, 3]);
    let page = store.list(&even, 2, Some(3));
    assert_eq!(page.total, 3);
    check_ids(&page.messages, &[1]);
}

#[test]
fn filters() {
    #[track_caller]
    fn check(filter: Filter, fits: bool) {
        let store = store(1, 1 << 20);
        let content = message("bob@example.org", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Your code: 4711");
        let stored = store.add(content);
        assert_eq!(filter.fits(&stored), fits, "{filter:?}");
    }
    let new = Filter::default;
    check(new(), true);
    check(new().to("Bob@Example.org"), true);
    check(new().to("@example.org"), true);
    check(new().to("bob@"), true);
    // A whole address is compared as a whole.
    check(new().to("ob@example.org"), false);
    check(new().from("bounces@example.org"), true);
    check(new().from("alice@example.org"), true);
    check(new().from("Alice"), true);
    check(new().from("lice@example.org"), false);
    check(new().from("bob@example.org"), false);
    check(new().subject("grüße"), true);
    check(new().subject("utf-8"), false);
    check(new().text("CODE: 47"), true);
    check(new().text("Subject"), false);
    check(new().search("4711 GRÜSSE"), false);
    check(new().search("4711 grüße alice bounces"), true);
    check(new().to("bob").subject("nothing"), false);
}

#[test]
fn removed_messages_are_gone() {
    let store = store(100, 1 << 20);
    for subject in ["one", "two", "three", "two"] {
        store.add(bob(subject));
    }
    assert!(store.remove(1));
    assert!(!store.remove(1));
    assert_eq!(store.remove_fitting(&Filter::default().subject("two")), 2);
    check_ids(&store.list(&Filter::default(), 10, None).messages, &[3]);
    assert_eq!(store.counts().octets, bob("three").cost());
    assert_eq!(store.clear(), 1);
    assert_eq!(store.counts().stored, 0);
}

#[test]
fn numbers_are_not_used_again() {
    let store = store(100, 1 << 20);
    store.add(bob("one"));
    store.clear();
    assert_eq!(store.add(bob("two")).id, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_message_that_completes_it() {
    let store = store(100, 1 << 20);
    store.add(bob("code"));
    let filter = Filter::default().subject("code");
    let (waited, ()) = tokio::join!(store.wait(&filter, 2, Duration::from_secs(10)), async {
        tokio::time::advance(Duration::from_secs(1)).await;
        store.add(bob("other"));
        store.add(bob("code"));
    });
    let Waited::Enough(messages) = waited else { panic!("{waited:?}") };
    check_ids(&messages, &[3, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_takes_too_long_has_what_fits() {
    let store = store(100, 1 << 20);
    store.add(bob("one"));
    let filter = Filter::default();
    let (waited, ()) = tokio::join!(store.wait(&filter, 2, Duration::from_secs(10)), async {
        tokio::time::advance(Duration::from_secs(1)).await;
        store.clear();
        store.add(bob("two"));
    });
    let Waited::TimedOut(messages) = waited else { panic!("{waited:?}") };
    check_ids(&messages, &[2]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_slow_task_misses_nothing() {
    let store = store(100_000, 1 << 30);
    let filter = Filter::default().subject("last");
    let wait = store.wait(&filter, 1, Duration::from_secs(10));
    let (waited, ()) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        store.add(bob("last"));
        // More than a subscriber may lag.
        for _ in 0..CHANGES + 10 {
            store.add(bob("other"));
        }
    });
    let Waited::Enough(messages) = waited else { panic!("{waited:?}") };
    check_ids(&messages, &[1]);
}
