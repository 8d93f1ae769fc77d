//! The exchange that precedes TLS and SMTP on a stream.
use std::io::{self, Read, Write};

use smtp_error::{Broken, ProxyFault, Step};

use crate::{
    blocking::stream::Transport,
    clock::{Clock, Instant},
    proxy::Preamble,
};

/// The most octets that are read at once; a preamble has few.
const READ: usize = 512;

/// Runs an exchange to its end, within the time that connecting may take.
pub(super) fn exchange(
    transport: &mut Transport,
    preamble: &mut Preamble,
    clock: &mut Clock,
) -> Result<(), Broken> {
    clock.begin(Step::Connect);
    run(transport, preamble, clock).map_err(|fault| preamble.failed(fault))
}

fn run(
    transport: &mut Transport,
    preamble: &mut Preamble,
    clock: &Clock,
) -> Result<(), ProxyFault> {
    let failed = |error: io::Error| ProxyFault::from(Broken::from(error));
    let mut incoming = [0; READ];
    loop {
        let moved = if !preamble.output().is_empty() {
            transport.write(preamble.output()).map(|octets| preamble.wrote(octets))
        } else {
            let room = preamble.wants().min(READ);
            if room == 0 {
                return Ok(());
            }
            match transport.read(&mut incoming[..room]) {
                Ok(0) => return Err(Broken::Closed.into()),
                Ok(octets) => {
                    preamble.receive(&incoming[..octets])?;
                    Ok(())
                }
                Err(error) => Err(error),
            }
        };
        let in_time = match moved {
            // However much comes in, the clock has its turn.
            Ok(()) => Instant::now() < clock.deadline(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                transport.wait(clock.deadline()).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        if !in_time {
            return Err(clock.expired().into());
        }
    }
}
