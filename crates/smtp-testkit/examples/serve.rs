//! A server to try programs against: it accepts every message, and prints it.
//!
//! `cargo run -q -p smtp-testkit --example serve -- 2525`
#![allow(clippy::print_stdout, reason = "it is a program")]
use std::{env, error::Error, time::Duration};

use smtp_testkit::Server;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::args().nth(1).as_deref().unwrap_or("2525").parse()?;
    let server = Server::builder()
        .listen_on(([127, 0, 0, 1], port))
        .offer("PIPELINING")
        .offer("8BITMIME")
        .offer("SMTPUTF8")
        .offer("SIZE 50000000")
        // It waits for clients that come and go.
        .watchdog(DAY)
        .reconnect_within(DAY)
        .tcp()?;
    println!("smtp://{}, until Ctrl-C", server.addr());
    for number in 1.. {
        let messages = server.messages(number).wait()?;
        let message = &messages[number - 1];
        println!("\n=== {number}: from {:?} to {:?}", message.sender(), message.recipients());
        println!("{}", String::from_utf8_lossy(message.text()));
    }
    Ok(())
}
