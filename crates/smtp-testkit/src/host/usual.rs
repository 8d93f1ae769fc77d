//! The usual reply of the server to each command.

use super::extension;
use super::judge;
use super::reply::Reply;
use super::state::{Envelope, Hello, State, domain};
use super::{Host, NAME, Protocol};
use crate::command::{Command, Malformed};
use crate::lint::Lint;

/// A reply, and the mistake of the client that caused it.
pub(super) struct UsualReply {
    pub(super) reply: Reply,
    pub(super) mistake: Option<judge::Mistake>,
}

impl UsualReply {
    fn new(code: u16, enhanced: &'static str, text: &str) -> Self {
        Self { reply: Reply::new(code, enhanced, text), mistake: None }
    }

    fn with_mistake(self, lint: Lint, what: impl Into<String>) -> Self {
        Self { mistake: Some((lint, what.into())), ..self }
    }

    fn out_of_place(text: &str) -> Self {
        Self::new(503, "5.5.1", text).with_mistake(Lint::BadSequence, text)
    }
}

/// Returns the reply to a line that is not a command.
pub(super) fn malformed(why: Malformed) -> UsualReply {
    let usual = match why {
        Malformed::LineEnd | Malformed::Characters | Malformed::Verb => {
            UsualReply::new(500, "5.5.2", &why.to_string())
        }
        _ => UsualReply::new(501, "5.5.4", &why.to_string()),
    };
    match why {
        // The mistake was recorded when the line ends were checked.
        Malformed::LineEnd => usual,
        _ => usual.with_mistake(Lint::BadSyntax, why.to_string()),
    }
}

impl Host {
    /// Returns the usual reply to a command in this state.
    pub(super) fn usual(&self, state: &State, command: &Command) -> UsualReply {
        let verb = command.verb();
        if let Some(keyword) = extension::of_verb(verb)
            && (state.hello == Hello::Plain || !self.is_listed(state, keyword))
        {
            let usual = UsualReply::new(502, "5.5.1", &format!("{verb} is not offered"));
            return usual.with_mistake(Lint::NotOffered, format!("{keyword} is not offered"));
        }
        match verb {
            "EHLO" | "HELO" | "LHLO" => self.hello(state, command),
            "NOOP" => UsualReply::new(250, "2.0.0", "OK"),
            "RSET" => UsualReply::new(250, "2.0.0", "forgotten"),
            "QUIT" => UsualReply::new(221, "2.0.0", "goodbye"),
            "HELP" => UsualReply::new(214, "2.0.0", "a server for tests: see its rules"),
            "VRFY" | "EXPN" => UsualReply::new(252, "2.5.0", "send some mail and see"),
            _ if state.hello == Hello::Missing => match is_known(verb) {
                true => UsualReply::out_of_place(match self.protocol {
                    Protocol::Smtp => "EHLO comes first",
                    Protocol::Lmtp => "LHLO comes first",
                }),
                false => unknown(state, verb),
            },
            "STARTTLS" => match state.envelope {
                None => UsualReply::new(220, "2.0.0", "go ahead"),
                Some(_) => UsualReply::out_of_place("a transaction has begun"),
            },
            "AUTH" => self.auth(state, command),
            "MAIL" => self.mail(state, command),
            "RCPT" => self.rcpt(state, command),
            "DATA" => data(self, state),
            "BDAT" => bdat(state),
            "ETRN" | "XFORWARD" => UsualReply::new(250, "2.0.0", "OK"),
            "ATRN" | "BURL" => UsualReply::new(502, "5.5.1", "only a rule can answer this"),
            "XCLIENT" => UsualReply::new(220, "", &format!("{NAME} ready")),
            _ => unknown(state, verb),
        }
    }

