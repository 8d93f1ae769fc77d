//! A server to try programs against: it accepts every message, and prints it.
//!
//! `cargo run -q -p smtp-testkit --example serve -- 2525`
#![allow(clippy::print_stdout, reason = "it is a program")]
use std::{env, error::Error, thread};

use smtp_testkit::{Keep, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::args().nth(1).as_deref().unwrap_or("2525").parse()?;
    let server = Server::builder()
        .listen_on(([127, 0, 0, 1], port))
        .offer("PIPELINING")
        .offer("8BITMIME")
        .offer("SMTPUTF8")
        .offer("SIZE 50000000")
        // It may run for days.
        .keep(Keep::everything().messages(0).connections(100).lines(100).line_octets(1_000))
        .input_limit(100_000_000)
        .on_message(|message| {
            let (from, to) = (message.sender(), message.recipients());
            println!("\n=== {}: from {from:?} to {to:?}", message.number());
            println!("{}", String::from_utf8_lossy(message.text()));
            None
        })
        .tcp()?;
    println!("smtp://{}, until Ctrl-C", server.addr());
    loop {
        thread::park();
    }
}
