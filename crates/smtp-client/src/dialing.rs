//! Dialing: which of the addresses of a name is connected to, and when (RFC 8305).
//!
//! It decides and keeps count; each client opens sockets and waits in its own way.
use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use smtp_error::{Attempt, Broken, Cause, Error, Peer, Step};

use crate::clock::{Instant, Limit};

mod lookup;

pub(crate) use lookup::lookup_failed;

/// The time between the starts of two attempts while both may succeed (RFC 8305, 5).
const STAGGER: Duration = Duration::from_millis(250);

/// The order in which addresses are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the resolver gave them, each after the previous one has failed.
    #[default]
    OneByOne,
    /// IPv6 and IPv4 in turn, each soon after the previous one.
    Racing,
}

/// Attempts to connect to the addresses of one name. The first that succeeds is used; the others
/// are dropped with the race, which closes them.
///
/// `A` is an attempt under way, such as a socket that is not connected yet.
pub(crate) struct Race<A> {
    order: Order,
    waiting: VecDeque<SocketAddr>,
    /// In the order of their starts.
    running: Vec<Running<A>>,
    failed: Vec<Attempt>,
    next: Next,
}

struct Running<A> {
    attempt: A,
    address: SocketAddr,
    limit: Limit,
}

/// When the next attempt starts.
enum Next {
    AtOnce,
    At(Instant),
    WhenNoneRuns,
}

impl<A> Race<A> {
    /// A race to these addresses, the one that the resolver prefers first.
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>, order: Order) -> Self {
        let addresses = addresses.into_iter();
        let waiting = match order {
            Order::OneByOne => addresses.collect(),
            Order::Racing => interleaved(addresses),
        };
        Self { order, waiting, running: Vec::new(), failed: Vec::new(), next: Next::AtOnce }
    }

    /// Returns the address to which an attempt starts now, if its time has come.
    /// [`started`](Self::started) or [`refused`](Self::refused) has to follow.
    pub(crate) fn due(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_due = match self.next {
            Next::AtOnce => true,
            Next::At(at) => at <= now || self.running.is_empty(),
            Next::WhenNoneRuns => self.running.is_empty(),
        };
        if !is_due {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.next = match self.order {
            Order::OneByOne => Next::WhenNoneRuns,
            Order::Racing => Next::At(now + STAGGER),
        };
        Some(address)
    }

    /// Notes that the attempt to connect to `address` is under way until `limit`.
    pub(crate) fn started(&mut self, address: SocketAddr, attempt: A, limit: Limit) {
        self.running.push(Running { attempt, address, limit });
    }

    /// Notes that an attempt failed before it was under way.
    pub(crate) fn refused(&mut self, address: SocketAddr, broken: Broken) {
        self.next = Next::AtOnce;
        if matches!(broken, Broken::Deadline { .. }) {
            self.waiting.clear();
        }
        self.failed.push(Attempt::new(address, broken));
    }

    /// The attempts under way, in an order that [`failed`](Self::failed) and
    /// [`won`](Self::won) change.
    pub(crate) fn running(&mut self) -> impl Iterator<Item = &mut A> {
        self.running.iter_mut().map(|running| &mut running.attempt)
    }

    /// Notes that the attempt at this place has failed. If it was the latest, the next starts at
    /// once.
    pub(crate) fn failed(&mut self, place: usize, broken: Broken) {
        let is_latest = place + 1 == self.running.len();
        let address = self.running.remove(place).address;
        let next = std::mem::replace(&mut self.next, Next::AtOnce);
        self.refused(address, broken);
        if !is_latest {
            self.next = next;
        }
    }

    /// Returns the attempt at this place, which has succeeded, and closes the others.
    #[cfg(any(test, feature = "blocking"))]
    pub(crate) fn won(mut self, place: usize) -> A {
        self.running.swap_remove(place).attempt
    }

    /// Gives up the attempts whose time has ended.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(place) = self.running.iter().position(|running| running.limit.at <= now) {
            let broken = self.running[place].limit.expired.clone();
            self.failed(place, broken);
        }
    }

    /// Returns when something has to be done even if no attempt succeeds or fails; `None` if
    /// nothing is left to wait for.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let ends = self.running.iter().map(|running| running.limit.at).min()?;
        match self.next {
            Next::At(at) if !self.waiting.is_empty() => Some(ends.min(at)),
            _ => Some(ends),
        }
    }

    /// What it means that no attempt has succeeded.
    pub(crate) fn into_broken(mut self) -> Broken {
        match self.failed.pop() {
            None => Broken::UnknownHost(Cause::new(io::Error::from(io::ErrorKind::NotFound))),
            Some(only) if self.failed.is_empty() => only.broken,
            Some(last) => {
                self.failed.push(last);
                Broken::Unreachable(self.failed)
            }
        }
    }
}

/// Returns the error of connecting to these addresses of a host. It names the address if there is
/// only one; of several, each failed attempt has its own.
pub(crate) fn unreachable(host: &str, addresses: &[SocketAddr], broken: Broken) -> Error {
    let error = Error::new(Step::Connect, broken);
    match addresses {
        [only] => {
            let peer = Peer::tcp(host, only.port()).with_address(*only);
            error.with_server(&Arc::new(peer))
        }
        _ => error,
    }
}

/// The two families in turn, beginning with that of the first address (RFC 8305, 4).
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut preferred = addresses.peekable();
    let is_ipv6 = preferred.peek().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (VecDeque<_>, VecDeque<_>) =
        preferred.partition(|address| address.is_ipv6() == is_ipv6);
    let (mut turn, mut rest) = (preferred, other);
    let mut mixed = VecDeque::with_capacity(turn.len() + rest.len());
    while let Some(address) = turn.pop_front() {
        mixed.push_back(address);
        if !rest.is_empty() {
            std::mem::swap(&mut turn, &mut rest);
        }
    }
    mixed
}

#[cfg(test)]
mod tests;
