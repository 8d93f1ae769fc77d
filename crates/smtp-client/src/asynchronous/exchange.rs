//! The exchange that precedes TLS and SMTP on a stream.
use std::io;

use smtp_error::{Broken, ProxyFault, Step};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{asynchronous::stream::Transport, clock::Clock, proxy::Preamble};

/// The most octets that are read at once; a preamble has few.
const READ: usize = 512;

/// Runs an exchange to its end, within the time that connecting may take.
pub(super) async fn exchange(
    transport: &mut Transport,
    preamble: &mut Preamble,
    clock: &mut Clock,
) -> Result<(), Broken> {
    let bound = clock.begin(Step::Connect);
    let outcome = timeout(bound, run(transport, preamble)).await;
    let outcome = outcome.unwrap_or_else(|_| Err(clock.expired().into()));
    outcome.map_err(|fault| preamble.failed(fault))
}

async fn run(transport: &mut Transport, preamble: &mut Preamble) -> Result<(), ProxyFault> {
    let failed = |error: io::Error| ProxyFault::from(Broken::from(error));
    let mut incoming = [0; READ];
    loop {
        while !preamble.output().is_empty() {
            match transport.write(preamble.output()).await.map_err(failed)? {
                0 => return Err(failed(io::ErrorKind::WriteZero.into())),
                octets => preamble.wrote(octets),
            }
        }
        transport.flush().await.map_err(failed)?;
        let room = preamble.wants().min(READ);
        if room == 0 {
            return Ok(());
        }
        match transport.read(&mut incoming[..room]).await.map_err(failed)? {
            0 => return Err(Broken::Closed.into()),
            octets => preamble.receive(&incoming[..octets])?,
        }
    }
}
