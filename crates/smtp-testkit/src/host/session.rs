//! One connection of a server with rules, from the greeting to its end.

use std::sync::Arc;
use std::time::Duration;

use super::client_io::{ClientIo, SessionEnd};
use super::judge;
use super::receiving::{Input, LineWait};
use super::reply::Reply;
use super::state::{Hello, State};
use super::usual::{UsualReply, malformed};
use super::{Greeting, Host, NAME, Protocol};
use crate::answer::Answer;
use crate::command::{Command, Malformed};
use crate::journal::Page;
use crate::lint::Lint;
use crate::mismatch::Divergence;
use crate::rule::{Case, What};
use crate::script::{Entry, Event};
use crate::stream::Socket;
use crate::tls::TlsSettings;
use crate::watchdog::Watchdog;

/// A connection, its state, and the server that it belongs to.
pub(crate) struct Session {
    pub(super) host: Arc<Host>,
    pub(super) io: ClientIo,
    pub(super) state: State,
    pub(super) tls_settings: Option<Arc<TlsSettings>>,
}

impl Session {
    pub(crate) fn new(
        host: Arc<Host>,
        socket: Box<dyn Socket>,
        tls_settings: Option<Arc<TlsSettings>>,
        page: Page,
        watchdog: Watchdog,
    ) -> Self {
        let io = ClientIo::new(socket, page, watchdog, host.input_limit);
        Self { host, io, state: State::default(), tls_settings }
    }

    /// Serves until one side ends the connection.
    pub(crate) async fn serve(mut self) -> Result<(), Divergence> {
        let ended = match self.run().await {
            Err(SessionEnd::TooMuch) => self.refuse_excess().await,
            ended => ended,
        };
        self.host.forget(self.io.page.connection());
        match ended {
            Err(SessionEnd::TimedOut(divergence)) => Err(divergence),
            _ => Ok(()),
        }
    }

    /// Refuses a line or a text that is longer than the server takes, and closes.
    async fn refuse_excess(&mut self) -> Result<(), SessionEnd> {
        let arrived = self.io.inbox.octets().len();
        self.io.take(arrived);
        let text = "this line or message text is too long, and the connection is closed";
        self.reply(None, &Reply::new(552, "5.3.4", text)).await?;
        self.io.close("the server closed").await
    }

    async fn run(&mut self) -> Result<(), SessionEnd> {
        if self.host.greeting == Greeting::UnderTls {
            self.encrypt().await?;
        }
        self.greet().await?;
        while !self.state.closing {
            let wait =
                LineWait { silence: self.host.idle(), may_finish: self.state.envelope.is_none() };
            match self.io.line(wait).await? {
                Input::Line(line) => self.handle_line(&line).await?,
                Input::Silence(silence) => self.handle_idle(silence).await?,
                Input::Finish => {
                    return self.io.close("the server closed: the test is over").await;
                }
                Input::End => {
                    self.io.record_end();
                    self.io.record_finding(
                        Lint::NoQuit,
                        "the connection ended before QUIT".to_owned(),
                    );
                    return self.io.close("the server closed").await;
                }
            }
        }
        self.io.close("the server closed").await
    }

    async fn greet(&mut self) -> Result<(), SessionEnd> {
        self.io.look_ahead().await?;
        if !self.io.inbox.octets().is_empty() {
            self.io.record_event("the client sent something before the greeting");
            self.io.record_finding(Lint::BeforeGreeting, "before the greeting".to_owned());
        }
        let (exception, admission) = self.host.greet(&self.case(What::Greeting, ""));
        self.io.admission = admission;
        let protocol = match self.host.protocol {
            Protocol::Smtp => "ESMTP",
            Protocol::Lmtp => "LMTP",
        };
        let greeting = Reply::new(220, "", format!("{NAME} {protocol} ready"));
        let code = self.reply(exception, &greeting).await?;
        self.state.closing |= code.is_some_and(|code| code == 421);
        Ok(())
    }

    /// Applies a rule that waits for silence.
    async fn handle_idle(&mut self, silence: Duration) -> Result<(), SessionEnd> {
        match self.exception(What::Idle(silence)) {
            Some(answer) => self.perform(&answer.entries).await,
            None => Ok(()),
        }
    }

    /// Handles a line of the client where a command is expected.
    async fn handle_line(&mut self, line: &[u8]) -> Result<(), SessionEnd> {
        self.state.note_auth(line);
        let mut too_long = false;
        for (lint, what) in judge::line(&self.host, line) {
            too_long |= lint == Lint::OverLongLine && !self.host.tolerates(lint);
            self.io.record_finding(lint, what);
        }
        if too_long {
            return self.reply(None, &Reply::new(500, "5.5.2", "line too long")).await.map(|_| ());
        }
        let command = match self.read(line) {
            Ok((command, None)) => command,
            Ok((command, Some(tolerated))) => {
                self.io.record_finding(Lint::BadSyntax, tolerated.to_string());
                command
            }
            Err(why) => return self.refuse_line(line, why).await,
        };
        if std::mem::take(&mut self.state.fresh_tls) && !is_hello(&command) {
            let what = format!("{} came first", command.verb());
            self.io.record_finding(Lint::NoEhloAfterStartTls, what);
        }
        match command.verb() {
            "BDAT" => self.chunk(&command).await,
            "AUTH" => self.handle_auth(&command).await,
            _ => self.handle_command(command).await,
        }
    }

