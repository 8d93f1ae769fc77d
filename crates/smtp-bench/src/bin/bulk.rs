//! Sends many messages to a sink over several connections: with a `send_many` on each connection,
//! and with `Mailer::send_all` over all of them; in turn, so that other load slows both.

use std::{
    env,
    time::{Duration, Instant},
};

use smtp_bench::{
    client::Failure,
    job::{Job, Size},
    median,
};
use smtp_client::{Connector, Envelope, MailData, Mailer, Message, Server};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
};

const USAGE: &str = "\
usage: bulk THREADS CONNECTIONS MESSAGES ROUNDS PORT
prints the messages per second of `send_many` on every connection, those of `send_all`, and the
ratio of the second to the first: the median of the rounds";

fn main() -> Result<(), Failure> {
    let words = env::args().skip(1).map(|word| word.parse()).collect::<Result<Vec<usize>, _>>()?;
    let [threads, connections, messages, rounds, port] = words[..] else {
        return Err(USAGE.into());
    };
    let runtime = match threads {
        1 => Builder::new_current_thread().enable_all().build()?,
        threads => Builder::new_multi_thread().worker_threads(threads).enable_all().build()?,
    };
    let connector = Connector::new(Server::tcp("localhost", u16::try_from(port)?));
    let (mut each, mut all, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let first = run(&runtime, send_many(connector.clone(), connections, messages))?;
        let second = run(&runtime, send_all(connector.clone(), connections, messages))?;
        each.push(messages as f64 / first.as_secs_f64());
        all.push(messages as f64 / second.as_secs_f64());
        ratios.push(first.as_secs_f64() / second.as_secs_f64());
    }
    let [each, all, ratio] = [&mut each, &mut all, &mut ratios].map(|values| median(values));
    println!("{each:.0}\t{all:.0}\t{ratio:.3}");
    Ok(())
}

/// Runs it as a task, on a thread of the runtime if that has threads.
fn run(
    runtime: &Runtime,
    sending: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<Duration, Failure> {
    let begun = Instant::now();
    runtime.block_on(async { tokio::spawn(sending).await })??;
    Ok(begun.elapsed())
}

/// The messages: all different, so that each has an envelope of its own.
fn messages(numbers: impl Iterator<Item = usize>) -> impl Iterator<Item = Message<'static>> {
    let text = MailData::new(Job::new(Size(1024), 1).text);
    // An invalid text or address would end them early, but all are valid.
    numbers.map_while(move |number| {
        let envelope = Envelope::new("alice@example.org", [&*format!("r{number}@example.com")]);
        Some(Message::new(envelope.ok()?, text.as_ref().ok()?))
    })
}

async fn send_many(connector: Connector, connections: usize, count: usize) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        let connector = connector.clone();
        tasks.spawn(async move {
            let mut open = connector.connect().await?;
            let all = messages((connection..count).step_by(connections));
            let (mut sending, mut accepted) = (open.send_many(all).await?, 0);
            while let Some((_, delivery)) = sending.next().await {
                accepted += usize::from(delivery?.all_accepted());
            }
            drop(sending);
            open.quit().await?;
            Ok::<_, Failure>(accepted)
        });
    }
    let mut accepted = 0;
    while let Some(sent) = tasks.join_next().await {
        accepted += sent??;
    }
    check(accepted, count)
}

async fn send_all(connector: Connector, connections: usize, count: usize) -> Result<(), Failure> {
    let mailer = Mailer::builder(connector).connections(connections);
    let mailer = mailer.messages_per_connection(usize::MAX).build();
    let (mut sending, mut accepted) = (mailer.send_all((0..).zip(messages(0..count))), 0);
    while let Some((_, delivery)) = sending.next().await {
        accepted += usize::from(delivery?.all_accepted());
    }
    mailer.close().await;
    check(accepted, count)
}

fn check(accepted: usize, count: usize) -> Result<(), Failure> {
    if accepted == count { Ok(()) } else { Err("a message was not accepted".into()) }
}
