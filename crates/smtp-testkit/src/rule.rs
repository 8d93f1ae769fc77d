//! Rules: when a server deviates from its usual reply, and how often.

mod open;
mod set;

use std::fmt;
use std::time::Duration;

use crate::answer::Answer;
use crate::command::Command;
use crate::counted::Counted;
use crate::matching::Matching;

pub(crate) use self::open::Admission;
pub(crate) use self::set::{Case, RuleSet};

/// An exception to the usual behavior of a server.
///
/// The server tries the rules in the order in which they were added, and uses the first whose
/// pattern and counts match. A rule that has been used up is skipped.
///
/// ```
/// use std::time::Duration;
/// use smtp_testkit::{Rule, Scope};
///
/// // The second RCPT to this address gets 452, then none.
/// Rule::on("RCPT TO:<bob@example.org>*").after(1).times(1).reply("452 4.2.2 mailbox full");
/// // Greylisting: the first attempt for each sender and recipient.
/// Rule::on("RCPT *").counted(Scope::Envelope).times(1).reply("451 4.7.1 try again later");
/// // No more than ten messages on one connection.
/// Rule::on("MAIL *").counted(Scope::Connection).after(10).reply("421 4.7.0 enough\n");
/// // No more than five RCPT a minute.
/// Rule::on("RCPT *").above(5, Duration::from_secs(60)).reply("450 4.7.1 too fast");
/// // No more than two connections at a time; a further one gets this greeting and is closed.
/// Rule::connections_above(2).reply("421 4.7.0 too many connections");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a rule does nothing until it is added to a server"]
pub struct Rule {
    trigger: Trigger,
    when: Vec<When>,
    /// Whether the connection ends after an answer without the usual reply.
    closes: bool,
    scope: Scope,
    after: usize,
    times: Option<usize>,
    above: Option<(usize, Duration)>,
    required: bool,
    pub(crate) answer: Answer,
}

/// The point of the dialogue at which a rule applies.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trigger {
    Greeting,
    Command(String),
    InsideText(usize),
    Text,
    TextFor(String),
    Idle(Duration),
}

/// A state of the connection or the server in which a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum When {
    /// Without TLS.
    Clear,
    /// Under TLS.
    Tls,
    /// Before the client has logged in.
    LoggedOut,
    /// After the client has logged in.
    LoggedIn,
    /// While more than this number of connections are open, including the one that the rule is
    /// checked on. This is for a limit that a server enforces later than at the greeting, as with
    /// 432 at the end of a text.
    ///
    /// A connection is open from the 2yz greeting to its end, or until the server writes 221 or
    /// 421. A connection with another greeting, or without one, is never counted.
    ConnectionsAbove(usize),
}

/// The group of events that a rule counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// All events on the server.
    #[default]
    Server,
    /// The events on one connection.
    Connection,
    /// The events with the same sender and the same command line, on any connection. A rule counts
    /// the 100,000 of them that it saw first last.
    Envelope,
}

impl Rule {
    fn at(trigger: Trigger) -> Self {
        Self {
            trigger,
            when: Vec::new(),
            closes: false,
            scope: Scope::Server,
            after: 0,
            times: None,
            above: None,
            required: false,
            answer: Answer::default(),
        }
    }

    /// Applies to command lines that match the pattern, where `*` stands for any octets, without
    /// regard to case. A line whose bad syntax is [tolerated](crate::ServerBuilder::tolerate) is
    /// matched both as received and in the form of the grammar.
    ///
    /// The rule is checked for each well-formed command, even if the usual reply is a refusal. The
    /// responses to 334 are not commands; only `AUTH` itself is matched. For BDAT, the rule is
    /// checked after the chunk has arrived; for the last chunk, after the whole message has.
    pub fn on(pattern: &str) -> Self {
        Self::at(Trigger::Command(pattern.to_owned()))
    }

    /// Applies in place of the greeting.
    pub fn greeting() -> Self {
        Self::at(Trigger::Greeting)
    }

    /// Applies to the greeting of a connection that is made while `count` others are open: a limit
    /// of `count` connections at a time. The server gives the answer instead of the greeting and
    /// closes the connection, unless the answer contains `[usual]`. As soon as one of the others
    /// has ended, the next connection is served.
    ///
    /// [`When::ConnectionsAbove`] defines which connections are open; one that this rule refuses is
    /// not. The rule works on every transport, for a server without scripts.
    ///
    /// ```
    /// use smtp_testkit::{Rule, Server};
    ///
    /// let limit = Rule::connections_above(2).reply("554 5.7.1 too many connections");
    /// let server = Server::builder().rule(limit).tcp().unwrap();
    /// # drop(server);
    /// // The server takes its time, and resets the connection instead of closing it.
    /// let slow = "[delay 5s]\nS: 421 4.7.0 too many connections\n[reset]".parse().unwrap();
    /// Rule::connections_above(2).answer(slow);
    /// ```
    pub fn connections_above(count: usize) -> Self {
        let rule = Self::at(Trigger::Greeting).when(When::ConnectionsAbove(count));
        Self { closes: true, ..rule }
    }

    /// Applies inside of a text sent with DATA, after this number of its octets have arrived: for
    /// an early reply, or a connection that fails there. Afterwards the server reads on.
    pub fn inside_text(octets: usize) -> Self {
        Self::at(Trigger::InsideText(octets))
    }

