//! Policies over time: announced, changed, withdrawn, blocked.
use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use tokio::{task::JoinSet, time::advance};

use crate::Answer;

use super::*;

const DAY: Duration = Duration::from_secs(86400);
const MINUTE: Duration = Duration::from_secs(60);

/// A domain: its DNS and its policy host.
struct World {
    texts: Mutex<Result<Vec<&'static str>, DnsFailure>>,
    proof: Mutex<Proof>,
    policy: Mutex<Result<String, FetchError>>,
    /// How long a fetch takes.
    delay: Mutex<Duration>,
    fetches: AtomicUsize,
    policies: Policies,
}

impl Resolve for World {
    async fn lookup(&self, name: &Name, kind: Kind) -> Result<Answer, DnsError> {
        assert_eq!((name.as_str().starts_with("_mta-sts."), kind), (true, Kind::Txt));
        match &*self.texts.lock().unwrap() {
            Ok(texts) => {
                let records = texts.iter().map(|text| Record::Txt(text.as_bytes().to_vec()));
                Ok(Answer::new(records, Duration::ZERO, *self.proof.lock().unwrap()))
            }
            Err(failure) => Err(DnsError::new(name.clone(), kind, failure.clone())),
        }
    }
}

impl FetchPolicy for World {
    async fn fetch(&self, _: &Name) -> Result<Bytes, FetchError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        self.policy.lock().unwrap().clone().map(Bytes::from)
    }
}

const FIRST: &str = "v=STSv1; id=1;";
const SECOND: &str = "v=STSv1; id=2;";

