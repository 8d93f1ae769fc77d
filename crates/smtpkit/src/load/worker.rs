//! The connections of a run: each is a task that sends one message after the other, or ahead.
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use smtp_client::{
    Connection, Connector, Delivery, Ended, Error, ErrorKind, Message, Messages, Step,
};
use tokio::time::{Instant, sleep};

use super::letter::Letter;
use super::pace::{Pace, Phase, Ticket};
use super::steps::{StepClock, nanoseconds};
use super::tally::Tally;

/// What all connections of a run share.
pub(super) struct Run {
    pub(super) pace: Pace,
    pub(super) letter: Letter,
    pub(super) connector: Connector,
    /// The most messages on one connection.
    pub(super) messages_per_connection: u64,
    /// The most connections at a time.
    pub(super) connections: usize,
    /// One for each connection would take memory, and one for all would make them wait.
    tallies: Vec<Mutex<Tally>>,
    pub(super) live: Live,
    opened: AtomicBool,
    /// How many connections could not be opened.
    refused: AtomicUsize,
}

/// What the progress bar shows.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) in_doubt: AtomicU64,
}

/// The messages of one task.
#[derive(Default)]
struct Lane {
    /// Those that are begun next, before others are taken.
    queue: VecDeque<Ticket>,
    /// Those that have no result, and when the time of each began.
    begun: VecDeque<(Ticket, Instant)>,
    /// How many may follow on this connection.
    left: u64,
    /// How many the server has replied to on this connection.
    answered: u64,
}

/// The pause after a connection that could not be opened; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most tallies.
const TALLIES: usize = 8;

impl Run {
    pub(super) fn new(pace: Pace, letter: Letter, connector: Connector) -> Self {
        Self {
            pace,
            letter,
            connector,
            messages_per_connection: u64::MAX,
            connections: 1,
            tallies: std::iter::repeat_with(|| Mutex::new(Tally::new())).take(TALLIES).collect(),
            live: Live::default(),
            opened: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
        }
    }

    /// Returns the results of all messages.
    pub(super) fn tally(&self) -> Tally {
        let mut all = Tally::new();
        for part in &self.tallies {
            all.merge(std::mem::replace(&mut *locked(part), Tally::new()));
        }
        all
    }

