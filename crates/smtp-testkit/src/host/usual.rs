//! What a well-behaved server replies to a command, and why.

use super::extension;
use super::judge;
use super::reply::Reply;
use super::state::{Envelope, Hello, State, domain};
use super::{Host, NAME, Protocol};
use crate::command::{Command, Malformed};
use crate::lint::Lint;

/// A reply, and the mistake that it answers.
pub(super) struct Verdict {
    pub(super) reply: Reply,
    pub(super) mistake: Option<judge::Mistake>,
}

impl Verdict {
    fn new(code: u16, enhanced: &'static str, text: &str) -> Self {
        Self { reply: Reply::new(code, enhanced, text), mistake: None }
    }

    fn blaming(self, lint: Lint, what: impl Into<String>) -> Self {
        Self { mistake: Some((lint, what.into())), ..self }
    }

    fn out_of_place(text: &str) -> Self {
        Self::new(503, "5.5.1", text).blaming(Lint::BadSequence, text)
    }
}

/// What is said to a line that is no command.
pub(super) fn malformed(why: Malformed) -> Verdict {
    let verdict = match why {
        Malformed::LineEnd | Malformed::Characters | Malformed::Verb => {
            Verdict::new(500, "5.5.2", &why.to_string())
        }
        _ => Verdict::new(501, "5.5.4", &why.to_string()),
    };
    match why {
        // The line ends were noticed where they are.
        Malformed::LineEnd => verdict,
        _ => verdict.blaming(Lint::BadSyntax, why.to_string()),
    }
}

impl Host {
    /// The reply to a command, in this state.
    pub(super) fn usual(&self, state: &State, command: &Command) -> Verdict {
        let verb = command.verb();
        if let Some(keyword) = extension::of_verb(verb)
            && (state.hello == Hello::Plain || !self.is_listed(state, keyword))
        {
            let verdict = Verdict::new(502, "5.5.1", &format!("{verb} is not offered"));
            return verdict.blaming(Lint::NotOffered, format!("{keyword} is not offered"));
        }
        match verb {
            "EHLO" | "HELO" | "LHLO" => self.hello(state, command),
            "NOOP" => Verdict::new(250, "2.0.0", "OK"),
            "RSET" => Verdict::new(250, "2.0.0", "forgotten"),
            "QUIT" => Verdict::new(221, "2.0.0", "goodbye"),
            "HELP" => Verdict::new(214, "2.0.0", "a server for tests: see its rules"),
            "VRFY" | "EXPN" => Verdict::new(252, "2.5.0", "send some mail and see"),
            _ if state.hello == Hello::Missing => match is_known(verb) {
                true => Verdict::out_of_place(match self.protocol {
                    Protocol::Smtp => "EHLO comes first",
                    Protocol::Lmtp => "LHLO comes first",
                }),
                false => unknown(verb),
            },
            "STARTTLS" => match state.envelope {
                None => Verdict::new(220, "2.0.0", "go ahead"),
                Some(_) => Verdict::out_of_place("a transaction has begun"),
            },
            "AUTH" => self.auth(state, command),
            "MAIL" => self.mail(state, command),
            "RCPT" => self.rcpt(state, command),
            "DATA" => data(self, state),
            "BDAT" => bdat(state),
            "ETRN" | "XFORWARD" => Verdict::new(250, "2.0.0", "OK"),
            "ATRN" | "BURL" => Verdict::new(502, "5.5.1", "only a rule can answer this"),
            "XCLIENT" => Verdict::new(220, "", &format!("{NAME} ready")),
            _ => unknown(verb),
        }
    }

    fn hello(&self, state: &State, command: &Command) -> Verdict {
        let lmtp = self.protocol == Protocol::Lmtp;
        match command.verb() {
            "LHLO" if !lmtp => unknown("LHLO"),
            "EHLO" | "HELO" if lmtp => unknown(command.verb()),
            "HELO" => Verdict::new(250, "", NAME),
            _ => {
                let listed = self.offers.iter().filter_map(|line| self.shown(state, line));
                let lines = [NAME.to_owned()].into_iter().chain(listed).collect();
                Verdict { reply: Reply::lines(250, lines), mistake: None }
            }
        }
    }

    /// An offer as EHLO lists it now.
    fn shown(&self, state: &State, line: &str) -> Option<String> {
        let mut words = line.split(' ');
        let keyword = words.next()?;
        if !self.is_listed(state, keyword) {
            return None;
        }
        if !keyword.eq_ignore_ascii_case("AUTH") {
            return Some(line.to_owned());
        }
        // Channel binding needs a channel.
        let usable = |word: &&str| state.tls.is_some() || !word.ends_with("-PLUS");
        let mechanisms: Vec<&str> = words.filter(usable).collect();
        Some(format!("{keyword} {}", mechanisms.join(" ")))
    }

    /// Whether EHLO lists this keyword now.
    pub(super) fn is_listed(&self, state: &State, keyword: &str) -> bool {
        let fits = match keyword.to_ascii_uppercase().as_str() {
            "STARTTLS" => state.tls.is_none(),
            "REQUIRETLS" => state.tls.is_some(),
            _ => true,
        };
        fits && self.offers(keyword)
    }

    fn auth(&self, state: &State, command: &Command) -> Verdict {
        if state.login.is_some() {
            return Verdict::out_of_place("already logged in");
        }
        if state.envelope.is_some() {
            return Verdict::out_of_place("a transaction has begun");
        }
        let mechanism = command.argument().split(' ').next().unwrap_or_default();
        let offered = self.offered("AUTH").unwrap_or_default();
        match offered.iter().any(|known| known.eq_ignore_ascii_case(mechanism)) {
            true => Verdict::new(334, "", ""),
            false => Verdict::new(504, "5.5.4", "this mechanism is not offered")
                .blaming(Lint::NotOffered, format!("AUTH {mechanism} is not offered")),
        }
    }

