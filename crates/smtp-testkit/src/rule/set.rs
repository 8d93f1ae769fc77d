//! Counts the matches of each rule, and selects the rule that applies.

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
pub(crate) struct RuleSet {
    entries: Vec<Entry>,
    open: OpenConnections,
}

struct Entry {
    rule: Rule,
    counts: HashMap<String, Count>,
    /// The envelopes that are counted, in the order in which they were first seen.
    keys: VecDeque<String>,
    /// Whether the rule was ever used.
    used: bool,
}

#[derive(Default)]
struct Count {
    matched: usize,
    /// The times of recent matches, for a rule with a rate.
    recent: VecDeque<Instant>,
}

/// An event on a connection, for which the rules are checked.
pub(crate) struct Case<'a> {
    pub(crate) what: What<'a>,
    pub(crate) connection: usize,
    pub(crate) sender: &'a str,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) login: Option<&'a Login>,
    /// The message whose text has ended.
    pub(crate) message: Option<&'a Message>,
}

impl RuleSet {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { entries: entries(rules), open: OpenConnections::default() }
    }

    /// Replaces the rules. The open connections stay counted.
    pub(crate) fn replace(&mut self, rules: Vec<Rule>) {
        self.entries = entries(rules);
    }

    /// Adds rules after the others.
    pub(crate) fn extend(&mut self, rules: Vec<Rule>) {
        self.entries.extend(entries(rules));
    }

    /// Drops the counts of a connection that has ended.
    pub(crate) fn forget(&mut self, connection: usize) {
        let key = connection.to_string();
        let counting = self.entries.iter_mut().filter(|it| it.rule.scope == Scope::Connection);
        for entry in counting {
            entry.counts.remove(&key);
        }
    }

    /// Returns the answer of the first rule that applies.
    pub(crate) fn answer(&mut self, case: &Case<'_>) -> Option<Answer> {
        let open = self.open.count_with(case.connection);
        let fitting = self.entries.iter_mut().filter(|entry| entry.rule.fits(case, open));
        for entry in fitting {
            if entry.applies(case) {
                return Some(entry.rule.full_answer());
            }
        }
        None
    }

    /// Returns the answer at the greeting, and an admission if the greeting is 2yz. One call does
    /// both, so that of two simultaneous connections only one can be the first.
    pub(crate) fn greet(&mut self, case: &Case<'_>) -> (Option<Answer>, Option<Admission>) {
        let answer = self.answer(case);
        let code = answer.as_ref().map_or(Some(220), |answer| answer.first_code(220));
        let served = code.is_some_and(|code| (200..300).contains(&code));
        (answer, served.then(|| self.open.admit(case.connection)))
    }

    /// Describes the required rules that were never used.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.entries.iter().filter(|entry| entry.rule.required && !entry.used);
        missed.map(|entry| entry.rule.to_string()).collect()
    }

    /// The shortest silence after which a rule applies.
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.entries.iter().filter_map(|entry| entry.rule.idle_time()).min()
    }

    /// The numbers of octets of a text at which rules apply, in ascending order.
    pub(crate) fn text_offsets(&self) -> Vec<usize> {
        let mut text_offsets: Vec<usize> =
            self.entries.iter().filter_map(|entry| entry.rule.octets()).collect();
        text_offsets.sort_unstable();
        text_offsets.dedup();
        text_offsets
    }
}

fn entries(rules: Vec<Rule>) -> Vec<Entry> {
    let entry = |rule| Entry { rule, counts: HashMap::new(), keys: VecDeque::new(), used: false };
    rules.into_iter().map(entry).collect()
}

/// The number of envelopes that a rule counts.
const MOST_ENVELOPES: usize = 100_000;

impl Entry {
    /// Counts a match, and returns whether the rule applies.
    fn applies(&mut self, case: &Case<'_>) -> bool {
        let Self { rule, counts, keys, used } = self;
        let key = case.key(rule.scope);
        if rule.scope == Scope::Envelope && !counts.contains_key(&key) {
            if keys.len() == MOST_ENVELOPES
                && let Some(oldest) = keys.pop_front()
            {
                counts.remove(&oldest);
            }
            keys.push_back(key.clone());
        }
        let applies = counts.entry(key).or_default().applies(rule);
        *used |= applies;
        applies
    }
}

impl Count {
    fn applies(&mut self, rule: &Rule) -> bool {
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
    /// The key of the count; events with the same key are counted together.
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