    /// Returns whether a connection was ever opened.
    pub(super) fn has_connected(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    /// A connection could not be opened. If none can, there is no run.
    fn not_connected(&self, error: &Error, tally: &Mutex<Tally>) {
        let refused = 1 + self.refused.fetch_add(1, Ordering::Relaxed);
        if !self.has_connected() && refused >= self.connections {
            self.pace.stop(Instant::now());
        }
        locked(tally).first_failure.get_or_insert_with(|| error.clone());
    }

    fn failed(&self, error: &Error, tally: &Mutex<Tally>) {
        self.live.note(&Err(error.clone()));
        locked(tally).error(error);
    }
}

impl Live {
    fn note(&self, result: &Result<Delivery, Error>) {
        let count = match result {
            Ok(delivery) if delivery.all_accepted() => &self.accepted,
            Ok(_) => &self.refused,
            Err(error) if error.in_doubt() => &self.in_doubt,
            Err(_) => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends messages until none is left.
pub(super) async fn work(run: Arc<Run>, number: usize) {
    let Some(tally) = run.tallies.get(number % TALLIES) else { return };
    let lane = Arc::new(Mutex::new(Lane::default()));
    let mut pause = FIRST_PAUSE;
    while let Some(ticket) = next_ticket(&run, &lane) {
        if ticket.due.is_some() && run.pace.await_due(ticket).await.is_none() {
            return;
        }
        let clock = StepClock::start();
        let connector = run.connector.clone().observer(clock.observer());
        let connected = tokio::select! {
            biased;
            connected = connector.connect() => connected,
            () = run.pace.until(Phase::Cut) => {
                return cut_unsent(&lane, tally);
            }
        };
        match connected {
            Ok(connection) => {
                run.opened.store(true, Ordering::Relaxed);
                locked(tally).counts.connections += 1;
                pause = FIRST_PAUSE;
                serve(&run, &lane, tally, &clock, connection).await;
            }
            Err(error) => {
                locked(&lane).queue.pop_front();
                run.not_connected(&error, tally);
                run.failed(&error, tally);
                tokio::select! {
                    () = sleep(pause) => {}
                    () = run.pace.until(Phase::Stopping) => {}
                }
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
        take_steps(&clock, tally);
    }
}

/// Returns the next message for a connection, which stays in the queue.
fn next_ticket(run: &Run, lane: &Mutex<Lane>) -> Option<Ticket> {
    let mut lane = locked(lane);
    if lane.queue.is_empty() {
        lane.queue.push_back(run.pace.take()?);
    }
    lane.queue.front().copied()
}

/// Uses a connection as long as it can be used.
async fn serve(
    run: &Arc<Run>,
    lane: &Arc<Mutex<Lane>>,
    tally: &Mutex<Tally>,
    clock: &StepClock,
    mut connection: Connection,
) {
    {
        let mut lane = locked(lane);
        (lane.left, lane.answered) = (run.messages_per_connection, 0);
    }
    let was_cut = send(run, lane, tally, clock, &mut connection).await;
    if was_cut {
        return cut(lane, tally, clock, &connection);
    }
    if connection.ended().is_none() {
        tokio::select! {
            // The results of the messages are known. QUIT changes none of them.
            _ = connection.quit() => {}
            () = run.pace.until(Phase::Cut) => {}
        }
    }
}

/// Sends messages, and returns whether they were cut off.
async fn send(
    run: &Arc<Run>,
    lane: &Arc<Mutex<Lane>>,
    tally: &Mutex<Tally>,
    clock: &StepClock,
    connection: &mut Connection,
) -> bool {
    let source = (Arc::clone(run), Arc::clone(lane));
    let messages = stream::unfold(source, |(run, lane)| async move {
        let message = begin(&run, &lane).await?;
        Some((message, (run, lane)))
    });
    let mut many = match connection.send_many(Messages::stream(messages)).await {
        Ok(many) => many,
        Err(error) => {
            locked(lane).queue.pop_front();
            run.failed(&error, tally);
            return false;
        }
    };
    let mut cut = pin!(run.pace.until(Phase::Cut));
    loop {
        tokio::select! {
            biased;
            next = many.next() => match next {
                Some((_, result)) => note(run, lane, tally, clock, result),
                None => return false,
            },
            () = &mut cut => return true,
        }
    }
}

/// Begins the next message.
async fn begin(run: &Run, lane: &Mutex<Lane>) -> Option<Message<'static>> {
    let ticket = {
        if locked(lane).left == 0 {
            return None;
        }
        next_ticket(run, lane)?
    };
    let since = run.pace.await_due(ticket).await?;
    let mut lane = locked(lane);
    lane.queue.pop_front();
    lane.begun.push_back((ticket, since));
    lane.left -= 1;
    Some(run.letter.message(ticket.number))
}

/// Adds a result.
fn note(
    run: &Run,
    lane: &Mutex<Lane>,
    tally: &Mutex<Tally>,
    clock: &StepClock,
    result: Result<Delivery, Error>,
) {
    let now = Instant::now();
    let mut lane = locked(lane);
    let is_first = lane.answered == 0;
    let again = result.as_ref().err().is_some_and(|error| !is_first && is_before_message(error));
    let since = match lane.begun.pop_front() {
        Some((Ticket { number, .. }, since)) if again => {
            // The server ended the session between two messages: another connection has this one.
            lane.queue.push_back(Ticket { number, due: Some(since) });
            return;
        }
        Some((_, since)) => since,
        // The connection ended while the next message was not due yet, and is in the queue.
        None if again => return,
        None => {
            lane.queue.pop_front();
            now
        }
    };
    lane.answered += 1;
    drop(lane);
    run.live.note(&result);
    let mut tally = locked(tally);
    clock.take(|step, time| tally.step(step, time));
    tally.message(&result, nanoseconds(since, now));
}

/// Returns whether the session ended before the server had anything of the message but MAIL.
fn is_before_message(error: &Error) -> bool {
    !error.in_doubt()
        && error.step() == Step::Mail
        && matches!(error.kind(), ErrorKind::Ended(_) | ErrorKind::Broken(_))
}

/// Counts the messages that were cut off.
fn cut(lane: &Mutex<Lane>, tally: &Mutex<Tally>, clock: &StepClock, connection: &Connection) {
    let begun = std::mem::take(&mut locked(lane).begun).len();
    let in_doubt = match connection.ended() {
        // Of those that ran ahead, the end of some may not have left yet.
        Some(Ended::Canceled { in_doubt: true, .. }) => clock.unanswered().clamp(1, begun.max(1)),
        _ => 0,
    };
    let mut tally = locked(tally);
    tally.counts.in_doubt += in_doubt as u64;
    tally.counts.interrupted += begun.saturating_sub(in_doubt) as u64;
}

/// Counts the messages that were cut off while there was no connection: those that another connection
/// did not take wait for the next one together.
fn cut_unsent(lane: &Mutex<Lane>, tally: &Mutex<Tally>) {
    let waiting = std::mem::take(&mut locked(lane).queue).len();
    locked(tally).counts.interrupted += waiting as u64;
}

fn take_steps(clock: &StepClock, tally: &Mutex<Tally>) {
    let mut tally = locked(tally);
    clock.take(|step, time| tally.step(step, time));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_that_waits_for_a_connection_is_counted_when_it_is_cut_off() {
        let (lane, tally) = (Mutex::new(Lane::default()), Mutex::new(Tally::new()));
        locked(&lane).queue.extend((0..3).map(|number| Ticket { number, due: None }));
        cut_unsent(&lane, &tally);
        assert_eq!((locked(&tally).counts.interrupted, locked(&lane).queue.len()), (3, 0));
    }
}
