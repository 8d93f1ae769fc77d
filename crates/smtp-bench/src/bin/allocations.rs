//! Counts the allocations of each peer: in one call of the codec, or per message.
//!
//! A separate program, so that no other measurement uses the counting allocator.

use std::{alloc::System, env};

use smtp_bench::{
    client::{Failure, Peer, Target},
    codec::cases,
    job::{Job, Size},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str = "\
usage: allocations                   for each case of the codec
       allocations SIZE N TARGET     for each client that runs in this process, per message";

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => calls(),
        [size, messages, target] => {
            let (job, target) = (Job::new(Size(size.parse()?), 1), Target::read(target)?);
            let messages = messages.parse()?;
            let runtime = Builder::new_current_thread().enable_all().build()?;
            for peer in Peer::all(&target) {
                match runtime.block_on(asked(peer, &job, messages, target.clone())) {
                    Ok(asked) => println!("{}\t{:.2}", peer.name, asked),
                    Err(error) => eprintln!("{}: {error}", peer.name),
                }
            }
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn calls() {
    for case in cases() {
        for peer in case.peers {
            let mut work = (peer.connect)();
            // The first call allocates what is kept for the others.
            work();
            let region = Region::new(COUNTING);
            for _ in 0..case.calls {
                work();
            }
            let stats = region.change();
            let asked = stats.allocations + stats.reallocations;
            println!("{}\t{}\t{}", case.name, peer.name, asked / case.calls as usize);
        }
    }
}

/// Returns the allocations per message: the difference between a run and one with twice as many.
async fn asked(peer: &Peer, job: &Job, messages: usize, target: Target) -> Result<f64, Failure> {
    let mut client = (peer.connect)(target).await?;
    let mut counts = [0, 0];
    for (count, factor) in counts.iter_mut().zip([1, 2]) {
        let region = Region::new(COUNTING);
        client.send(job, factor * messages).await?;
        let stats = region.change();
        *count = stats.allocations + stats.reallocations;
    }
    Ok((counts[1] as f64 - counts[0] as f64) / messages as f64)
}
