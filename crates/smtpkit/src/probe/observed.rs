//! What was observed of a session: what was sent and received when, and what follows from it.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use smtp_client::session::Event;
use smtp_client::{Extension, Reply};

use super::finding::Finding;
use super::offer::Offer;
use crate::dialogue::StepTime;
use crate::output::milliseconds;

/// The time of the greeting at which a server is slow on purpose.
const SLOW: Duration = Duration::from_secs(5);

/// Records a session. Cloning shares what was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Observed(Arc<Mutex<Recorded>>);

#[derive(Debug)]
struct Recorded {
    began: Instant,
    events: Vec<(Duration, Seen)>,
    steps: Vec<StepTime>,
}

/// What an observer saw.
#[derive(Clone, Debug)]
enum Seen {
    Sent(String),
    Received(Reply),
    Secured { version: String, suite: String },
}

impl Observed {
    /// Begins now.
    pub(crate) fn new() -> Self {
        let recorded = Recorded { began: Instant::now(), events: Vec::new(), steps: Vec::new() };
        Self(Arc::new(Mutex::new(recorded)))
    }

    /// Adds a step before the session, which begins now.
    pub(crate) fn took(&self, step: &str, time: Duration) {
        self.locked(|recorded| {
            recorded.steps.push(StepTime { step: step.to_owned(), ms: milliseconds(time) });
            recorded.began = Instant::now();
        });
    }

    /// Records an event.
    pub(crate) fn record(&self, event: Event<'_>) {
        let seen = match event {
            Event::Sent(command) => Seen::Sent(command.to_string()),
            Event::Received(reply) => Seen::Received(reply.clone()),
            Event::Secured { version, suite } => {
                Seen::Secured { version: version.to_owned(), suite: suite.to_owned() }
            }
            _ => return,
        };
        self.locked(|recorded| {
            let at = recorded.began.elapsed();
            recorded.events.push((at, seen));
        });
    }

    fn locked<T>(&self, apply: impl FnOnce(&mut Recorded) -> T) -> T {
        apply(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how long each step took, in their order.
    pub(crate) fn steps(&self) -> Vec<StepTime> {
        self.locked(|recorded| {
            let mut steps = recorded.steps.clone();
            let mut since = Duration::ZERO;
            let mut pending: Option<String> = None;
            for (at, seen) in &recorded.events {
                let step = match seen {
                    Seen::Sent(line) => {
                        pending = Some(verb(line).to_owned());
                        since = *at;
                        continue;
                    }
                    Seen::Received(_) => pending.take().unwrap_or_else(|| "greeting".to_owned()),
                    Seen::Secured { .. } => "TLS handshake".to_owned(),
                };
                steps.push(StepTime { step, ms: milliseconds(at.saturating_sub(since)) });
                since = *at;
            }
            steps
        })
    }

    /// Returns each command with its reply, in their order; the greeting has no command. The flag
    /// tells whether that was inside TLS.
    fn replies(&self) -> Vec<(Option<String>, Reply, bool)> {
        let events = self.locked(|recorded| recorded.events.clone());
        let mut pending = None;
        let mut tls = false;
        let mut replies = Vec::new();
        for (_, seen) in events {
            match seen {
                Seen::Sent(line) => pending = Some(line),
                Seen::Received(reply) => replies.push((pending.take(), reply, tls)),
                Seen::Secured { .. } => tls = true,
            }
        }
        replies
    }

    /// Returns the version and the cipher suite of TLS.
    pub(crate) fn secured(&self) -> Option<(String, String)> {
        let events = self.locked(|recorded| recorded.events.clone());
        events.into_iter().find_map(|(_, seen)| match seen {
            Seen::Secured { version, suite } => Some((version, suite)),
            _ => None,
        })
    }

    /// Returns the greeting.
    pub(crate) fn greeting(&self) -> Option<Reply> {
        let mut replies = self.replies().into_iter();
        replies.find(|(sent, ..)| sent.is_none()).map(|(_, reply, _)| reply)
    }

    /// Returns the offers, in clear and inside TLS.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        let replies = self.replies().into_iter();
        replies
            .filter_map(|(sent, reply, tls)| {
                let sent = sent?;
                let is_hello = matches!(verb(&sent), "EHLO" | "HELO" | "LHLO");
                (is_hello && reply.is_completion()).then(|| Offer::new(verb(&sent), &reply, tls))
            })
            .collect()
    }

    /// Returns what deserves attention about the replies.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let replies = self.replies();
        let announced = self.offers().iter().any(|offer| offer.has(Extension::EnhancedStatusCodes));
        for (sent, reply, _) in &replies {
            let Some(sent) = sent else { continue };
            let is_hello = matches!(verb(sent), "EHLO" | "HELO" | "LHLO");
            if announced && !is_hello && reply.enhanced().is_none() {
                let text = format!(
                    "the reply to {} has no enhanced status code, though they are offered: {reply}",
                    verb(sent)
                );
                findings.push(Finding::notice("enhanced_code_missing", text));
            }
        }
        let greeting = self.steps().into_iter().find(|step| step.step == "greeting");
        if let Some(StepTime { ms, .. }) = greeting
            && ms >= milliseconds(SLOW)
        {
            let text = format!("the greeting took {:.1} seconds", ms / 1e3);
            findings.push(Finding::notice("greeting_slow", text));
        }
        findings
    }
}

