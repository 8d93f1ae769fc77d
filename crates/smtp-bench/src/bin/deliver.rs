//! Delivers messages to a sink: with one client for a profiler, or with all in turn for times.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use smtp_bench::{
    client::{CLIENTS, Client, Failure, Peer, Target},
    job::{Job, Size},
    median,
};
use tokio::runtime::Builder;

const USAGE: &str = "\
usage: deliver list                            every client, and whether it has TLS
       deliver send CLIENT SIZE N TARGET       sends N messages of SIZE octets, for a profiler
       deliver memory CLIENT SIZE TARGET       KiB that one message takes beyond its text
       deliver idle CLIENT N TARGET            KiB of each of N idle connections, opened and after a message
       deliver speed SIZE TARGET               seconds for a message, and the ratio to ours
       deliver trips N RCPTS DELAY TARGET      round trips, from a sink that is DELAY ms late
TARGET is PORT, or PORT:FILE with the certificate of a sink with TLS";

/// Odd, so that there is a median.
const ROUNDS: usize = 11;

/// The duration of one client's work in a round.
const ROUND: Duration = Duration::from_millis(80);

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match words[..] {
        ["list"] => CLIENTS.iter().for_each(|peer| println!("{}\t{}", peer.name, peer.tls)),
        ["send", client, size, messages, target] => {
            let (target, job) = (Target::read(target)?, Job::new(Size(size.parse()?), 1));
            runtime.block_on(send(named(client)?, &job, messages.parse()?, target))?;
        }
        ["memory", client, size, target] => {
            let (target, job) = (Target::read(target)?, Job::new(Size(size.parse()?), 1));
            println!("{}", runtime.block_on(memory(named(client)?, &job, target))?);
        }
        ["idle", client, connections, target] => {
            let (target, connections) = (Target::read(target)?, connections.parse()?);
            println!("{}", runtime.block_on(idle(named(client)?, connections, target))?);
        }
        ["speed", size, target] => {
            let (target, job) = (Target::read(target)?, Job::new(Size(size.parse()?), 1));
            runtime.block_on(speed(&job, target));
        }
        ["trips", messages, rcpts, delay, target] => {
            let (target, job) = (Target::read(target)?, Job::new(Size(1024), rcpts.parse()?));
            let delay = Duration::from_millis(delay.parse()?);
            let messages = messages.parse()?;
            for peer in Peer::all(&target) {
                show(
                    peer,
                    runtime.block_on(trips(peer, &job, messages, target.clone())),
                    |taken| format!("{:.2}", taken.as_secs_f64() / delay.as_secs_f64()),
                );
            }
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn named(name: &str) -> Result<&'static Peer, Failure> {
    CLIENTS.iter().find(|peer| peer.name == name).ok_or_else(|| "unknown client".into())
}

/// Prints one line per client; for a client that fails, an error instead of a figure.
fn show<T>(peer: &Peer, outcome: Result<T, Failure>, figure: impl Fn(T) -> String) {
    match outcome {
        Ok(found) => println!("{}\t{}", peer.name, figure(found)),
        Err(error) => eprintln!("{}: {error}", peer.name),
    }
}

async fn send(peer: &Peer, job: &Job, messages: usize, target: Target) -> Result<(), Failure> {
    (peer.connect)(target).await?.send(job, messages).await
}

/// Measures the time of the messages alone, on a connection that is open already.
async fn trips(
    peer: &Peer,
    job: &Job,
    messages: usize,
    target: Target,
) -> Result<Duration, Failure> {
    let mut client = (peer.connect)(target).await?;
    let begun = Instant::now();
    client.send(job, messages).await?;
    Ok(begun.elapsed())
}

/// Returns the peak of resident memory while the message is sent, beyond the memory before, in KiB.
async fn memory(peer: &Peer, job: &Job, target: Target) -> Result<u64, Failure> {
    let mut client = (peer.connect)(target).await?;
    client.send(&Job::new(Size(1024), 1), 3).await?;
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS")?;
    client.send(job, 1).await?;
    Ok(status("VmHWM")?.saturating_sub(before))
}

/// Returns the resident memory of each connection, in KiB: when it is open, and when it has sent a
/// message of 1 KiB and waits for the next. What a first connection leaves in the process is not counted.
async fn idle(peer: &Peer, connections: usize, target: Target) -> Result<String, Failure> {
    let job = Job::new(Size(1024), 1);
    let mut first = (peer.connect)(target.clone()).await?;
    first.send(&job, 1).await?;
    let before = status("VmRSS")?;
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push((peer.connect)(target.clone()).await?);
    }
    let opened = status("VmRSS")?;
    for client in &mut clients {
        client.send(&job, 1).await?;
    }
    let used = status("VmRSS")?;
    let each = |after: u64| after.saturating_sub(before) as f64 / connections as f64;
    Ok(format!("{:.2}\t{:.2}", each(opened), each(used)))
}

fn status(field: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    Ok(value.ok_or("no such field in /proc/self/status")?.parse()?)
}

/// Each round runs every client, so that other load on the machine slows all of them.
async fn speed(job: &Job, target: Target) {
    let mut runners = Vec::new();
    for peer in Peer::all(&target) {
        match Runner::start(peer, job, target.clone()).await {
            Ok(runner) => runners.push(runner),
            Err(error) => eprintln!("{}: {error}", peer.name),
        }
    }
    for _ in 0..ROUNDS {
        let mut ours = None;
        for runner in &mut runners {
            match runner.round(job).await {
                Ok(taken) => {
                    runner.seconds.push(taken);
                    runner.ratios.push(taken / *ours.get_or_insert(taken));
                }
                Err(error) => eprintln!("{}: {error}", runner.peer.name),
            }
        }
    }
    for mut runner in runners {
        let (taken, ratio) = (median(&mut runner.seconds), median(&mut runner.ratios));
        println!("{}\t{taken:.9}\t{ratio:.3}", runner.peer.name);
    }
}

/// A client between two rounds.
struct Runner {
    peer: &'static Peer,
    client: Box<dyn Client>,
    messages: usize,
    seconds: Vec<f64>,
    ratios: Vec<f64>,
}

impl Runner {
    /// Connects, and finds the number of messages that fill a round.
    async fn start(peer: &'static Peer, job: &Job, target: Target) -> Result<Self, Failure> {
        let client = (peer.connect)(target).await?;
        let (seconds, ratios) = (Vec::new(), Vec::new());
        let mut runner = Self { peer, client, messages: 1, seconds, ratios };
        while runner.round(job).await? * (runner.messages as f64) < ROUND.as_secs_f64() {
            runner.messages *= 2;
        }
        Ok(runner)
    }

    /// Returns the seconds per message of the round.
    async fn round(&mut self, job: &Job) -> Result<f64, Failure> {
        let begun = Instant::now();
        self.client.send(job, self.messages).await?;
        Ok(begun.elapsed().as_secs_f64() / self.messages as f64)
    }
}
