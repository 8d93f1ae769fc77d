//! How often each rule had something to match, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::open::{Admission, OpenConnections};
use super::{Rule, Scope, What};
use crate::answer::Answer;
use crate::login::Login;
use crate::message::Message;
use crate::report::TlsFacts;

/// The rules of a server, with their counts.
pub(crate) struct Book {
    entries: Vec<Entry>,
    open: OpenConnections,
}

struct Entry {
    rule: Rule,
    counts: HashMap<String, Count>,
    /// Whether it has ever had its turn.
    used: bool,
}

#[derive(Default)]
struct Count {
    matched: usize,
    /// When, for a rule that knows a rate.
    recent: VecDeque<Instant>,
}

/// Something that happened on a connection, for which the rules are asked.
pub(crate) struct Case<'a> {
    pub(crate) what: What<'a>,
    pub(crate) connection: usize,
    pub(crate) sender: &'a str,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) login: Option<&'a Login>,
    /// The message whose text has ended.
    pub(crate) message: Option<&'a Message>,
}

impl Book {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let entry = |rule| Entry { rule, counts: HashMap::new(), used: false };
        Self { entries: rules.into_iter().map(entry).collect(), open: OpenConnections::default() }
    }

    /// The answer of the rule whose turn it is.
    pub(crate) fn answer(&mut self, case: &Case<'_>) -> Option<Answer> {
        let open = self.open.count_with(case.connection);
        let fitting = self.entries.iter_mut().filter(|entry| entry.rule.fits(case, open));
        for Entry { rule, counts, used } in fitting {
            if counts.entry(case.key(rule.scope)).or_default().is_turn_of(rule) {
                *used = true;
                return Some(rule.given());
            }
        }
        None
    }

    /// The answer at the greeting, and the place among the open connections that goes with a
    /// greeting of 2yz. Both in one step: of two connections that come at once, one is the first.
    pub(crate) fn greet(&mut self, case: &Case<'_>) -> (Option<Answer>, Option<Admission>) {
        let answer = self.answer(case);
        let code = answer.as_ref().map_or(Some(220), |answer| answer.told(220));
        let served = code.is_some_and(|code| (200..300).contains(&code));
        (answer, served.then(|| self.open.admit(case.connection)))
    }

    /// The rules that had to have a turn and had none, in words.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.entries.iter().filter(|entry| entry.rule.required && !entry.used);
        missed.map(|entry| entry.rule.to_string()).collect()
    }

    /// The shortest silence that a rule waits for.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.entries.iter().filter_map(|entry| entry.rule.patience()).min()
    }

    /// After how many octets of a text some rule wants to be asked, in order.
    pub(crate) fn marks(&self) -> Vec<usize> {
        let mut marks: Vec<usize> =
            self.entries.iter().filter_map(|entry| entry.rule.octets()).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }
}

impl Count {
    fn is_turn_of(&mut self, rule: &Rule) -> bool {
        self.matched += 1;
        let from = rule.after + 1;
        let counted = self.matched >= from
            && rule.times.is_none_or(|times| self.matched < from.saturating_add(times));
        counted && rule.above.is_none_or(|(count, within)| self.exceeds(count, within))
    }

    fn exceeds(&mut self, count: usize, within: Duration) -> bool {
        let now = Instant::now();
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|&then| now.duration_since(then) >= within) {
            self.recent.pop_front();
        }
        self.recent.len() > count
    }
}

impl Case<'_> {
    /// What tells apart the things that are not counted together.
    fn key(&self, scope: Scope) -> String {
        match (scope, self.what) {
            (Scope::Server, _) => String::new(),
            (Scope::Connection, _) => self.connection.to_string(),
            (Scope::Envelope, What::Command(command)) => {
                format!("{}\n{}", self.sender, command.line().to_ascii_lowercase())
            }
            (Scope::Envelope, What::TextFor(text)) => {
                format!("{}\n{}", self.sender, text.to_ascii_lowercase())
            }
            (Scope::Envelope, _) => self.sender.to_owned(),
        }
    }
}
