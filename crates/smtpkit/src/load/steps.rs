//! How long each step of a connection takes, seen by an observer of its session.
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use smtp_client::Reply;
use smtp_client::session::{Event, Observer};
use tokio::time::Instant;

/// A step that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    /// From looking up the name to the open connection.
    Connect,
    /// From the open connection to the greeting.
    Greeting,
    /// EHLO, HELO or LHLO, each.
    Hello,
    /// STARTTLS, up to its reply.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// AUTH, from the command to the last reply.
    Auth,
    /// From MAIL to the last reply before the content, which is 354 after DATA.
    Envelope,
    /// From the end of the content to its reply; of a chunk, from its BDAT.
    EndOfText,
    /// QUIT.
    Quit,
}

impl Measured {
    /// All steps in their order, with their names.
    pub(super) const ALL: [(Self, &str); 9] = [
        (Self::Connect, "connect"),
        (Self::Greeting, "greeting"),
        (Self::Hello, "EHLO"),
        (Self::StartTls, "STARTTLS"),
        (Self::Handshake, "TLS handshake"),
        (Self::Auth, "AUTH"),
        (Self::Envelope, "MAIL to 354"),
        (Self::EndOfText, "end of text"),
        (Self::Quit, "QUIT"),
    ];
}

/// The clock of one connection. A clone is the same clock.
#[derive(Clone)]
pub(super) struct StepClock(Arc<Mutex<Steps>>);

struct Steps {
    /// When the connection was begun; later, when the handshake could begin.
    mark: Instant,
    pending: VecDeque<(Pending, Instant)>,
    /// When the MAIL was sent that was answered last.
    mail: Option<Instant>,
    /// The time from that MAIL to the last reply of its envelope.
    envelope: Option<u64>,
    /// Of the message whose envelope was answered last, for LMTP: the final replies to come.
    accepted: usize,
    is_chunk: bool,
    samples: Vec<(Measured, u64)>,
    lmtp: bool,
}

/// What a reply is expected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Greeting,
    Hello,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Chunk { last: bool },
    EndOfText,
    Quit,
    Other,
}

impl StepClock {
    /// Starts the clock: the connection is begun now.
    pub(super) fn start() -> Self {
        Self(Arc::new(Mutex::new(Steps {
            mark: Instant::now(),
            pending: VecDeque::new(),
            mail: None,
            envelope: None,
            accepted: 0,
            is_chunk: false,
            samples: Vec::new(),
            lmtp: false,
        })))
    }

    /// Returns the observer for the connection.
    pub(super) fn observer(&self) -> impl Observer + 'static {
        let clock = self.clone();
        move |event: Event<'_>| clock.with(|steps| steps.note(event, Instant::now()))
    }

    /// Takes what was measured since the last call, in nanoseconds.
    pub(super) fn take(&self, mut each: impl FnMut(Measured, u64)) {
        self.with(|steps| steps.samples.drain(..).for_each(|(step, time)| each(step, time)));
    }

    /// Returns how many messages have no final reply although their end was given to the
    /// connection.
    pub(super) fn unanswered(&self) -> usize {
        self.with(|steps| steps.pending.iter().filter(|(it, _)| it.ends_message()).count())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Steps) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pending {
    /// What is expected after a command with this verb.
    fn of(verb: &str) -> Self {
        match verb {
            "EHLO" | "HELO" | "LHLO" => Self::Hello,
            "STARTTLS" => Self::StartTls,
            "AUTH" => Self::Auth,
            "MAIL" => Self::Mail,
            "RCPT" => Self::Rcpt,
            "DATA" => Self::Data,
            "BDAT" => Self::Chunk { last: false },
            "QUIT" => Self::Quit,
            _ => Self::Other,
        }
    }

    fn ends_message(self) -> bool {
        matches!(self, Self::EndOfText | Self::Chunk { last: true })
    }
}

impl Steps {
    fn note(&mut self, event: Event<'_>, now: Instant) {
        match event {
            Event::Connected => {
                self.sample(Measured::Connect, self.mark, now);
                self.mark = now;
                self.pending.push_back((Pending::Greeting, now));
            }
            Event::Secured { .. } => {
                self.sample(Measured::Handshake, self.mark, now);
                // Inside TLS from the first octet, the greeting follows the handshake.
                if let Some((Pending::Greeting, sent)) = self.pending.front_mut() {
                    *sent = now;
                }
            }
            Event::Sent(command) => {
                let Some(verb) = command.verb() else { return self.sent_line(now) };
                let mut what = Pending::of(verb.as_str());
                if let Pending::Chunk { last } = &mut what {
                    *last = command.to_string().ends_with(" LAST");
                }
                self.lmtp |= verb.as_str() == "LHLO";
                self.is_chunk = matches!(what, Pending::Chunk { .. });
                self.pending.push_back((what, now));
            }
            Event::Text { .. } if self.is_chunk => {}
            Event::Text { .. } => self.pending.push_back((Pending::EndOfText, now)),
            Event::Received(reply) => self.received(reply, now),
            _ => {}
        }
    }