    fn hello(&self, state: &State, command: &Command) -> UsualReply {
        let lmtp = self.protocol == Protocol::Lmtp;
        match command.verb() {
            "LHLO" if !lmtp => unknown(state, "LHLO"),
            "EHLO" | "HELO" if lmtp => unknown(state, command.verb()),
            "HELO" => UsualReply::new(250, "", NAME),
            _ => {
                let listed = self.offers.iter().filter_map(|line| self.shown(state, line));
                let lines = [NAME.to_owned()].into_iter().chain(listed).collect();
                UsualReply { reply: Reply::lines(250, lines), mistake: None }
            }
        }
    }

    /// An offered line as the EHLO reply contains it in this state.
    fn shown(&self, state: &State, line: &str) -> Option<String> {
        let mut words = line.split(' ');
        let keyword = words.next()?;
        if !self.is_listed(state, keyword) {
            return None;
        }
        if !keyword.eq_ignore_ascii_case("AUTH") {
            return Some(line.to_owned());
        }
        // Channel binding requires TLS.
        let usable = |word: &&str| state.tls.is_some() || !word.ends_with("-PLUS");
        let mechanisms: Vec<&str> = words.filter(usable).collect();
        Some(format!("{keyword} {}", mechanisms.join(" ")))
    }

    /// Returns whether the EHLO reply contains this keyword in this state.
    pub(super) fn is_listed(&self, state: &State, keyword: &str) -> bool {
        let fits = match keyword.to_ascii_uppercase().as_str() {
            "STARTTLS" => state.tls.is_none(),
            "REQUIRETLS" => state.tls.is_some(),
            _ => true,
        };
        fits && self.offers(keyword)
    }

    fn auth(&self, state: &State, command: &Command) -> UsualReply {
        if state.login.is_some() {
            return UsualReply::out_of_place("already logged in");
        }
        if state.envelope.is_some() {
            return UsualReply::out_of_place("a transaction has begun");
        }
        let mechanism = command.argument().split(' ').next().unwrap_or_default();
        let offered = self.offered("AUTH").unwrap_or_default();
        if offered.iter().any(|known| known.eq_ignore_ascii_case(mechanism)) {
            return UsualReply::new(334, "", "");
        }
        // A client that forgets the mechanism sends its response in this place.
        let what = match is_mechanism(mechanism) {
            true => format!("AUTH {mechanism} is not offered"),
            false => "this mechanism of AUTH is not offered".to_owned(),
        };
        UsualReply::new(504, "5.5.4", "this mechanism is not offered")
            .with_mistake(Lint::NotOffered, what)
    }

    fn mail(&self, state: &State, command: &Command) -> UsualReply {
        if state.envelope.is_some() {
            return UsualReply::out_of_place("a transaction has begun already");
        }
        if self.limit("MAILMAX").is_some_and(|most| state.mails >= most) {
            let usual = UsualReply::new(451, "4.7.0", "enough messages on this connection");
            return usual.with_mistake(Lint::NotOffered, "more MAIL than MAILMAX allows");
        }
        if let Some(refusal) = self.wrong_param(state, command) {
            return refusal;
        }
        let size = command.param("SIZE").map(|size| size.parse().unwrap_or(usize::MAX));
        if size > self.size_limit() && self.size_limit().is_some() {
            return UsualReply::new(552, "5.3.4", "too large");
        }
        if let Some(mistake) = judge::utf8(state, command) {
            let usual = UsualReply::new(553, "5.6.7", "UTF-8 needs SMTPUTF8");
            return UsualReply { mistake: Some(mistake), ..usual };
        }
        UsualReply::new(250, "2.1.0", "sender taken")
    }

    fn rcpt(&self, state: &State, command: &Command) -> UsualReply {
        let Some(envelope) = &state.envelope else {
            return UsualReply::out_of_place("MAIL comes first");
        };
        if envelope.chunks.is_some() {
            return UsualReply::out_of_place("the text has begun");
        }
        if self.limit("RCPTMAX").is_some_and(|most| envelope.rcpts.len() >= most) {
            let usual = UsualReply::new(452, "4.5.3", "enough recipients for this message");
            return usual.with_mistake(Lint::NotOffered, "more RCPT than RCPTMAX allows");
        }
        let new = domain(command).is_some_and(|domain| !state.domains.contains(&domain));
        if self.limit("RCPTDOMAINMAX").is_some_and(|most| new && state.domains.len() >= most) {
            let usual = UsualReply::new(452, "4.5.3", "enough domains on this connection");
            return usual.with_mistake(Lint::NotOffered, "more domains than RCPTDOMAINMAX allows");
        }
        if let Some(refusal) = self.wrong_param(state, command) {
            return refusal;
        }
        if let Some(mistake) = judge::utf8(state, command) {
            let usual = UsualReply::new(553, "5.6.7", "UTF-8 needs SMTPUTF8");
            return UsualReply { mistake: Some(mistake), ..usual };
        }
        UsualReply::new(250, "2.1.5", "recipient taken")
    }