    /// Applies to the reply at the end of a text. If each recipient has a reply, it applies to each
    /// of them.
    pub fn text() -> Self {
        Self::at(Trigger::Text)
    }

    /// Applies to the reply at the end of a text for a recipient that matches the pattern; only
    /// LMTP and PRDR have such replies.
    pub fn text_for(recipient: &str) -> Self {
        Self::at(Trigger::TextFor(recipient.to_owned()))
    }

    /// Applies when the client has sent nothing for this long outside of a transaction. Of several
    /// such rules, the one with the shortest time is used.
    pub fn idle(time: Duration) -> Self {
        Self::at(Trigger::Idle(time))
    }

    /// Restricts the rule to this state. Several states must all hold.
    pub fn when(mut self, state: When) -> Self {
        self.when.push(state);
        self
    }

    /// Sets which events are counted together; by default, all on the server.
    pub fn counted(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Skips the first `count` matches.
    pub fn after(self, count: usize) -> Self {
        Self { after: count, ..self }
    }

    /// Applies at most `count` times.
    pub fn times(self, count: usize) -> Self {
        Self { times: Some(count), ..self }
    }

    /// Applies to matches beyond `count` per period `within`.
    pub fn above(self, count: usize, within: Duration) -> Self {
        Self { above: Some((count, within)), ..self }
    }

    /// Makes [`finish`](crate::Server::finish) fail if the rule is never used, because a test of an
    /// exception that does not happen proves nothing.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Sets the reply lines, which are sent as they are.
    pub fn reply(self, lines: &str) -> Self {
        self.answer(Answer::reply(lines))
    }

    /// Sets the answer.
    pub fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// Returns whether the rule may start a TLS handshake.
    pub(crate) fn may_start_tls(&self) -> bool {
        let on_starttls =
            matches!(&self.trigger, Trigger::Command(pattern) if like(pattern, "STARTTLS"));
        on_starttls || self.answer.starts_tls()
    }

    /// The silence of the client after which this rule applies.
    pub(crate) fn idle_time(&self) -> Option<Duration> {
        match self.trigger {
            Trigger::Idle(time) => Some(time),
            _ => None,
        }
    }

    /// The number of octets of a text after which this rule applies.
    pub(crate) fn octets(&self) -> Option<usize> {
        match self.trigger {
            Trigger::InsideText(octets) => Some(octets),
            _ => None,
        }
    }

    /// The answer of this rule, with the end of the connection if this kind of rule adds it.
    fn full_answer(&self) -> Answer {
        match self.closes {
            true => self.answer.clone().then_close(),
            false => self.answer.clone(),
        }
    }

    /// Returns whether the rule matches; `open` is the number of open connections, including that
    /// of the case.
    fn fits(&self, case: &Case<'_>, open: usize) -> bool {
        let holds = |state: &When| match *state {
            When::Clear => case.tls.is_none(),
            When::Tls => case.tls.is_some(),
            When::LoggedOut => case.login.is_none(),
            When::LoggedIn => case.login.is_some(),
            When::ConnectionsAbove(count) => open > count,
        };
        self.trigger.matches(case) && self.when.iter().all(holds)
    }
}

impl Trigger {
    fn matches(&self, case: &Case<'_>) -> bool {
        match (self, case.what) {
            (Self::Greeting, What::Greeting) => true,
            (Self::Text, What::Text | What::TextFor(_)) => true,
            (Self::Command(pattern), What::Command(command)) => {
                let meant = format!("{} {}", command.verb(), command.argument());
                like(pattern, command.line()) || like(pattern, meant.trim_end_matches(' '))
            }
            (Self::TextFor(pattern), What::TextFor(recipient)) => like(pattern, recipient),
            (Self::Idle(time), What::Idle(silent)) => *time == silent,
            (Self::InsideText(octets), What::InsideText(arrived)) => *octets == arrived,
            _ => false,
        }
    }
}

/// The event for which the rules are checked.
#[derive(Clone, Copy)]
pub(crate) enum What<'a> {
    Greeting,
    Command(&'a Command),
    InsideText(usize),
    Text,
    TextFor(&'a str),
    Idle(Duration),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trigger {
            Trigger::Greeting => f.write_str("at the greeting"),
            Trigger::Command(pattern) => write!(f, "on `{pattern}`"),
            Trigger::InsideText(octets) => {
                write!(f, "inside of a text, after {}", Counted(*octets, "octet"))
            }
            Trigger::Text => f.write_str("at the end of a text"),
            Trigger::TextFor(pattern) => write!(f, "at the end of a text for `{pattern}`"),
            Trigger::Idle(time) => write!(f, "after {time:?} of silence"),
        }?;
        self.when.iter().try_for_each(|state| match state {
            When::ConnectionsAbove(1) => f.write_str(" while more than 1 connection is open"),
            When::ConnectionsAbove(count) => {
                write!(f, " while more than {} are open", Counted(*count, "connection"))
            }
            _ => Ok(()),
        })
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let [pattern, text] = [pattern, text].map(str::to_ascii_lowercase);
    Matching::Glob.accepts(pattern.as_bytes(), text.as_bytes())
}
