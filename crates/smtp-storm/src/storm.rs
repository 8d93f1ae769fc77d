//! One run: every manner with its own proxy, several of them at the same time, and the comparison.
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, runtime, time::timeout};

use crate::{
    Problem,
    claims::{Claims, Comparison},
    identity::Identity,
    letter::Post,
    manner::{Link, Manner},
    proxy::{Proxy, Tally},
    record::{Record, Recorder, read},
    sending::Sending,
    sink,
    table::{Row, print},
};

/// How many manners are tried at the same time. They wait more than they compute.
const AT_ONCE: usize = 6;
/// How long one manner may take before it counts as one that does not end.
const BOUND: Duration = Duration::from_secs(600);
/// How long the record of another server has to stay the same before it counts as complete.
const QUIET: Duration = Duration::from_secs(10);

/// A run.
pub(crate) struct Storm {
    pub(crate) post: Post,
    pub(crate) messages: u64,
    pub(crate) only: Option<String>,
    /// A server that is not our own, and where it puts what it accepts.
    pub(crate) other: Option<(SocketAddr, PathBuf)>,
    pub(crate) trace: Option<PathBuf>,
}

/// A manner and its messages.
struct Share {
    manner: Manner,
    number: u64,
    messages: Vec<u64>,
}

/// What a manner came to.
struct Sent {
    claims: Claims,
    tally: Arc<Tally>,
    /// The record of our own server.
    record: Record,
    /// How many recipients it accepted after a refusal for now.
    later: usize,
    took: Duration,
}

impl Storm {
    pub(crate) fn new(seed: u64) -> Self {
        let post = Post { seed, domain: "example.test".to_owned() };
        Self { post, messages: 10_000, only: None, other: None, trace: None }
    }

    /// Runs it, and prints the table. Returns whether every claim is true.
    pub(crate) fn run(&self) -> Result<bool, Problem> {
        if let Some(folder) = &self.trace {
            fs::create_dir_all(folder)?;
        }
        let shares = self.shares();
        if shares.is_empty() {
            return Err("no manner has this name".into());
        }
        println!("storm: seed {}, {} messages", self.post.seed, self.messages);
        let sent = self.send(&shares, &Identity::new()?);
        let other = match &self.other {
            Some((_, folder)) => Some(self.settled(folder)?),
            None => None,
        };
        let mut rows = Vec::new();
        let mut all_true = true;
        for (share, sent) in shares.iter().zip(sent) {
            match sent {
                Ok(sent) => {
                    let record = other.as_ref().unwrap_or(&sent.record);
                    let numbers = share.messages.iter().copied();
                    let comparison = sent.claims.compare(&self.post, numbers, record);
                    all_true &= comparison.details.is_empty();
                    self.print_faults(share, &comparison);
                    rows.push(row(share, &sent, &comparison));
                }
                Err(problem) => {
                    all_true = false;
                    println!("{}: {problem}\n  {}", share.manner, self.again(share));
                }
            }
        }
        print(&rows);
        Ok(all_true)
    }

    /// Divides the messages among the manners. A manner has the same messages when it is run alone.
    fn shares(&self) -> Vec<Share> {
        let mut all = Manner::all();
        // Another server has one port, and no certificate that is trusted.
        all.retain(|manner| self.other.is_none() || manner.link == Link::Smtp);
        let count = all.len() as u64;
        let share = |(number, manner)| {
            let number = number as u64;
            let messages = (number..self.messages).step_by(count as usize).collect();
            Share { manner, number, messages }
        };
        let wanted = |share: &Share| {
            self.only.as_ref().is_none_or(|only| share.manner.to_string().contains(only))
        };
        all.into_iter().enumerate().map(share).filter(wanted).collect()
    }

    /// Sends the messages of all manners. The results are in the order of the shares.
    fn send(&self, shares: &[Share], identity: &Identity) -> Vec<Result<Sent, Problem>> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Relaxed);
                        let Some(share) = shares.get(at) else { return };
                        let sent = self.send_share(share, identity);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((at, sent));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(at, _)| *at);
        results.into_iter().map(|(_, sent)| sent).collect()
    }

    /// The proxy and our own server have a runtime beside that of the client, which is the one that
    /// is tried.
    fn send_share(&self, share: &Share, identity: &Identity) -> Result<Sent, Problem> {
        let begun = Instant::now();
        let tally = Arc::new(Tally::default());
        let recorder = Recorder::new(&self.post);
        let outside =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let entered = outside.enter();
        let (server, upstream) = match &self.other {
            Some((address, _)) => (None, *address),
            None => {
                let (server, address) =
                    sink::start(recorder.clone(), self.post.seed, share.manner.link, identity)?;
                (Some(server), address)
            }
        };
        let listener = outside.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let proxy = Proxy {
            seed: self.post.seed,
            manner: share.number,
            link: share.manner.link,
            upstream,
            trace: self.trace.clone(),
            tally: Arc::clone(&tally),
        };
        outside.spawn(proxy.serve(listener));
        drop(entered);
        let inside = share.manner.runtime()?;
        let (manner, post, tls) = (share.manner, self.post.clone(), identity.trusted()?);
        let sending = Sending { manner, post, address, tls };
        let sent = inside.block_on(async { timeout(BOUND, sending.run(&share.messages)).await });
        let claims = sent.map_err(|_| "the client did not come to an end within 10 minutes")??;
        drop(inside);
        if let Some(server) = server {
            // What a cut connection has left in the server may still become a message.
            outside.block_on(server.stop());
        }
        outside.shutdown_timeout(Duration::from_secs(1));
        let (later, took) = (recorder.later(), begun.elapsed());
        Ok(Sent { claims, tally, record: recorder.take(), later, took })
    }

    /// Returns the record of another server, once it has stayed the same for a while.
    fn settled(&self, folder: &std::path::Path) -> Result<Record, Problem> {
        let mut record = read(folder, &self.post)?;
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            thread::sleep(Duration::from_secs(1));
            let later = read(folder, &self.post)?;
            if later.len() != record.len() {
                since = Instant::now();
            }
            record = later;
        }
        Ok(record)
    }

    fn print_faults(&self, share: &Share, comparison: &Comparison) {
        const SHOWN: usize = 10;
        for detail in comparison.details.iter().take(SHOWN) {
            println!("{}: {detail}", share.manner);
        }
        if comparison.details.len() > SHOWN {
            println!("{}: and {} more", share.manner, comparison.details.len() - SHOWN);
        }
        if !comparison.details.is_empty() {
            println!("  {}", self.again(share));
        }
    }

    /// Returns how to try it again.
    fn again(&self, share: &Share) -> String {
        let Self { post, messages, .. } = self;
        let seed = post.seed;
        let manner = share.manner;
        format!(
            "again: cargo xtask storm --seed {seed} --messages {messages} --manner {manner} --trace DIR"
        )
    }
}

fn row(share: &Share, sent: &Sent, comparison: &Comparison) -> Row {
    let counts = &sent.claims.counts;
    let numbers = [
        share.messages.len(),
        counts.accepted,
        counts.refused,
        counts.in_doubt,
        counts.not_sent,
        counts.again,
        sent.later,
        sent.tally.connections.load(Relaxed) as usize,
        sent.tally.cut.load(Relaxed) as usize,
        comparison.twice,
        comparison.absent,
        comparison.present,
        comparison.duplicates,
        comparison.no_result,
        comparison.altered,
    ];
    Row { name: share.manner.to_string(), numbers, took: sent.took }
}
