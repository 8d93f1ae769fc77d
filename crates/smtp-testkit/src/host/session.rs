//! One connection of a server with rules, from the greeting to its end.

use std::sync::Arc;

use super::hearing::{Heard, Patience};
use super::judge;
use super::reply::Reply;
use super::state::{Hello, State};
use super::usual::{Verdict, malformed};
use super::wire::{Over, Wire};
use super::{Greeting, Host, NAME, Protocol};
use crate::answer::Answer;
use crate::command::{Command, Malformed};
use crate::journal::Page;
use crate::lint::Lint;
use crate::mismatch::Departure;
use crate::rule::{Case, What};
use crate::script::{Entry, Event};
use crate::stream::Socket;
use crate::tls::Terms;
use crate::watchdog::Watchdog;

/// A connection, its state, and the server it belongs to.
pub(crate) struct Session {
    pub(super) host: Arc<Host>,
    pub(super) wire: Wire,
    pub(super) state: State,
    pub(super) terms: Option<Arc<Terms>>,
}

impl Session {
    pub(crate) fn new(
        host: Arc<Host>,
        socket: Box<dyn Socket>,
        terms: Option<Arc<Terms>>,
        page: Page,
        watchdog: Watchdog,
    ) -> Self {
        let wire = Wire::new(socket, page, watchdog);
        Self { host, wire, state: State::default(), terms }
    }

    /// Serves until one side ends the connection.
    pub(crate) async fn serve(mut self) -> Result<(), Departure> {
        match self.converse().await {
            Ok(()) | Err(Over::Ended) => Ok(()),
            Err(Over::Stuck(departure)) => Err(departure),
        }
    }

    async fn converse(&mut self) -> Result<(), Over> {
        if self.host.greeting == Greeting::UnderTls {
            self.encrypt().await?;
        }
        self.greet().await?;
        while !self.state.farewell {
            let patience =
                Patience { silence: self.host.patience, at_rest: self.state.envelope.is_none() };
            match self.wire.line(patience).await? {
                Heard::Line(line) => self.hear(&line).await?,
                Heard::Silence => self.interrupt().await?,
                Heard::Leave => {
                    return self.wire.close("the server closed: the test is over").await;
                }
                Heard::End => {
                    self.wire.ended();
                    self.wire.blame(Lint::NoQuit, "the connection ended without it".to_owned());
                    return self.wire.close("the server closed").await;
                }
            }
        }
        self.wire.close("the server closed").await
    }

    async fn greet(&mut self) -> Result<(), Over> {
        self.wire.look_ahead().await?;
        if !self.wire.inbox.octets().is_empty() {
            self.wire.happened("the client has sent something before the greeting");
            self.wire.blame(Lint::BeforeGreeting, "before the greeting".to_owned());
        }
        let (exception, admission) = self.host.greet(&self.case(What::Greeting, ""));
        self.wire.admission = admission;
        let protocol = match self.host.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let greeting = Reply::new(220, "", format!("{NAME} {protocol} ready"));
        let code = self.give(exception, &greeting).await?;
        self.state.farewell |= code.is_some_and(|code| code == 421);
        Ok(())
    }

    /// A rule that waits for silence has its turn.
    async fn interrupt(&mut self) -> Result<(), Over> {
        let Some(silence) = self.host.patience else { return Ok(()) };
        match self.exception(What::Idle(silence)) {
            Some(answer) => self.perform(&answer.entries).await,
            None => Ok(()),
        }
    }

    /// One line of the client where a command is due.
    async fn hear(&mut self, line: &[u8]) -> Result<(), Over> {
        let mut too_long = false;
        for (lint, what) in judge::line(&self.host, line) {
            too_long |= lint == Lint::OverLongLine && !self.host.tolerates(lint);
            self.wire.blame(lint, what);
        }
        if too_long {
            return self.give(None, &Reply::new(500, "5.5.2", "line too long")).await.map(|_| ());
        }
        let command = match self.read(line) {
            Ok((command, None)) => command,
            Ok((command, Some(tolerated))) => {
                self.wire.blame(Lint::BadSyntax, tolerated.to_string());
                command
            }
            Err(why) => return self.refuse_line(line, why).await,
        };
        if std::mem::take(&mut self.state.fresh_tls) && !is_hello(&command) {
            let what = format!("{} came first", command.verb());
            self.wire.blame(Lint::NoEhloAfterStartTls, what);
        }
        match command.verb() {
            "BDAT" => self.chunk(&command).await,
            "AUTH" => self.log_in(&command).await,
            _ => self.obey(command).await,
        }
    }