    fn mail(&self, state: &State, command: &Command) -> Verdict {
        if state.envelope.is_some() {
            return Verdict::out_of_place("a transaction has begun already");
        }
        if self.limit("MAILMAX").is_some_and(|most| state.mails >= most) {
            let verdict = Verdict::new(451, "4.7.0", "enough messages on this connection");
            return verdict.blaming(Lint::NotOffered, "more MAIL than MAILMAX allows");
        }
        if let Some(refusal) = self.wrong_param(state, command) {
            return refusal;
        }
        let size = command.param("SIZE").map(|size| size.parse().unwrap_or(usize::MAX));
        if size > self.size_limit() && self.size_limit().is_some() {
            return Verdict::new(552, "5.3.4", "too large");
        }
        if let Some(mistake) = judge::utf8(state, command) {
            let verdict = Verdict::new(553, "5.6.7", "UTF-8 needs SMTPUTF8");
            return Verdict { mistake: Some(mistake), ..verdict };
        }
        Verdict::new(250, "2.1.0", "sender taken")
    }

    fn rcpt(&self, state: &State, command: &Command) -> Verdict {
        let Some(envelope) = &state.envelope else {
            return Verdict::out_of_place("MAIL comes first");
        };
        if envelope.chunks.is_some() {
            return Verdict::out_of_place("the text has begun");
        }
        if self.limit("RCPTMAX").is_some_and(|most| envelope.rcpts.len() >= most) {
            let verdict = Verdict::new(452, "4.5.3", "enough recipients for this message");
            return verdict.blaming(Lint::NotOffered, "more RCPT than RCPTMAX allows");
        }
        let new = domain(command).is_some_and(|domain| !state.domains.contains(&domain));
        if self.limit("RCPTDOMAINMAX").is_some_and(|most| new && state.domains.len() >= most) {
            let verdict = Verdict::new(452, "4.5.3", "enough domains on this connection");
            return verdict.blaming(Lint::NotOffered, "more domains than RCPTDOMAINMAX allows");
        }
        if let Some(refusal) = self.wrong_param(state, command) {
            return refusal;
        }
        if let Some(mistake) = judge::utf8(state, command) {
            let verdict = Verdict::new(553, "5.6.7", "UTF-8 needs SMTPUTF8");
            return Verdict { mistake: Some(mistake), ..verdict };
        }
        Verdict::new(250, "2.1.5", "recipient taken")
    }

    /// The refusal of the first parameter that is not offered or not well-formed.
    fn wrong_param(&self, state: &State, command: &Command) -> Option<Verdict> {
        command.params().find_map(|(name, value)| {
            let value = value.unwrap_or_default();
            let known = extension::find(command.verb(), name);
            let extended = state.hello == Hello::Extended;
            let keyword = match (known, value.to_ascii_uppercase().as_str()) {
                (Some(_), "BINARYMIME") => "BINARYMIME",
                (Some(param), _) => param.keyword,
                (None, _) => name,
            };
            if !(extended && self.is_listed(state, keyword)) {
                let verdict = Verdict::new(555, "5.5.4", &format!("{name} is not offered"));
                return Some(verdict.blaming(Lint::NotOffered, format!("{name}: no {keyword}")));
            }
            known.filter(|param| !param.takes(value)).map(|param| {
                let what = format!("`{value}` is no value of {}", param.name);
                Verdict::new(501, "5.5.4", &what).blaming(Lint::BadSyntax, what.as_str())
            })
        })
    }
}

fn data(host: &Host, state: &State) -> Verdict {
    match &state.envelope {
        None => Verdict::out_of_place("MAIL comes first"),
        Some(Envelope { chunks: Some(_), .. }) => Verdict::out_of_place("the text came as BDAT"),
        Some(envelope) if envelope.body() == "BINARYMIME" => {
            Verdict::out_of_place("BINARYMIME goes with BDAT")
        }
        Some(envelope) if envelope.rcpts.is_empty() => no_recipients(host, envelope),
        Some(_) => Verdict::new(354, "", "end with CRLF.CRLF"),
    }
}

/// A client that pipelined cannot know that all were refused; one that named none can.
fn no_recipients(host: &Host, envelope: &Envelope) -> Verdict {
    match (envelope.refused, host.protocol) {
        (0, _) => Verdict::out_of_place("RCPT comes first"),
        (_, Protocol::Smtp) => Verdict::new(554, "5.5.1", "no valid recipients"),
        (_, Protocol::Lmtp) => Verdict::new(503, "5.5.1", "no valid recipients"),
    }
}

fn bdat(state: &State) -> Verdict {
    match &state.envelope {
        None => Verdict::out_of_place("MAIL comes first"),
        Some(envelope) if envelope.rcpts.is_empty() && envelope.refused > 0 => {
            Verdict::new(554, "5.5.1", "no valid recipients")
        }
        Some(envelope) if envelope.rcpts.is_empty() => Verdict::out_of_place("RCPT comes first"),
        Some(_) => Verdict::new(250, "2.0.0", "chunk taken"),
    }
}

fn is_known(verb: &str) -> bool {
    matches!(verb, "MAIL" | "RCPT" | "DATA") || extension::of_verb(verb).is_some()
}

fn unknown(verb: &str) -> Verdict {
    Verdict::new(500, "5.5.1", "unknown command")
        .blaming(Lint::BadSyntax, format!("there is no command {verb}"))
}
