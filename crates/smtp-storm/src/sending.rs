//! The senders: each gives every message at most one outcome a round, and the caller sends again.
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smtp_client::{Connector, Mailer, Retry, Timeouts, Tls};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Problem,
    claims::{After, Claims, Outcome},
    letter::{Letter, Post},
    manner::{Manner, Sender},
    random::Random,
};

/// The tasks that share a mailer.
const TASKS: usize = 100;
/// The connections of a mailer, and those beside each other that `send_many` is tried on.
const CONNECTIONS: usize = 8;
/// How often a message is sent in all.
const ROUNDS: usize = 4;
/// How often a mailer with retries sends a message again, and after which pause.
const RETRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(20);
/// The bound of each step: longer than any server on this machine takes, so that only a standstill
/// meets it.
const STEP: Duration = Duration::from_millis(700);

/// How messages are sent.
pub(crate) struct Sending {
    pub(crate) manner: Manner,
    pub(crate) post: Post,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Tls,
}

type Results = Vec<(Letter, Outcome)>;

impl Sending {
    /// Sends these messages, and those again that were not sent, and half of those in doubt.
    pub(crate) async fn run(&self, numbers: &[u64]) -> Result<Claims, Problem> {
        let mut claims = Claims::default();
        let mailer = self.mailer()?;
        let mut letters: Vec<Letter> = numbers.iter().map(|&one| self.post.letter(one)).collect();
        for round in 0..ROUNDS {
            claims.counts.again += if round > 0 { letters.len() } else { 0 };
            let results = match self.manner.sender {
                Sender::Tasks => self.by_tasks(&mailer, letters, round).await,
                Sender::SendAll => by_send_all(&mailer, letters).await?,
                Sender::SendMany => self.by_send_many(letters).await?,
            };
            let wants_again = |letter: &Letter, after| match after {
                After::Done => false,
                After::NotSent => true,
                After::InDoubt => self.random(letter, round).percent(50),
            };
            letters = results
                .into_iter()
                .filter_map(|(letter, outcome)| {
                    let after = claims.add(&letter, &outcome);
                    wants_again(&letter, after).then_some(letter)
                })
                .collect();
        }
        timeout(Duration::from_secs(30), mailer.close()).await.map_err(|_| {
            "the mailer was not closed within 30 seconds, although every message has its outcome"
        })?;
        Ok(claims)
    }

    fn connector(&self) -> Result<Connector, Problem> {
        let mut timeouts = Timeouts::every_step(STEP);
        timeouts.close = STEP / 10;
        let url = format!("{}://{}", self.manner.link.scheme(), self.address);
        let connector = Connector::from_url(&url)?.tls(self.tls.clone());
        Ok(connector.timeouts(timeouts).sending(self.manner.sending()))
    }

    fn mailer(&self) -> Result<Mailer, Problem> {
        let builder = Mailer::builder(self.connector()?).connections(CONNECTIONS);
        let retry = Retry::new(RETRIES).first_pause(PAUSE).longest_pause(2 * PAUSE);
        let builder = builder.retry(self.manner.retry.then_some(retry));
        Ok(builder.wait_timeout(Duration::from_secs(20)).idle_timeout(STEP).build())
    }

    fn random(&self, letter: &Letter, round: usize) -> Random {
        Random::new(&[self.post.seed, 4, letter.number, round as u64])
    }

    /// One message of a hundred is given up by its caller before it has a result.
    async fn by_tasks(&self, mailer: &Mailer, letters: Vec<Letter>, round: usize) -> Results {
        let mut tasks = JoinSet::new();
        for letters in dealt(letters, TASKS) {
            let mailer = mailer.clone();
            let letters: Vec<_> = letters
                .into_iter()
                .map(|letter| {
                    let mut random = self.random(&letter, round + ROUNDS);
                    let dropped =
                        random.percent(1).then(|| Duration::from_millis(random.below(50)));
                    (letter, dropped)
                })
                .collect();
            tasks.spawn(async move {
                let mut results = Results::new();
                for (letter, dropped) in letters {
                    let Ok((envelope, content)) = letter.parts() else { continue };
                    let sent = mailer.send(envelope, content);
                    let outcome = match dropped {
                        Some(after) => timeout(after, sent).await.ok(),
                        None => Some(sent.await),
                    };
                    results.push((letter, outcome.map_or(Outcome::Dropped, Outcome::Known)));
                }
                results
            });
        }
        tasks.join_all().await.into_iter().flatten().collect()
    }

