//! Runs one peer for the profiler, or measures the time of all peers of all cases in turn.

use std::{env, process::ExitCode, time::Instant};

use smtp_bench::{
    codec::{Case, Work, cases},
    median,
};

const USAGE: &str = "\
usage: smtp-bench list                  every case, its peers and how many calls to count
       smtp-bench count CASE PEER N     does the work N times, for a profiler
       smtp-bench time [CASE]           nanoseconds a call, and the ratio to ours";

/// Odd, so that there is a median.
const ROUNDS: usize = 41;

/// The duration of one peer's work in a round.
const ROUND_NANOSECONDS: f64 = 1_000_000.0;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["list"] => {
            list();
            true
        }
        ["count", case, peer, times] => times.parse().is_ok_and(|times| count(case, peer, times)),
        ["time"] => {
            cases().for_each(time);
            true
        }
        ["time", name] => {
            cases().filter(|case| case.name == name).for_each(time);
            true
        }
        _ => false,
    };
    if done {
        return ExitCode::SUCCESS;
    }
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn list() {
    for case in cases() {
        for peer in case.peers {
            println!("{}\t{}\t{}", case.name, peer.name, case.calls);
        }
    }
}

/// Whether the case and the peer exist.
fn count(case: &str, peer: &str, times: u32) -> bool {
    let case = cases().find(|known| known.name == case);
    let peer = case.and_then(|case| case.peers.iter().find(|known| known.name == peer));
    let Some(peer) = peer else { return false };
    let mut work = (peer.connect)();
    for _ in 0..times {
        work();
    }
    true
}

/// Each round runs every peer, so that other load on the machine slows all of them.
fn time(case: &Case) {
    let mut works: Vec<Work> = case.peers.iter().map(|peer| (peer.connect)()).collect();
    let calls: Vec<u32> = works.iter_mut().map(calls).collect();
    let mut nanoseconds = vec![Vec::new(); works.len()];
    let mut ratios = vec![Vec::new(); works.len()];
    for _ in 0..ROUNDS {
        let mut ours = None;
        for (at, work) in works.iter_mut().enumerate() {
            let taken = one_call(work, calls[at]);
            nanoseconds[at].push(taken);
            ratios[at].push(taken / *ours.get_or_insert(taken));
        }
    }
    for (at, peer) in case.peers.iter().enumerate() {
        let (taken, ratio) = (median(&mut nanoseconds[at]), median(&mut ratios[at]));
        println!("{}\t{}\t{taken:.1}\t{ratio:.3}", case.name, peer.name);
    }
}

/// Returns the number of calls that fill a round.
fn calls(work: &mut Work) -> u32 {
    let mut calls = 1;
    loop {
        let taken = one_call(work, calls) * f64::from(calls);
        if taken >= ROUND_NANOSECONDS {
            return calls;
        }
        calls *= 2;
    }
}

/// Returns the nanoseconds per call of this many calls.
fn one_call(work: &mut Work, calls: u32) -> f64 {
    let begun = Instant::now();
    for _ in 0..calls {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}
