//! Counts how often each peer asks for memory in one call.
//!
//! It is a program of its own, so that the counting allocator is in no other measurement.

use std::alloc::System;

use smtp_bench::cases;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    for case in cases() {
        for peer in case.peers {
            let mut work = (peer.connect)();
            // What is kept from call to call is there after the first.
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