    async fn by_send_many(&self, letters: Vec<Letter>) -> Result<Results, Problem> {
        let mut tasks = JoinSet::new();
        for letters in dealt(letters, CONNECTIONS) {
            let connector = self.connector()?;
            tasks.spawn(async move { send_many(&connector, letters).await });
        }
        let mut all = Results::new();
        while let Some(results) = tasks.join_next().await {
            all.extend(results??);
        }
        Ok(all)
    }
}

/// Deals messages out to as many tasks, or fewer.
fn dealt(letters: Vec<Letter>, tasks: usize) -> Vec<Vec<Letter>> {
    let mut dealt = vec![Vec::new(); tasks.min(letters.len())];
    for (at, letter) in letters.into_iter().enumerate() {
        dealt[at % tasks].push(letter);
    }
    dealt
}

async fn by_send_all(mailer: &Mailer, letters: Vec<Letter>) -> Result<Results, Problem> {
    let mut messages = Vec::new();
    for letter in &letters {
        messages.push((letter.number, letter.message()?));
    }
    let mut letters: Vec<Option<Letter>> = letters.into_iter().map(Some).collect();
    let mut results = Results::new();
    let mut sending = mailer.send_all(messages);
    while let Some((number, result)) = sending.next().await {
        let place =
            letters.iter_mut().find(|one| one.as_ref().is_some_and(|one| one.number == number));
        let letter = place.and_then(Option::take);
        let letter = letter.ok_or_else(|| format!("message {number} has a second result"))?;
        results.push((letter, Outcome::Known(result)));
    }
    match letters.into_iter().flatten().next() {
        Some(letter) => Err(format!("message {} has no result", letter.number).into()),
        None => Ok(results),
    }
}

/// The messages of one task: those that were not taken, and those that were, without a result.
#[derive(Default)]
struct Taken {
    waiting: VecDeque<Letter>,
    under_way: VecDeque<Letter>,
}

/// Sends on one connection after the other. A message that was taken, and no other, has a result.
async fn send_many(connector: &Connector, letters: Vec<Letter>) -> Result<Results, Problem> {
    let taken = Arc::new(Mutex::new(Taken { waiting: letters.into(), under_way: VecDeque::new() }));
    let mut results = Results::new();
    while !lock(&taken).waiting.is_empty() {
        let mut connection = match connector.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                let letter = lock(&taken).waiting.pop_front().ok_or("a message was lost")?;
                results.push((letter, Outcome::Known(Err(error))));
                continue;
            }
        };
        let shared = Arc::clone(&taken);
        let messages = std::iter::from_fn(move || {
            let mut taken = lock(&shared);
            let letter = taken.waiting.pop_front()?;
            let message = letter.message().ok();
            taken.under_way.push_back(letter);
            message
        });
        let Ok(mut sending) = connection.send_many(messages).await else { continue };
        while let Some((_, result)) = sending.next().await {
            let letter = lock(&taken).under_way.pop_front();
            let letter = letter.ok_or("send_many gave a result for no message")?;
            results.push((letter, Outcome::Known(result)));
        }
        drop(sending);
        if let Some(letter) = lock(&taken).under_way.front() {
            return Err(format!("send_many gave no result for message {}", letter.number).into());
        }
        if connection.ended().is_none() {
            // The results are known; the reply to QUIT changes none.
            let _ = connection.quit().await;
        }
    }
    Ok(results)
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