    /// Parses a command. The second value is its mistake, if that is tolerated. A bare LF ends a
    /// line only if that is tolerated.
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

    async fn refuse_line(&mut self, line: &[u8], why: Malformed) -> Result<(), SessionEnd> {
        let usual = malformed(why);
        if let Some((lint, what)) = usual.mistake {
            self.io.record_finding(lint, what);
        }
        self.reply(None, &usual.reply).await?;
        let lost = line.len() > 4 && line[..4].eq_ignore_ascii_case(b"BDAT");
        if lost {
            // The number of octets that follow is unknown.
            return self.io.close("the server closed: the chunk has no length").await;
        }
        Ok(())
    }

    /// Handles a command that is one line and has one reply.
    async fn handle_command(&mut self, command: Command) -> Result<(), SessionEnd> {
        self.check_pipelining(ends_group(&command)).await?;
        let exception = self.exception(What::Command(&command));
        let usual = self.judge(&command);
        let code = self.reply(exception, &usual.reply).await?;
        self.apply(command, code).await
    }

    /// Returns the usual reply, and records the mistake that caused it.
    pub(super) fn judge(&self, command: &Command) -> UsualReply {
        let usual = self.host.usual(&self.state, command);
        if let Some((lint, what)) = &usual.mistake {
            self.io.record_finding(*lint, what.clone());
        }
        usual
    }

    /// Records whether the client has sent more before the pending reply.
    pub(super) async fn check_pipelining(&mut self, last_of_group: bool) -> Result<(), SessionEnd> {
        self.io.look_ahead().await?;
        let ahead = self.io.inbox.octets();
        if ahead.is_empty() {
            return Ok(());
        }
        let first = ahead.split(|&octet| octet == b'\n').next().unwrap_or_default();
        let what = format!("{} arrived before the reply", self.state.quote(first));
        if !self.host.offers("PIPELINING") || self.state.hello != Hello::Extended {
            self.io.record_finding(Lint::PipelinedWithoutOffer, what);
        } else if last_of_group {
            self.io.record_finding(Lint::PastSynchronization, what);
        }
        Ok(())
    }

    pub(super) fn exception(&self, what: What<'_>) -> Option<Answer> {
        self.host.exception(&self.case(what, self.state.sender()))
    }

    pub(super) fn case<'a>(&'a self, what: What<'a>, sender: &'a str) -> Case<'a> {
        Case {
            what,
            connection: self.io.page.connection(),
            sender,
            tls: self.state.tls,
            login: self.state.login.as_ref(),
            message: None,
        }
    }

    /// Gives the answer of the exception, or the usual reply; returns the first code that the
    /// client received.
    pub(super) async fn reply(
        &mut self,
        exception: Option<Answer>,
        usual: &Reply,
    ) -> Result<Option<u16>, SessionEnd> {
        let answer = exception.unwrap_or_default();
        let (before, after) = answer.around_usual();
        self.perform(before).await?;
        if answer.gives_usual() {
            let octets = usual.octets(self.host.offers("ENHANCEDSTATUSCODES"));
            self.io.send(&octets).await?;
        }
        self.perform(after).await?;
        Ok(answer.first_code(usual.code))
    }

    /// Performs the entries of an answer; adjacent reply lines are one write.
    pub(super) async fn perform(&mut self, entries: &[Entry]) -> Result<(), SessionEnd> {
        let reply = |entry: &Entry| matches!(entry.event, Event::Server(_));
        for group in entries.chunk_by(|one, other| reply(one) && reply(other)) {
            match &group[0].event {
                Event::Server(_) => {
                    let lines = group.iter().filter_map(|entry| match &entry.event {
                        Event::Server(octets) => Some(octets.as_slice()),
                        _ => None,
                    });
                    let block = lines.collect::<Vec<_>>().concat();
                    self.io.send(&block).await?;
                }
                Event::StartTls => self.starttls().await?,
                event => self.io.perform_event(event).await?,
            }
        }
        Ok(())
    }
}

fn is_hello(command: &Command) -> bool {
    matches!(command.verb(), "EHLO" | "LHLO" | "QUIT")
}

/// Returns whether a command must be the last of its group (RFC 2920, 3.1).
fn ends_group(command: &Command) -> bool {
    !matches!(command.verb(), "MAIL" | "RCPT" | "RSET" | "BDAT")
}
