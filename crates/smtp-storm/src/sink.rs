//! Our own server, which records every message before it says that it has accepted it.
use std::{io, net::SocketAddr};

use smtp_server::{
    Accept, Capacity, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse,
    RunningServer, Server,
};

use crate::{Problem, letter::named, random::Random, record::Recorder};

struct Sink {
    recorder: Recorder,
    seed: u64,
}

/// Starts it on a free port.
pub(crate) fn start(recorder: Recorder, seed: u64) -> Result<(RunningServer, SocketAddr), Problem> {
    let mut capacity = Capacity::default();
    capacity.per_address = capacity.connections;
    let server = Server::new(Sink { recorder, seed }).capacity(capacity).listen("127.0.0.1:0")?;
    let server = server.spawn()?;
    let address = server.addresses().first().copied().ok_or("the server has no address")?;
    Ok((server, address))
}

impl Handler for Sink {
    type State = ();

    async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
        match rcpt.path().as_str().starts_with("nobody@") {
            true => Err(Refuse::no_such_mailbox()),
            false => Ok(Accept::usual()),
        }
    }

    async fn message(
        &self,
        _: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let content = data.read_all().await?;
        let number = named(&String::from_utf8_lossy(&content)).map(|(_, number, _)| number);
        let number = number.ok_or_else(|| io::Error::other("no number"))?;
        let mut random = Random::new(&[self.seed, 2, number]);
        if random.percent(5) {
            return Err(if random.percent(50) { Refuse::unwanted() } else { Refuse::for_now() });
        }
        let recipients: Vec<String> =
            envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str().to_owned()).collect();
        self.recorder.add(&recipients, &content);
        Ok(Outcome::accepted())
    }
}