/// A policy for this host and this many seconds.
fn text(host: &str, max_age: Duration) -> String {
    let max_age = max_age.as_secs();
    format!("version: STSv1\nmode: enforce\nmx: {host}.example\nmax_age: {max_age}\n")
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

impl World {
    /// A domain that announces a policy of ten days with the host `a`.
    fn new() -> Self {
        Self {
            texts: Mutex::new(Ok(vec![FIRST])),
            proof: Mutex::new(Proof::Insecure),
            policy: Mutex::new(Ok(text("a", 10 * DAY))),
            delay: Mutex::default(),
            fetches: AtomicUsize::new(0),
            policies: Policies::new(100),
        }
    }

    fn announces(&self, texts: &[&'static str]) {
        *self.texts.lock().unwrap() = Ok(texts.to_vec());
    }

    fn publishes(&self, policy: Result<String, FetchError>) {
        *self.policy.lock().unwrap() = policy;
    }

    fn takes(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    async fn find(&self) -> Found {
        self.policies.find(self, self, &name("example")).await
    }

    /// Checks which host is permitted, what is reported, and how many fetches there were in all.
    async fn check(&self, host: Option<&str>, problem: Option<ResultType>, fetches: usize) {
        let found = self.find().await;
        let hosts = found.policy.as_ref().map(|policy| policy.patterns()[0].to_string());
        assert_eq!(hosts, host.map(|host| format!("{host}.example")));
        assert_eq!(found.problem.as_ref().map(StsProblem::result_type), problem);
        assert_eq!(self.fetches.load(Ordering::Relaxed), fetches, "fetches");
    }
}

use ResultType::{StsPolicyFetchError as NotFetched, StsPolicyInvalid as Invalid};

#[tokio::test(start_paused = true)]
async fn a_domain_that_announces_nothing_has_no_policy() {
    let world = World::new();
    world.announces(&["v=spf1 -all"]);
    world.check(None, None, 0).await;
    assert_eq!(world.policies.domains.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_domain_with_the_longest_name_has_no_policy() {
    let world = World::new();
    let longest = name(&"a.".repeat(127));
    for domain in [name("."), longest] {
        let found = world.policies.find(&world, &world, &domain).await;
        assert!(found.policy.is_none() && found.problem.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_fetched_once_while_its_identifier_stays() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    world.publishes(Ok(text("b", DAY)));
    advance(5 * DAY - MINUTE).await;
    world.check(Some("a"), None, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_identifier_replaces_the_policy() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    world.announces(&[SECOND]);
    world.publishes(Ok(text("b", DAY)));
    world.check(Some("b"), None, 2).await;
    world.check(Some("b"), None, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_past_half_of_its_life_is_refreshed() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    world.publishes(Ok(text("b", 10 * DAY)));
    advance(5 * DAY).await;
    world.check(Some("b"), None, 2).await;
    advance(5 * DAY - MINUTE).await;
    world.check(Some("b"), None, 2).await;
}

/// Whatever is done to the DNS does not undo a policy before it expires.
#[tokio::test(start_paused = true)]
async fn a_policy_holds_while_it_is_not_announced() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    for left in [10 * DAY - MINUTE, MINUTE] {
        let host = (left > MINUTE).then_some("a");
        if left == MINUTE {
            advance(10 * DAY).await;
        }
        *world.texts.lock().unwrap() = Err(DnsFailure::TimedOut);
        world.check(host, Some(NotFetched), 1).await;
        world.announces(&[FIRST, FIRST]);
        world.check(host, Some(Invalid), 1).await;
        world.announces(&["v=STSv1; id=?"]);
        world.check(host, Some(Invalid), 1).await;
        world.announces(&[]);
        world.check(host, None, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bogus_record_is_not_used() {
    let world = World::new();
    *world.proof.lock().unwrap() = Proof::Bogus;
    let problem = world.find().await.problem;
    assert!(
        matches!(problem, Some(StsProblem::Dns(DnsError { failure: DnsFailure::Bogus, .. }))),
        "{problem:?}"
    );
    world.check(None, Some(NotFetched), 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_holds_while_its_successor_cannot_be_fetched() {
    for (published, problem) in
        [(Err(FetchError::Status(404)), NotFetched), (Ok("<html>".to_owned()), Invalid)]
    {
        let world = World::new();
        world.check(Some("a"), None, 1).await;
        world.announces(&[SECOND]);
        world.publishes(published);
        world.check(Some("a"), Some(problem), 2).await;
        world.check(Some("a"), Some(problem), 2).await;
        advance(10 * DAY).await;
        world.check(None, Some(problem), 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_holds_while_it_cannot_be_refreshed() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    world.publishes(Err(FetchError::TimedOut));
    advance(5 * DAY).await;
    world.check(Some("a"), Some(NotFetched), 2).await;
    advance(5 * DAY - Duration::from_secs(1)).await;
    world.check(Some("a"), Some(NotFetched), 3).await;
    advance(Duration::from_secs(1)).await;
    world.check(None, Some(NotFetched), 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_failed_is_not_repeated_for_five_minutes() {
    let world = World::new();
    world.publishes(Err(FetchError::Status(503)));
    world.check(None, Some(NotFetched), 1).await;
    world.publishes(Ok(text("a", DAY)));
    advance(5 * MINUTE - Duration::from_secs(1)).await;
    world.check(None, Some(NotFetched), 1).await;
    advance(Duration::from_secs(1)).await;
    world.check(Some("a"), None, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_for_another_identifier_is_repeated_after_one_minute() {
    let world = World::new();
    world.publishes(Err(FetchError::Status(503)));
    world.check(None, Some(NotFetched), 1).await;
    world.announces(&[SECOND]);
    world.publishes(Ok(text("a", DAY)));
    advance(MINUTE - Duration::from_secs(1)).await;
    world.check(None, Some(NotFetched), 1).await;
    advance(Duration::from_secs(1)).await;
    world.check(Some("a"), None, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_a_lifetime_is_not_fetched_for_each_message() {
    let world = World::new();
    world.publishes(Ok(text("a", Duration::ZERO)));
    for _ in 0..10 {
        world.check(Some("a"), None, 1).await;
    }
    world.announces(&[]);
    advance(5 * MINUTE).await;
    world.check(None, None, 1).await;
}

/// Starts this many lookups at once.
fn crowd(world: &Arc<World>, size: usize) -> JoinSet<Found> {
    let mut tasks = JoinSet::new();
    for _ in 0..size {
        let world = world.clone();
        tasks.spawn(async move { world.find().await });
    }
    tasks
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_at_once_fetch_once() {
    for published in [Ok(text("a", DAY)), Err(FetchError::TimedOut)] {
        let world = Arc::new(World::new());
        let has_policy = published.is_ok();
        world.publishes(published);
        world.takes(MINUTE);
        for found in crowd(&world, 1000).join_all().await {
            assert_eq!((found.policy.is_some(), found.problem.is_none()), (has_policy, has_policy));
        }
        assert_eq!(world.fetches.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_delays_no_other_message() {
    let world = Arc::new(World::new());
    world.check(Some("a"), None, 1).await;
    world.takes(MINUTE);
    advance(6 * DAY).await;
    let start = Instant::now();
    let mut crowd = crowd(&world, 100);
    for _ in 0..99 {
        assert!(crowd.join_next().await.unwrap().unwrap().policy.is_some());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(crowd.join_next().await.unwrap().unwrap().policy.is_some());
    assert_eq!((start.elapsed() >= MINUTE, world.fetches.load(Ordering::Relaxed)), (true, 2));
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_is_dropped_leaves_no_lock() {
    let world = World::new();
    world.takes(MINUTE);
    {
        let mut dropped = pin!(world.find());
        poll_fn(|context| {
            assert!(dropped.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    world.check(Some("a"), None, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_never_ends_is_given_up() {
    let world = World::new();
    world.takes(1000 * DAY);
    let start = Instant::now();
    world.check(None, Some(NotFetched), 1).await;
    assert!(start.elapsed() < 3 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_domains_is_bounded() {
    let world = World::new();
    for number in 0..1000 {
        let domain = name(&format!("{number}.example"));
        assert!(world.policies.find(&world, &world, &domain).await.policy.is_some());
    }
    let kept = world.policies.domains.len();
    assert!((50..=150).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn a_policy_outlives_the_program() {
    let before = World::new();
    before.check(Some("a"), None, 1).await;
    advance(DAY).await;
    let stopped = UNIX_EPOCH + 1000 * DAY;
    let [stored] = &before.policies.export(stopped)[..] else { panic!("one policy") };
    assert_eq!((stored.domain().as_str(), stored.id()), ("example", "1"));
    assert_eq!(stored.expires(), 1009 * DAY.as_secs());
    let (domain, text) = (stored.domain().clone(), stored.policy().to_string());
    let read = StoredPolicy::new(domain, stored.id(), &text, stored.expires()).unwrap();
    assert_eq!(&read, stored);

    let after = World::new();
    after.announces(&[]);
    after.policies.import([read.clone()], stopped + 2 * DAY);
    after.check(Some("a"), None, 0).await;
    // Two days after the start, half of the ten days are over.
    after.announces(&[FIRST]);
    advance(2 * DAY - MINUTE).await;
    after.check(Some("a"), None, 0).await;
    advance(MINUTE).await;
    after.check(Some("a"), None, 1).await;

    let late = World::new();
    late.announces(&[]);
    late.policies.import([read], stopped + 9 * DAY);
    late.check(None, None, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_stored_policy_replaces_none_that_is_held() {
    let world = World::new();
    world.check(Some("a"), None, 1).await;
    let text = text("b", DAY);
    let stored = StoredPolicy::new(name("example"), "1", &text, u64::MAX).unwrap();
    world.policies.import([stored.clone()], UNIX_EPOCH);
    world.check(Some("a"), None, 1).await;

    // A clock that was wrong does not make a policy eternal.
    let other = World::new();
    other.announces(&[]);
    other.policies.import([stored], UNIX_EPOCH);
    other.check(Some("b"), None, 0).await;
    advance(StsPolicy::MAX_AGE).await;
    other.check(None, None, 0).await;
}

#[test]
fn problems_are_reported_by_their_kind() {
    let certificate = FetchError::Certificate(smtp_error::Cause::new(std::fmt::Error));
    for (problem, kind) in [
        (certificate.into(), ResultType::StsWebPkiInvalid),
        (FetchError::MediaType.into(), NotFetched),
        (InvalidStsPolicy::Version.into(), Invalid),
        (StsProblem::from(InvalidStsRecord::NoId), Invalid),
    ] {
        assert_eq!(problem.result_type(), kind);
    }
}
