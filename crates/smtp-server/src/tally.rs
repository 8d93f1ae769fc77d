//! What a client does too often.
use crate::Bounds;

/// Counts what is bounded in a session.
#[derive(Debug)]
pub(crate) struct Tally {
    bounds: Bounds,
    mails: u32,
    mistakes: usize,
    idle_commands: usize,
    refused_recipients: usize,
    surplus_recipients: usize,
    failed_logins: usize,
}

impl Tally {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            mails: 0,
            mistakes: 0,
            idle_commands: 0,
            refused_recipients: 0,
            surplus_recipients: 0,
            failed_logins: 0,
        }
    }

    /// Counts a protocol error. Returns whether it is one too many; so do the others.
    pub(crate) fn mistake(&mut self) -> bool {
        self.mistakes += 1;
        self.mistakes > self.bounds.mistakes
    }

    /// Counts a command that does not belong to a mail transaction.
    pub(crate) fn idle_command(&mut self) -> bool {
        self.idle_commands += 1;
        self.idle_commands > self.bounds.idle_commands
    }

    /// Counts a recipient that was refused.
    pub(crate) fn refused_recipient(&mut self) -> bool {
        self.refused_recipients += 1;
        self.refused_recipients > self.bounds.refused_recipients
    }

    /// Counts a recipient above the limit for a message. A list may well have many of them.
    pub(crate) fn surplus_recipient(&mut self) -> bool {
        self.surplus_recipients += 1;
        self.surplus_recipients > self.bounds.recipients.saturating_mul(10).max(1000)
    }

    /// Counts an attempt to authenticate that failed.
    pub(crate) fn failed_login(&mut self) -> bool {
        self.failed_logins += 1;
        self.failed_logins >= self.bounds.failed_logins
    }

    /// Counts a recipient that was accepted.
    pub(crate) fn accepted_recipient(&mut self) {
        self.refused_recipients = 0;
    }

    /// Counts a mail transaction.
    pub(crate) fn mail(&mut self) {
        self.mails = self.mails.saturating_add(1);
    }

    /// Returns the number of mail transactions.
    pub(crate) fn mails(&self) -> u32 {
        self.mails
    }

    /// Notes that a message was accepted.
    pub(crate) fn accepted_message(&mut self) {
        (self.mistakes, self.idle_commands, self.surplus_recipients) = (0, 0, 0);
    }
}