/// Returns the verb of a command line.
fn verb(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use smtp_client::ReplyCode;

    use super::*;

    /// A session in which one second passes between two events.
    fn observed(events: Vec<Seen>) -> Observed {
        let observed = Observed::new();
        let seconds = (1..).map(Duration::from_secs);
        observed.locked(|recorded| recorded.events = seconds.zip(events).collect());
        observed
    }

    fn received(code: u16, text: &str) -> Seen {
        Seen::Received(Reply::new(ReplyCode::new(code).unwrap(), text))
    }

    fn sent(line: &str) -> Seen {
        Seen::Sent(line.to_owned())
    }

    fn starttls() -> Observed {
        observed(vec![
            received(220, "mx hi"),
            sent("EHLO c"),
            received(250, "mx\nSTARTTLS\nENHANCEDSTATUSCODES"),
            sent("STARTTLS"),
            received(220, "go on"),
            Seen::Secured { version: "TLSv1_3".to_owned(), suite: "x".to_owned() },
            sent("EHLO c"),
            received(250, "mx\nENHANCEDSTATUSCODES\nAUTH PLAIN"),
            sent("QUIT"),
            received(221, "2.0.0 bye"),
        ])
    }

    #[test]
    fn each_step_has_its_time() {
        let steps: Vec<_> = starttls().steps().into_iter().map(|step| step.step).collect();
        let expected = ["greeting", "EHLO", "STARTTLS", "TLS handshake", "EHLO", "QUIT"];
        assert_eq!(steps, expected);
        assert!(starttls().steps().iter().all(|step| step.ms == 1000.0));
    }

    #[test]
    fn the_offers_before_and_inside_tls_are_told_apart() {
        let offers = starttls().offers();
        let tls: Vec<_> = offers.iter().map(|offer| offer.tls).collect();
        assert_eq!(tls, [false, true]);
        let changes = offers[0].changes(&offers[1]);
        let keywords: Vec<_> = changes.iter().map(|change| &*change.keyword).collect();
        assert_eq!(keywords, ["STARTTLS", "AUTH"]);
        assert_eq!(changes[1].after, ["AUTH PLAIN"]);
    }

    #[test]
    fn a_reply_without_the_code_that_was_offered_is_found() {
        let findings = starttls().findings();
        let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["enhanced_code_missing"]);
        assert!(findings[0].text.contains("STARTTLS"), "{findings:?}");
    }

    #[test]
    fn a_server_that_takes_its_time_is_slow() {
        let observed = observed(Vec::new());
        observed.locked(|recorded| recorded.events.push((SLOW, received(220, "mx"))));
        assert_eq!(observed.findings()[0].code, "greeting_slow");
    }
}
