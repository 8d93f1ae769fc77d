//! Our own server, which records every message before it says that it has accepted it.
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use smtp_server::{
    Accept, Capacity, Context, Data, Decision, Dialect, Envelope, Handler, Listener, Outcome, Rcpt,
    Refuse, RunningServer, Server, Settings, StartTls,
};

use crate::{
    Problem,
    identity::Identity,
    letter::{named, number_of_sender},
    manner::Link,
    random::Random,
    record::Recorder,
};

struct Sink {
    recorder: Recorder,
    seed: u64,
    /// How often each recipient of a message was refused for now.
    refusals: Mutex<HashMap<(u64, String), u64>>,
}

/// Starts it on a free port.
pub(crate) fn start(
    recorder: Recorder,
    seed: u64,
    link: Link,
    identity: &Identity,
) -> Result<(RunningServer, SocketAddr), Problem> {
    let mut capacity = Capacity::default();
    capacity.per_address = capacity.connections;
    let settings = match link {
        Link::Smtp => Settings::smtp("localhost"),
        Link::StartTls => Settings::smtp("localhost").starttls(StartTls::Required),
        Link::Tls => Settings::smtp("localhost").implicit_tls(),
        Link::Lmtp => Settings::lmtp("localhost"),
    };
    let mut listener = Listener::tcp("127.0.0.1:0")?.settings(settings.build()?);
    if matches!(link, Link::StartTls | Link::Tls) {
        listener = listener.tls(identity.certificates()?.config()?);
    }
    let sink = Sink { recorder, seed, refusals: Mutex::default() };
    let server = Server::new(sink).capacity(capacity).listener(listener).spawn()?;
    let address = server.addresses().first().copied().ok_or("the server has no address")?;
    Ok((server, address))
}

/// The reason of a refusal for now, which each has its own part of the random numbers.
#[derive(Clone, Copy)]
enum Cause {
    Recipient = 5,
    Message = 6,
    Mailbox = 7,
}

impl Sink {
    /// Returns whether a recipient of a message is refused for now: so many in a hundred, once or
    /// twice. A client that tries often enough gets the message through.
    fn refuses_for_now(&self, cause: Cause, number: u64, recipient: &str, percent: u64) -> bool {
        let mailbox = recipient.bytes().fold(0, |sum: u64, octet| sum * 31 % 65_521 + octet as u64);
        let mut random = Random::new(&[self.seed, cause as u64, number, mailbox]);
        if !random.percent(percent) {
            return false;
        }
        let most = 1 + random.below(2);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let count = refusals.entry((number, recipient.to_owned())).or_default();
        let refuses = *count < most;
        *count += u64::from(refuses);
        refuses
    }

    fn was_refused(&self, number: u64, recipient: &str) -> bool {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.get(&(number, recipient.to_owned())).is_some_and(|&count| count > 0)
    }

    /// Decides about a recipient after the content, as LMTP does.
    fn mailbox(&self, number: u64, recipient: &str) -> Decision {
        match self.refuses_for_now(Cause::Mailbox, number, recipient, 5) {
            true => Err(Refuse::mailbox_full()),
            false => Ok(Accept::usual()),
        }
    }
}

impl Handler for Sink {
    type State = ();

    async fn rcpt(&self, cx: &mut Context, rcpt: &Rcpt) -> Decision {
        let recipient = rcpt.path().as_str();
        if recipient.starts_with("nobody@") {
            return Err(Refuse::no_such_mailbox());
        }
        let sender = cx.mail().and_then(|mail| number_of_sender(mail.path().as_str()));
        let number = sender.ok_or_else(|| io::Error::other("no number in MAIL"))?;
        match self.refuses_for_now(Cause::Recipient, number, recipient, 5) {
            true => Err(Refuse::greylisted()),
            false => Ok(Accept::usual()),
        }
    }

    async fn message(
        &self,
        cx: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let content = data.read_all().await?;
        let number = named(&String::from_utf8_lossy(&content)).map(|(_, number, _)| number);
        let number = number.ok_or_else(|| io::Error::other("no number"))?;
        if Random::new(&[self.seed, 2, number]).percent(3) {
            return Err(Refuse::unwanted());
        }
        if self.refuses_for_now(Cause::Message, number, "", 3) {
            return Err(Refuse::for_now());
        }
        let mut recipients: Vec<String> =
            envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str().to_owned()).collect();
        let outcome = match cx.settings().dialect() {
            Dialect::Lmtp => {
                let decisions: Vec<Decision> =
                    recipients.iter().map(|recipient| self.mailbox(number, recipient)).collect();
                let mut accepted = decisions.iter().map(Decision::is_ok);
                recipients.retain(|_| accepted.next().unwrap_or(false));
                Outcome::each(decisions)
            }
            _ => Outcome::accepted(),
        };
        let message_was = self.was_refused(number, "");
        let later = recipients.iter().filter(|one| message_was || self.was_refused(number, one));
        self.recorder.count_later(later.count());
        self.recorder.add(&recipients, &content);
        Ok(outcome)
    }
}