    /// Reads a command, and what is wrong with it where that is tolerated. A bare LF is the end of a
    /// line only where it is tolerated.
    fn read(&self, line: &[u8]) -> Result<(Command, Option<Malformed>), Malformed> {
        let line = match line.strip_suffix(b"\n") {
            Some(body) if !body.ends_with(b"\r") && self.host.tolerates(Lint::BareLf) => {
                &[body, b"\r\n"].concat()
            }
            _ => line,
        };
        match Command::read(line) {
            Ok(command) => Ok((command, None)),
            Err(why) if self.host.tolerates(Lint::BadSyntax) => {
                let command = Command::read_leniently(line).map_err(|_| why)?;
                Ok((command, Some(why)))
            }
            Err(why) => Err(why),
        }
    }

    async fn refuse_line(&mut self, line: &[u8], why: Malformed) -> Result<(), Over> {
        let verdict = malformed(why);
        if let Some((lint, what)) = verdict.mistake {
            self.wire.blame(lint, what);
        }
        self.give(None, &verdict.reply).await?;
        let lost = line.len() > 4 && line[..4].eq_ignore_ascii_case(b"BDAT");
        if lost {
            // Nobody knows how many octets follow.
            return self.wire.close("the server closed: the chunk has no length").await;
        }
        Ok(())
    }

    /// A command that is one line and one reply.
    async fn obey(&mut self, command: Command) -> Result<(), Over> {
        self.notice_ahead(ends_group(&command)).await?;
        let exception = self.exception(What::Command(&command));
        let verdict = self.judged(&command);
        let code = self.give(exception, &verdict.reply).await?;
        self.take_effect(command, code).await
    }

    /// The usual reply; the mistake behind it is noted.
    pub(super) fn judged(&self, command: &Command) -> Verdict {
        let verdict = self.host.usual(&self.state, command);
        if let Some((lint, what)) = &verdict.mistake {
            self.wire.blame(*lint, what.clone());
        }
        verdict
    }

    /// Notes what the client sent before the reply that is due now.
    pub(super) async fn notice_ahead(&mut self, last_of_group: bool) -> Result<(), Over> {
        self.wire.look_ahead().await?;
        let ahead = self.wire.inbox.octets();
        if ahead.is_empty() {
            return Ok(());
        }
        let first = ahead.split(|&octet| octet == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(&first[..first.len().min(60)]).trim_end().to_owned();
        let what = format!("`{first}` came before the reply");
        if !self.host.offers("PIPELINING") || self.state.hello != Hello::Extended {
            self.wire.blame(Lint::PipelinedWithoutOffer, what);
        } else if last_of_group {
            self.wire.blame(Lint::PastSynchronization, what);
        }
        Ok(())
    }

    pub(super) fn exception(&self, what: What<'_>) -> Option<Answer> {
        self.host.exception(&self.case(what, self.state.sender()))
    }

    pub(super) fn case<'a>(&'a self, what: What<'a>, sender: &'a str) -> Case<'a> {
        Case {
            what,
            connection: self.wire.page.connection(),
            sender,
            tls: self.state.tls,
            login: self.state.login.as_ref(),
            message: None,
        }
    }

    /// Gives the usual reply, or what takes its place; the code that the client was told.
    pub(super) async fn give(
        &mut self,
        exception: Option<Answer>,
        usual: &Reply,
    ) -> Result<Option<u16>, Over> {
        let answer = exception.unwrap_or_default();
        let (before, after) = answer.around_usual();
        self.perform(before).await?;
        if answer.gives_usual() {
            let octets = usual.octets(self.host.offers("ENHANCEDSTATUSCODES"));
            self.wire.say(&octets).await?;
        }
        self.perform(after).await?;
        Ok(answer.told(usual.code))
    }

    /// Does what an answer says; reply lines that are neighbors are one write.
    pub(super) async fn perform(&mut self, entries: &[Entry]) -> Result<(), Over> {
        let reply = |entry: &Entry| matches!(entry.event, Event::Server(_));
        for group in entries.chunk_by(|one, other| reply(one) && reply(other)) {
            match &group[0].event {
                Event::Server(_) => {
                    let lines = group.iter().filter_map(|entry| match &entry.event {
                        Event::Server(octets) => Some(octets.as_slice()),
                        _ => None,
                    });
                    let block = lines.collect::<Vec<_>>().concat();
                    self.wire.say(&block).await?;
                }
                Event::StartTls => self.starttls().await?,
                event => self.wire.act(event).await?,
            }
        }
        Ok(())
    }
}

fn is_hello(command: &Command) -> bool {
    matches!(command.verb(), "EHLO" | "LHLO" | "QUIT")
}

/// Whether a command must be the last of its group (RFC 2920, 3.1).
fn ends_group(command: &Command) -> bool {
    !matches!(command.verb(), "MAIL" | "RCPT" | "RSET" | "BDAT")
}