    /// The refusal of the first parameter that is not offered or malformed.
    fn wrong_param(&self, state: &State, command: &Command) -> Option<UsualReply> {
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
                let usual = UsualReply::new(555, "5.5.4", &format!("{name} is not offered"));
                return Some(usual.with_mistake(Lint::NotOffered, format!("{name}: no {keyword}")));
            }
            known.filter(|param| !param.takes(value)).map(|param| {
                let what = format!("`{value}` is not a value of {}", param.name);
                UsualReply::new(501, "5.5.4", &what).with_mistake(Lint::BadSyntax, what.as_str())
            })
        })
    }
}

fn data(host: &Host, state: &State) -> UsualReply {
    match &state.envelope {
        None => UsualReply::out_of_place("MAIL comes first"),
        Some(Envelope { chunks: Some(_), .. }) => UsualReply::out_of_place("the text came as BDAT"),
        Some(envelope) if envelope.body() == "BINARYMIME" => {
            UsualReply::out_of_place("BINARYMIME goes with BDAT")
        }
        Some(envelope) if envelope.rcpts.is_empty() => no_recipients(host, envelope),
        Some(_) => UsualReply::new(354, "", "end with CRLF.CRLF"),
    }
}

/// A client that pipelined could not know that all recipients were refused; one that sent no RCPT
/// made a mistake.
fn no_recipients(host: &Host, envelope: &Envelope) -> UsualReply {
    match (envelope.refused, host.protocol) {
        (0, _) => UsualReply::out_of_place("RCPT comes first"),
        (_, Protocol::Smtp) => UsualReply::new(554, "5.5.1", "no valid recipients"),
        (_, Protocol::Lmtp) => UsualReply::new(503, "5.5.1", "no valid recipients"),
    }
}

fn bdat(state: &State) -> UsualReply {
    match &state.envelope {
        None => UsualReply::out_of_place("MAIL comes first"),
        Some(envelope) if envelope.rcpts.is_empty() && envelope.refused > 0 => {
            UsualReply::new(554, "5.5.1", "no valid recipients")
        }
        Some(envelope) if envelope.rcpts.is_empty() => UsualReply::out_of_place("RCPT comes first"),
        Some(_) => UsualReply::new(250, "2.0.0", "chunk taken"),
    }
}

/// Returns whether a word is the name of a common mechanism, and not a response.
fn is_mechanism(word: &str) -> bool {
    const COMMON: [&str; 10] = [
        "PLAIN",
        "LOGIN",
        "CRAM-MD5",
        "DIGEST-MD5",
        "XOAUTH2",
        "OAUTHBEARER",
        "EXTERNAL",
        "ANONYMOUS",
        "GSSAPI",
        "NTLM",
    ];
    let word = word.to_ascii_uppercase();
    COMMON.contains(&word.as_str()) || word.starts_with("SCRAM-")
}

fn is_known(verb: &str) -> bool {
    matches!(verb, "MAIL" | "RCPT" | "DATA") || extension::of_verb(verb).is_some()
}

fn unknown(state: &State, verb: &str) -> UsualReply {
    let what = match state.may_send_secrets {
        true => "a line after AUTH is not a command".to_owned(),
        false => format!("there is no command {verb}"),
    };
    UsualReply::new(500, "5.5.1", "unknown command").with_mistake(Lint::BadSyntax, what)
}
