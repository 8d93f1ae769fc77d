//! The dialogue of a connection, without secrets.

use serde_json::{Value, json};
use smtp_testkit::{Conversation, Line, Speaker};

use crate::serve::lints;

/// More lines are not shown.
const MOST_LINES: usize = 5_000;
/// More octets of a line, or of a text that is one, are not shown.
const LONGEST_LINE: usize = 2_000;
/// More lines of a message text are not shown; they are in its source.
const LINES_OF_TEXT: usize = 12;

/// What is shown instead of a secret.
const HIDDEN: &str = "[hidden]";

pub(super) fn dialogue(conversation: &Conversation) -> Value {
    let mut login = match conversation.omitted() {
        0 => Login::None,
        // AUTH, or the 334 after it, may be among the lines that were dropped.
        _ => Login::Began,
    };
    let lines = conversation.dialogue();
    let shown: Vec<Value> = lines.iter().take(MOST_LINES).map(|it| line(it, &mut login)).collect();
    let findings: Vec<Value> = conversation
        .findings()
        .iter()
        .map(|finding| {
            json!({
                "at": finding.at,
                "lint": lints::name(finding.lint),
                "what": finding.what,
                "remedy": finding.lint.remedy(),
            })
        })
        .collect();
    json!({
        "lines": shown,
        "lines_omitted": conversation.omitted() + lines.len().saturating_sub(MOST_LINES),
        "findings": findings,
    })
}

/// Commands that end an AUTH exchange, if the server did not ask for anything.
const COMMANDS: &[&str] = &[
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN",
    "HELP", "STARTTLS", "XCLIENT",
];

/// Where an AUTH exchange is, in which the lines of the client are secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    None,
    /// After AUTH. A client that takes no notice of the replies still sends its secrets.
    Began,
    /// After 334: the next line is a secret, whatever it looks like.
    Asked,
}

impl Login {
    /// Takes the start of a line of the client; returns whether it is a secret.
    fn hides(&mut self, verb: &str) -> bool {
        match *self {
            Self::Asked => {
                *self = Self::Began;
                true
            }
            Self::Began if COMMANDS.iter().any(|it| it.eq_ignore_ascii_case(verb)) => {
                *self = Self::None;
                false
            }
            Self::Began => !verb.eq_ignore_ascii_case("AUTH"),
            Self::None => {
                if verb.eq_ignore_ascii_case("AUTH") {
                    *self = Self::Began;
                }
                false
            }
        }
    }

    /// Takes a reply.
    fn answered(&mut self, reply: &[u8]) {
        if *self != Self::None {
            *self = if reply.starts_with(b"334") { Self::Asked } else { Self::Began };
        }
    }
}

fn line(line: &Line, login: &mut Login) -> Value {
    let speaker = match line.speaker {
        Speaker::Client => "client",
        Speaker::Server => "server",
        _ => "stage",
    };
    json!({
        "speaker": speaker,
        "line": text(line, login),
        "elapsed_ms": u64::try_from(line.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

fn text(line: &Line, login: &mut Login) -> String {
    let octets = line.octets.strip_suffix(b"\n").unwrap_or(&line.octets);
    let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
    match line.speaker {
        Speaker::Client => {
            let start = String::from_utf8_lossy(&octets[..octets.len().min(LONGEST_LINE)]);
            let mut words = start.split([' ', ':', '\t']).filter(|word| !word.is_empty());
            let verb = words.next().unwrap_or_default();
            if login.hides(verb) {
                return HIDDEN.to_owned();
            }
            if verb.eq_ignore_ascii_case("AUTH") && *login == Login::Began {
                let mechanism = words.next().unwrap_or_default();
                let response = if words.next().is_some() { HIDDEN } else { "" };
                return format!("{verb} {mechanism} {response}").trim_end().to_owned();
            }
        }
        Speaker::Server => login.answered(octets),
        _ => {}
    }
    cut(octets, line.omitted)
}

/// Returns the start of a line or a text; `more` octets of it are not kept.
fn cut(octets: &[u8], more: usize) -> String {
    // A message text is one piece of the dialogue.
    let lines = octets.split_inclusive(|&octet| octet == b'\n').take(LINES_OF_TEXT);
    let length = lines.map(<[u8]>::len).sum::<usize>().min(LONGEST_LINE);
    let start = String::from_utf8_lossy(&octets[..length]);
    if length == octets.len() && more == 0 {
        return start.into_owned();
    }
    format!("{}\n[{} octets more]", start.trim_ascii_end(), octets.len() - length + more)
}

#[cfg(test)]
mod tests {
    use smtp_testkit::{Keep, Server};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The client waits for each reply; the lines that are dropped end at every point of the login.
    #[tokio::test]
    async fn a_response_is_hidden_when_auth_was_dropped() {
        for (kept, before) in (1..8).flat_map(|kept| (0..5).map(move |before| (kept, before))) {
            let builder = Server::builder().offer("AUTH LOGIN").user("tim", "hunter2");
            let (server, mut client) = builder.keep(Keep::everything().lines(kept)).pipe();
            let mut reply = [0; 512];
            assert_ne!(client.read(&mut reply).await.unwrap(), 0);
            let login = ["AUTH LOGIN", "dGlt", "aHVudGVyMg==", "NOOP shown"];
            let lines = [vec!["EHLO a"], vec!["NOOP"; before], login.to_vec()].concat();
            for line in lines {
                client.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
                assert_ne!(client.read(&mut reply).await.unwrap(), 0);
                let shown = dialogue(&server.conversation(1).unwrap()).to_string();
                let secret = ["dGlt", "aHVu"].iter().any(|secret| shown.contains(secret));
                assert!(!secret, "{kept} lines after {before} commands: {shown}");
                assert!(line != "NOOP shown" || kept < 2 || shown.contains(line), "{shown}");
            }
        }
    }
}
