//! Races without sockets: time is a number.
use super::*;

fn addresses(hosts: &str) -> Vec<SocketAddr> {
    hosts.split_whitespace().map(|host| SocketAddr::new(host.parse().unwrap(), 25)).collect()
}

/// What happens to the attempt to one address: after so many milliseconds it succeeds or fails.
#[derive(Clone, Copy)]
enum Fate {
    Connects(u64),
    Fails(u64),
    Hangs,
}
use Fate::{Connects, Fails, Hangs};

/// The fate of an attempt, and when it was started.
type Under = (Fate, Instant);

fn over((fate, began): &Under) -> Option<(Instant, bool)> {
    match *fate {
        Connects(after) => Some((*began + Duration::from_millis(after), true)),
        Fails(after) => Some((*began + Duration::from_millis(after), false)),
        Hangs => None,
    }
}

fn limit(began: Instant, now: Instant, operation: Option<u64>) -> Limit {
    let step = now + Duration::from_secs(30);
    let ends = operation.map(|millis| began + Duration::from_millis(millis));
    match ends.filter(|ends| *ends <= step) {
        Some(at) => Limit { at, expired: Broken::Deadline { limit: at - began } },
        None => Limit { at: step, expired: Broken::TimedOut { after: Duration::from_secs(30) } },
    }
}

/// The result of a race: the address that won, or how each attempt failed; when that was, in
/// milliseconds; and when each attempt started.
fn run(
    order: Order,
    fates: &[Fate],
    operation: Option<u64>,
) -> (Result<usize, Broken>, u64, Vec<u64>) {
    let began = Instant::now();
    let since = |now: Instant| u64::try_from((now - began).as_millis()).unwrap();
    let addresses = (0..fates.len()).map(|n| SocketAddr::from(([192, 0, 2, n as u8], 25)));
    let mut race = Race::<(usize, Under)>::new(addresses, order);
    let (mut now, mut starts, mut number) = (began, Vec::new(), 0);
    loop {
        while let Some(address) = race.due(now) {
            starts.push(since(now));
            race.started(address, (number, (fates[number], now)), limit(began, now, operation));
            number += 1;
        }
        let Some(wake) = race.wakes_at() else {
            return (Err(race.into_broken()), since(now), starts);
        };
        let ends = race.running().enumerate().filter_map(|(place, (number, under))| {
            over(under).map(|(at, connected)| (at, place, *number, connected))
        });
        match ends.min().filter(|(at, ..)| *at <= wake) {
            Some((at, place, number, true)) => {
                assert_eq!(race.won(place).0, number);
                return (Ok(number), since(at), starts);
            }
            Some((at, place, ..)) => {
                now = at;
                race.failed(place, io::Error::from(io::ErrorKind::ConnectionRefused).into());
            }
            None => {
                now = wake;
                race.expire(now);
            }
        }
    }
}

#[track_caller]
fn check(order: Order, fates: &[Fate], winner: Option<usize>, took: u64, starts: &[u64]) {
    let (won, when, started) = run(order, fates, None);
    assert_eq!((won.ok(), when, &started[..]), (winner, took, starts));
}

#[test]
fn families_take_turns_from_the_one_that_the_resolver_prefers() {
    for (given, tried) in [
        ("", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("::1 ::2 192.0.2.1 192.0.2.2", "::1 192.0.2.1 ::2 192.0.2.2"),
        ("192.0.2.1 192.0.2.2 192.0.2.3 ::1", "192.0.2.1 ::1 192.0.2.2 192.0.2.3"),
        ("192.0.2.1 ::1 ::2 ::3", "192.0.2.1 ::1 ::2 ::3"),
        ("::1 ::2 ::3", "::1 ::2 ::3"),
    ] {
        assert_eq!(interleaved(addresses(given).into_iter()), addresses(tried), "{given}");
    }
}

#[test]
fn an_attempt_starts_every_250_milliseconds() {
    check(Order::Racing, &[Hangs, Hangs, Hangs, Connects(100)], Some(3), 850, &[0, 250, 500, 750]);
    check(Order::Racing, &[Connects(240), Hangs], Some(0), 240, &[0]);
    check(Order::Racing, &[Connects(400), Connects(200)], Some(0), 400, &[0, 250]);
    check(Order::Racing, &[Connects(400), Connects(100)], Some(1), 350, &[0, 250]);
}

#[test]
fn an_attempt_starts_at_once_when_the_latest_has_failed() {
    check(Order::Racing, &[Fails(10), Fails(0), Connects(5)], Some(2), 15, &[0, 10, 10]);
    // The failure of an older one changes nothing.
    let fates = [Fails(300), Hangs, Connects(5)];
    check(Order::Racing, &fates, Some(2), 505, &[0, 250, 500]);
    let fates = [Hangs, Fails(50), Connects(5)];
    check(Order::Racing, &fates, Some(2), 305, &[0, 250, 300]);
}

#[test]
fn each_attempt_has_its_own_time() {
    let fates = [Hangs, Hangs];
    check(Order::Racing, &fates, None, 30_250, &[0, 250]);
    let (failed, ..) = run(Order::Racing, &fates, None);
    let Err(Broken::Unreachable(attempts)) = failed else { panic!("{failed:?}") };
    let timed_out = |attempt: &Attempt| matches!(attempt.broken, Broken::TimedOut { .. });
    assert!(attempts.len() == 2 && attempts.iter().all(timed_out));
    check(Order::Racing, &[Connects(29_900), Hangs], Some(0), 29_900, &[0, 250]);
}

#[test]
fn the_operation_as_a_whole_ends_them_all() {
    for (order, tried) in [(Order::Racing, 3), (Order::OneByOne, 1)] {
        let (failed, took, starts) = run(order, &[Hangs; 5], Some(600));
        assert_eq!((took, starts.len()), (600, tried));
        let broken = match failed.unwrap_err() {
            Broken::Unreachable(attempts) => {
                assert_eq!(attempts.len(), tried);
                attempts[tried - 1].broken.clone()
            }
            broken => broken,
        };
        assert!(matches!(broken, Broken::Deadline { .. }));
    }
}

#[test]
fn without_a_race_each_waits_for_the_one_before() {
    let fates = [Fails(300), Hangs, Connects(5)];
    check(Order::OneByOne, &fates, Some(2), 30_305, &[0, 300, 30_300]);
    check(Order::OneByOne, &[Connects(29_000), Connects(0)], Some(0), 29_000, &[0]);
}

#[test]
fn no_address_is_an_error_and_one_is_told_as_it_is() {
    let (failed, ..) = run(Order::Racing, &[], None);
    assert!(matches!(failed, Err(Broken::UnknownHost(_))));
    let (failed, ..) = run(Order::Racing, &[Fails(0)], None);
    assert!(matches!(failed, Err(Broken::Io(_))));
}
