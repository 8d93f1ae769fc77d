//! The rules in force, on all listeners.

use std::sync::{Arc, Mutex, PoisonError};

use smtp_testkit::Rule;

use super::{RuleSpec, WrittenRule};
use crate::serve::listeners::Listeners;

/// The rules in force. A clone is the same book.
#[derive(Clone)]
pub(crate) struct RuleBook {
    specs: Arc<Mutex<Vec<RuleSpec>>>,
    listeners: Arc<Listeners>,
}

impl RuleBook {
    /// A book of rules that the listeners have already.
    pub(crate) fn new(rules: Vec<WrittenRule>, listeners: Arc<Listeners>) -> Self {
        let specs = rules.into_iter().map(|written| written.spec).collect();
        Self { specs: Arc::new(Mutex::new(specs)), listeners }
    }

    /// Returns the rules as they were written.
    pub(super) fn specs(&self) -> Vec<RuleSpec> {
        self.change(|specs, _| specs.clone())
    }

    /// Replaces all rules, which begins all counts again.
    pub(super) fn set(&self, written: Vec<WrittenRule>) -> Vec<RuleSpec> {
        self.change(|specs, listeners| {
            let (new, rules) = parts(written);
            listeners.set_rules(&rules);
            *specs = new;
            specs.clone()
        })
    }

    /// Adds rules after the others, whose counts go on.
    pub(super) fn add(&self, written: Vec<WrittenRule>) -> Vec<RuleSpec> {
        self.change(|specs, listeners| {
            let (new, rules) = parts(written);
            listeners.add_rules(&rules);
            specs.extend(new);
            specs.clone()
        })
    }

    /// The listeners are changed under the lock, so that they all have the rules of the same call.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<RuleSpec>, &Listeners) -> T) -> T {
        // No change can panic in the middle.
        change(&mut self.specs.lock().unwrap_or_else(PoisonError::into_inner), &self.listeners)
    }
}

fn parts(written: Vec<WrittenRule>) -> (Vec<RuleSpec>, Vec<Rule>) {
    written.into_iter().map(|written| (written.spec, written.rule)).unzip()
}
