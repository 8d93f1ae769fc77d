//! When a server with rules does something other than usual: what is matched, and how often.

mod count;
mod open;

use std::fmt;
use std::time::Duration;

use crate::answer::Answer;
use crate::command::Command;
use crate::counted::Counted;
use crate::matching::Matching;

pub(crate) use self::count::{Book, Case};
pub(crate) use self::open::Admission;

/// An exception to what a well-behaved server does.
///
/// Rules are tried in the order in which they were given; the first whose pattern fits and whose
/// turn it is decides. A rule that has been used up lets the next one have its turn.
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
#[must_use = "a rule does nothing before a server has it"]
pub struct Rule {
    moment: Moment,
    when: Vec<When>,
    /// Whether the connection ends after an answer that is not the usual reply.
    closes: bool,
    scope: Scope,
    after: usize,
    times: Option<usize>,
    above: Option<(usize, Duration)>,
    required: bool,
    pub(crate) answer: Answer,
}

/// What a rule waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Moment {
    Greeting,
    Command(String),
    InsideText(usize),
    Text,
    TextFor(String),
    Idle(Duration),
}

/// The state that a connection, or the server, must be in for a rule to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum When {
    /// Outside of TLS.
    Clear,
    /// Under TLS.
    Tls,
    /// Before the client has logged in.
    LoggedOut,
    /// After the client has logged in.
    LoggedIn,
    /// While more than this number of connections are open at the same time, the one that the rule
    /// is asked for included: for a limit that a server checks later than at the greeting, as with
    /// a 432 at the end of a text.
    ///
    /// A connection is open from the moment at which the server greets it with 2yz to its end; a
    /// 221 or a 421 ends it when the server writes that reply. One that gets another greeting, or
    /// none, is never counted.
    ConnectionsAbove(usize),
}

/// What a rule counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// All that happens on the server.
    #[default]
    Server,
    /// What happens on one connection.
    Connection,
    /// The same sender with the same command line, on any connection.
    Envelope,
}

impl Rule {
    fn at(moment: Moment) -> Self {
        Self {
            moment,
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

    /// At a command line like this, where `*` stands for any octets. Case does not matter. A line
    /// whose bad syntax is [tolerated](crate::ServerBuilder::tolerate) is matched as it came, and as
    /// the grammar writes it.
    ///
    /// It is asked for each command that can be read, also where the usual reply is a refusal. What
    /// follows a 334 is no command: only `AUTH` itself is matched. At BDAT, the chunk has arrived,
    /// and at the last one, so has the message.
    pub fn on(pattern: &str) -> Self {
        Self::at(Moment::Command(pattern.to_owned()))
    }

    /// Where the greeting is due.
    pub fn greeting() -> Self {
        Self::at(Moment::Greeting)
    }

    /// At the greeting of a connection that is made while `count` others are open: a limit to
    /// `count` connections at a time. The answer takes the place of the greeting, and then the
    /// server closes the connection; only one that contains `[usual]` lets the connection in.
    /// As soon as one of the others has ended, the next connection is served.
    ///
    /// What counts as open is said at [`When::ConnectionsAbove`]; a connection that this rule
    /// turns away does not. It works on every transport, for a server without scripts.
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
        let rule = Self::at(Moment::Greeting).when(When::ConnectionsAbove(count));
        Self { closes: true, ..rule }
    }

    /// Inside of a text that comes with DATA, once so many octets of it have arrived: for a reply
    /// that is too early, or a connection that breaks there. Reading goes on afterwards.
    pub fn inside_text(octets: usize) -> Self {
        Self::at(Moment::InsideText(octets))
    }

    /// At the end of a text: where the reply to it is due. With a reply for each recipient, at
    /// each of them.
    pub fn text() -> Self {
        Self::at(Moment::Text)
    }

    /// At the end of a text, where the reply for a recipient like this is due; only LMTP and PRDR
    /// have one.
    pub fn text_for(recipient: &str) -> Self {
        Self::at(Moment::TextFor(recipient.to_owned()))
    }

    /// When the client has been silent for so long where a command may come and nothing is under
    /// way. Of several, the one with the shortest time has its turn.
    pub fn idle(time: Duration) -> Self {
        Self::at(Moment::Idle(time))
    }

    /// Only in this state; of several, all must hold.
    pub fn when(mut self, state: When) -> Self {
        self.when.push(state);
        self
    }

    /// What is counted together; by default, everything on the server.
    pub fn counted(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Lets the first so many pass.
    pub fn after(self, count: usize) -> Self {
        Self { after: count, ..self }
    }

    /// Applies so many times, and no more.
    pub fn times(self, count: usize) -> Self {
        Self { times: Some(count), ..self }
    }

    /// Applies to what exceeds so many within this time.
    pub fn above(self, count: usize, within: Duration) -> Self {
        Self { above: Some((count, within)), ..self }
    }

    /// Makes it a [`Mismatch`](crate::Mismatch) if the rule never has its turn: a test of an
    /// exception that does not happen proves nothing.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Replies with these lines, as they are.
    pub fn reply(self, lines: &str) -> Self {
        self.answer(Answer::reply(lines))
    }

    /// Does what the answer says.
    pub fn answer(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    /// Whether a handshake may follow.
    pub(crate) fn may_start_tls(&self) -> bool {
        let on_starttls =
            matches!(&self.moment, Moment::Command(pattern) if like(pattern, "STARTTLS"));
        on_starttls || self.answer.starts_tls()
    }

    /// How long a client may be silent before this rule has its turn.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self.moment {
            Moment::Idle(time) => Some(time),
            _ => None,
        }
    }

    /// How many octets of a text this rule waits for.
    pub(crate) fn octets(&self) -> Option<usize> {
        match self.moment {
            Moment::InsideText(octets) => Some(octets),
            _ => None,
        }
    }

    /// The answer that this rule gives, with all that follows from the kind of rule.
    fn given(&self) -> Answer {
        match self.closes {
            true => self.answer.clone().then_close(),
            false => self.answer.clone(),
        }
    }

    /// `open` is how many connections are open, that of the case included.
    fn fits(&self, case: &Case<'_>, open: usize) -> bool {
        let holds = |state: &When| match *state {
            When::Clear => case.tls.is_none(),
            When::Tls => case.tls.is_some(),
            When::LoggedOut => case.login.is_none(),
            When::LoggedIn => case.login.is_some(),
            When::ConnectionsAbove(count) => open > count,
        };
        self.moment.is_now(case) && self.when.iter().all(holds)
    }
}

impl Moment {
    fn is_now(&self, case: &Case<'_>) -> bool {
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

/// What has just happened.
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
        match &self.moment {
            Moment::Greeting => f.write_str("at the greeting"),
            Moment::Command(pattern) => write!(f, "on `{pattern}`"),
            Moment::InsideText(octets) => {
                write!(f, "inside of a text, after {}", Counted(*octets, "octet"))
            }
            Moment::Text => f.write_str("at the end of a text"),
            Moment::TextFor(pattern) => write!(f, "at the end of a text for `{pattern}`"),
            Moment::Idle(time) => write!(f, "after {time:?} of silence"),
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