    /// A line without a verb: of an AUTH exchange, whose AUTH is pending until its last reply.
    fn sent_line(&mut self, now: Instant) {
        if !matches!(self.pending.back(), Some((Pending::Auth, _))) {
            self.pending.push_back((Pending::Other, now));
        }
    }

    fn received(&mut self, reply: &Reply, now: Instant) {
        let code = reply.code().get();
        let Some(&(what, sent)) = self.pending.front() else { return };
        match what {
            Pending::Auth if code == 334 => return,
            // The first final reply is measured; LMTP has one for each recipient.
            Pending::EndOfText | Pending::Chunk { last: true } if self.lmtp => {
                if let Some(mail) = self.envelope.take() {
                    self.samples.push((Measured::Envelope, mail));
                    self.sample(Measured::EndOfText, sent, now);
                }
                self.accepted = self.accepted.saturating_sub(1);
                if self.accepted > 0 {
                    return;
                }
            }
            _ => {}
        }
        self.pending.pop_front();
        match what {
            Pending::Greeting => self.sample(Measured::Greeting, sent, now),
            Pending::Hello => self.sample(Measured::Hello, sent, now),
            Pending::StartTls => {
                self.sample(Measured::StartTls, sent, now);
                self.mark = now;
            }
            Pending::Auth => self.sample(Measured::Auth, sent, now),
            Pending::Quit => self.sample(Measured::Quit, sent, now),
            Pending::Mail => {
                self.end_envelope();
                (self.mail, self.accepted) = (Some(sent), 0);
                self.envelope_reply(now);
            }
            Pending::Rcpt => {
                self.accepted += usize::from(reply.is_completion());
                self.envelope_reply(now);
            }
            Pending::Data => self.envelope_reply(now),
            Pending::EndOfText | Pending::Chunk { last: true } if !self.lmtp => {
                self.end_envelope();
                self.sample(Measured::EndOfText, sent, now);
            }
            _ => {}
        }
    }

    /// A reply of the envelope has come, which may be its last.
    fn envelope_reply(&mut self, now: Instant) {
        self.envelope = self.mail.map(|mail| nanoseconds(mail, now));
    }

    fn end_envelope(&mut self) {
        if let Some(time) = self.envelope.take() {
            self.samples.push((Measured::Envelope, time));
        }
    }

    fn sample(&mut self, step: Measured, from: Instant, to: Instant) {
        self.samples.push((step, nanoseconds(from, to)));
    }
}

/// Returns the time between two moments; of more than 500 years, 500 years.
pub(super) fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtp_client::{Connector, Server};
    use smtp_testkit::{Script, Server as TestServer};
    use std::time::Duration;

    /// Sends a message to this script, with a clock that stands still but for the delays of the
    /// script, and returns the steps in whole milliseconds.
    async fn steps(script: &str) -> Vec<(Measured, u64)> {
        let (server, pipe) = TestServer::pipe(Script::parse(script).unwrap());
        let clock = StepClock::start();
        let connector = Connector::new(Server::tcp("localhost", 25));
        let connector = connector.hello_name("client.example".parse().unwrap());
        let connector = connector.observer(clock.observer());
        let mut connection = connector.connect_over(pipe).await.unwrap();
        let envelope =
            smtp_client::Envelope::new("a@example.org", ["b@example.org", "c@example.org"]);
        let text = smtp_client::MailData::new("Subject: x\r\n\r\n").unwrap();
        let delivery = connection.send(&envelope.unwrap(), text).await.unwrap();
        assert!(delivery.any_accepted());
        assert_eq!(clock.unanswered(), 0);
        connection.quit().await.unwrap();
        server.finish().await.unwrap();
        let mut steps = Vec::new();
        let whole = |time| Duration::from_nanos(time).as_millis() as u64;
        clock.take(|step, time| steps.push((step, whole(time))));
        steps
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_is_measured() {
        let steps = steps(
            "[delay 1s]\nS: 220 hi\nC: EHLO client.example\n[delay 2s]\nS: 250-hi\n\
             S: 250 PIPELINING\nC: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.org>\n\
             C: RCPT TO:<c@example.org>\nC: DATA\nS: 250 ok\n[delay 1s]\nS: 550 no\n\
             [delay 2s]\nS: 250 ok\nS: 354 go\n[text]\n[delay 4s]\nS: 250 ok\nC: QUIT\n\
             [delay 5s]\nS: 221 bye\n[close]\n",
        );
        let expected = [
            (Measured::Connect, 0),
            (Measured::Greeting, 1_000),
            (Measured::Hello, 2_000),
            (Measured::Envelope, 3_000),
            (Measured::EndOfText, 4_000),
            (Measured::Quit, 5_000),
        ];
        assert_eq!(steps.await, expected);
    }
}
