//! Postfix's smtp-source, if it is installed; it runs once per batch of messages.
use std::process::Command;

use super::{Client, Doing, HOST, Target};
use crate::job::Job;

pub(super) fn connect(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(async move { Ok(Box::new(SmtpSource(target)) as Box<dyn Client>) })
}

struct SmtpSource(Target);

impl Client for SmtpSource {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        let status = Command::new("smtp-source")
            // One connection for all messages.
            .args(["-d", "-s", "1", "-m", &messages.to_string()])
            .args(["-l", &job.text.len().to_string(), "-r", &job.rcpts.len().to_string()])
            .args(["-f", &job.from, "-t", &job.rcpts[0]])
            .arg(format!("{HOST}:{}", self.0.port))
            .status();
        Box::pin(async move {
            let status = status?;
            if status.success() { Ok(()) } else { Err(format!("smtp-source: {status}").into()) }
        })
    }
}
