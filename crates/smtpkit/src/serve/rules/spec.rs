//! A rule as it is written, and the rule of the server that it stands for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smtp_testkit::{Answer, Rule, Scope, When};

/// The fields of a rule.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuleSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    greeting: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inside_text: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_above: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    when: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counted: Option<Counted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    above: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_more")]
    answer: Vec<String>,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Counted {
    Server,
    Connection,
    Envelope,
}

const FIELDS: &str = "on, greeting, text, text_for, inside_text, idle and connections_above tell when a rule applies";

impl RuleSpec {
    /// Returns the rule of the server; the error is a sentence.
    pub(super) fn rule(&self) -> Result<Rule, String> {
        let mut rule = self.trigger()?;
        for state in &self.when {
            rule = rule.when(state_of(state)?);
        }
        if let Some(counted) = self.counted {
            rule = rule.counted(match counted {
                Counted::Server => Scope::Server,
                Counted::Connection => Scope::Connection,
                Counted::Envelope => Scope::Envelope,
            });
        }
        if let Some(count) = self.after {
            rule = rule.after(count);
        }
        if let Some(count) = self.times {
            rule = rule.times(count);
        }
        if let Some(rate) = &self.above {
            let (count, within) = rate_of(rate)?;
            rule = rule.above(count, within);
        }
        Ok(rule.answer(self.given_answer()?))
    }

    fn trigger(&self) -> Result<Rule, String> {
        for (field, value) in [("greeting", self.greeting), ("text", self.text)] {
            if value == Some(false) {
                return Err(format!("{field} is false; write true, or leave it out"));
            }
        }
        let idle = self.idle.as_deref().map(|time| duration_of("idle", time)).transpose()?;
        let given = [
            self.on.as_deref().map(Rule::on),
            self.greeting.map(|_| Rule::greeting()),
            self.text.map(|_| Rule::text()),
            self.text_for.as_deref().map(Rule::text_for),
            self.inside_text.map(Rule::inside_text),
            idle.map(Rule::idle),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next(), self.connections_above) {
            (Some(_), Some(_), _) => Err(format!("{FIELDS}; write one of them")),
            (Some(rule), None, Some(count)) => Ok(rule.when(When::ConnectionsAbove(count))),
            (Some(rule), None, None) => Ok(rule),
            (None, _, Some(count)) => Ok(Rule::connections_above(count)),
            (None, _, None) => Err(format!("{FIELDS}; none of them is here")),
        }
    }

    fn given_answer(&self) -> Result<Answer, String> {
        match (&self.reply, self.answer.as_slice()) {
            (Some(_), [_, ..]) => Err("reply and answer are both here; write one".to_owned()),
            (None, []) => Err("write reply, such as reply = \"451 4.7.1 try again later\", or \
                answer, such as answer = [\"[delay 5s]\", \"[close]\"]"
                .to_owned()),
            (Some(reply), []) => reply_of(reply),
            (None, lines) => {
                let script = lines.join("\n");
                script.parse::<Answer>().map_err(|error| format!("answer: {error}"))
            }
        }
    }
}

fn reply_of(reply: &str) -> Result<Answer, String> {
    let is_reply = |line: &str| {
        let code = line.len() >= 3 && line.bytes().take(3).all(|octet| octet.is_ascii_digit());
        code && matches!(line.as_bytes().get(3), None | Some(b' ' | b'-'))
    };
    match reply.lines().find(|line| !is_reply(line)) {
        None if reply.is_empty() => Err("reply is empty".to_owned()),
        None => Ok(Answer::reply(reply)),
        Some(line) => Err(format!(
            "reply: {line:?} does not begin with a code, such as 451 4.7.1 try again later; for \
             other octets write answer with [raw \"...\"]"
        )),
    }
}

fn state_of(name: &str) -> Result<When, String> {
    match name {
        "clear" => Ok(When::Clear),
        "tls" => Ok(When::Tls),
        "logged-in" => Ok(When::LoggedIn),
        "logged-out" => Ok(When::LoggedOut),
        _ => Err(format!("when: {name:?} is not one of clear, tls, logged-in and logged-out")),
    }
}

/// Reads `5 per 1m`.
fn rate_of(text: &str) -> Result<(usize, Duration), String> {
    let invalid = || format!("above: {text:?} is not a rate; write it as \"5 per 1m\"");
    let (count, within) = text.split_once(" per ").ok_or_else(invalid)?;
    let count = count.trim().parse().map_err(|_| invalid())?;
    Ok((count, humantime::parse_duration(within.trim()).map_err(|_| invalid())?))
}

fn duration_of(field: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("{field}: {text:?} is not a time; write it as \"5m\" or \"30s\""))
}

/// Reads a string or an array of strings.
fn one_or_more<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneOrMore)
}

struct OneOrMore;

impl<'de> serde::de::Visitor<'de> for OneOrMore {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(
        self,
        mut array: A,
    ) -> Result<Vec<String>, A::Error> {
        let mut all = Vec::new();
        while let Some(text) = array.next_element()? {
            all.push(text);
        }
        Ok(all)
    }
}
