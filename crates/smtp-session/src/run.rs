//! Runs: a operation under way.
use bytes::Bytes;
use smtp_error::{Broken, Ended, ErrorKind, Misbehaved, Reply, ReplyCode, Step};

use super::{
    ContentRequest, Event, Next, Operation, Output, Piece, SendsContent, Session, veil::shown,
};

mod ending;

/// A operation under way. Dropping it before [`finish`](Self::finish) ends the session, unless
/// nothing of it was written.
#[must_use = "a run does nothing until it is driven"]
pub struct ActiveOperation<'s, O: Operation> {
    session: &'s mut Session,
    operation: Option<O>,
    failure: Option<(Step, ErrorKind)>,
    /// How much had been handed to the transport when it began.
    began: u64,
    /// Counts what came forward: settled replies, and octets of text that were written.
    progress: u64,
}

impl<'s, O: Operation> ActiveOperation<'s, O> {
    pub(super) fn new(session: &'s mut Session, operation: O) -> Self {
        let began = session.output.handed();
        Self { session, operation: Some(operation), failure: None, began, progress: 0 }
    }

    /// Returns what the operation needs next.
    #[allow(clippy::should_implement_trait, reason = "it is no iterator: each call needs an act")]
    pub fn next(&mut self) -> Next<O::Request> {
        self.write_commands();
        let failed = self.failure.is_some();
        match self.operation().and_then(|operation| operation.request(self.session, failed)) {
            Some(request) => Next::Request(request),
            None if failed || self.is_done() => Next::Done,
            None if !self.session.output.is_empty() => Next::Write,
            None => Next::Read,
        }
    }

    /// What is to be written.
    pub fn output(&self) -> &Output {
        &self.session.output
    }

    /// `octets` of [`output`](Self::output) were handed to the transport.
    pub fn wrote(&mut self, octets: usize) {
        self.progress += u64::from(self.step() == Step::Text && octets > 0);
        self.session.output.advance(octets);
    }

    /// Takes octets that came in.
    pub fn receive(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            // What is said decides whose the next reply is, however the octets were cut.
            self.write_commands();
            if self.failure.is_some() || self.is_done() {
                return self.session.receive_idle(octets);
            }
            if self.session.decoder.is_idle() {
                self.session.reply_began = self.session.output.handed();
            }
            match self.session.decoder.decode(&mut octets) {
                Ok(None) => {}
                Ok(Some(decoded)) => {
                    self.session.deviations |= decoded.deviations;
                    self.handle_reply(decoded.reply);
                }
                Err(malformed) => self.fail(self.step(), malformed.into()),
            }
        }
    }

    /// The other side closed the connection, or its sending half.
    pub fn closed(&mut self) {
        self.connection_failed(Broken::Closed);
    }

    /// The line broke, or time ran out.
    pub fn connection_failed(&mut self, broken: Broken) {
        if self.failure.is_none() {
            self.fail(self.step(), broken.into());
        }
    }

    /// What it is waiting for: the oldest step that is owed a reply, or what it is doing.
    pub fn step(&self) -> Step {
        match self.session.owed.front() {
            // Nobody answers for the end of a text that is still on its way.
            Some(owed)
                if owed.step == Step::EndOfText && owed.asked > self.session.output.handed() =>
            {
                Step::Text
            }
            Some(owed) => owed.step,
            None => self.operation.as_ref().map_or(Step::Text, |one| one.step()),
        }
    }

    /// Returns whether the result rests on the number of replies alone. The driver then hands over
    /// whatever has arrived already before it takes the answer or the result: a surplus reply
    /// changes it.
    pub fn is_counted(&self) -> bool {
        self.operation.as_ref().is_some_and(|one| one.is_counted())
    }

    /// Whether the answer is known, and what is still owed changes nothing: it is not worth
    /// waiting for long.
    pub fn has_answer(&self) -> bool {
        self.operation.as_ref().is_none_or(|one| one.has_answer())
    }

    /// Changes whenever something came forward, so that a clock can begin anew.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// A reply: it settles the oldest step that is owed one, never a guessed one.
    fn handle_reply(&mut self, reply: Reply) {
        let reply = self.session.veil.over(reply);
        self.session.emit(Event::Received(&shown(&reply)));
        self.progress += 1;
        let step = self.step();
        let shut_down = (reply.code() == ReplyCode::SERVICE_CLOSING).then(|| reply.clone());
        if let Some(reply) = &shut_down {
            self.session.end(Ended::ServerClosing(reply.clone()));
        }
        // What counts is where the reply began: one that began before it was asked for answers
        // nothing, however late it ends.
        let heard = match self.session.owed.front().copied() {
            Some(owed) if owed.asked <= self.session.reply_began => {
                self.session.owed.pop_front();
                if owed.step == Step::Greeting {
                    self.session.has_greeted();
                }
                if owed.allows(&reply) && owed.early {
                    self.session.confirm(owed, reply)
                } else if owed.allows(&reply) {
                    self.with(|operation, session| operation.handle_reply(session, owed, reply))
                } else {
                    let reply = shown(&reply).into_owned();
                    Err(Misbehaved::WrongCode { step, reply }.into())
                }
            }
            _ => {
                let reply = shown(&reply).into_owned();
                self.with(|operation, session| operation.handle_unsolicited(session, step, reply))
            }
        };
        if let Err(kind) = heard {
            self.fail(step, kind);
        } else if let Some(reply) = shut_down
            && !self.is_done()
        {
            self.fail(step, ErrorKind::Refused(reply));
        }
    }

    fn write_commands(&mut self) {
        if self.failure.is_none() {
            let spoken = self.with(|operation, session| operation.write_commands(session));
            self.note(spoken);
        }
    }

    fn is_done(&self) -> bool {
        self.operation.as_ref().is_none_or(|one| one.is_done(self.session))
    }

    fn with(
        &mut self,
        act: impl FnOnce(&mut O, &mut Session) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        match &mut self.operation {
            Some(operation) => act(operation, self.session),
            None => Ok(()),
        }
    }

    fn note(&mut self, spoken: Result<(), ErrorKind>) {
        if let Err(kind) = spoken {
            let step = self.operation.as_ref().map_or(Step::Text, |one| one.step());
            self.fail(step, kind);
        }
    }

    /// The error that the failure is, as it is known so far.
    pub fn error(&self) -> Option<smtp_error::Error> {
        let (step, kind) = self.failure.clone()?;
        Some(self.session.error(step, kind))
    }

    /// The first failure: at which step, and what.
    pub fn failure(&self) -> Option<&(Step, ErrorKind)> {
        self.failure.as_ref()
    }

    pub(super) fn operation(&self) -> Option<&O> {
        self.operation.as_ref()
    }

    /// The operation and the session that it is held over.
    pub(super) fn parts(&mut self) -> Option<(&mut O, &Session)> {
        Some((self.operation.as_mut()?, &*self.session))
    }

    /// Records the failure. The first one counts.
    fn fail(&mut self, step: Step, kind: ErrorKind) {
        if self.failure.is_some() {
            return;
        }
        if let Some(operation) = &mut self.operation {
            operation.handle_failure(self.session, step, &kind);
        }
        self.failure = Some((step, kind));
    }
}

impl<O: SendsContent> ActiveOperation<'_, O> {
    /// Returns the content of which the next piece is needed.
    pub fn content_request(&self) -> Option<ContentRequest> {
        self.operation()?.content_request(self.session)
    }

    /// Gives the next piece of the text. Ignored if no text was asked for.
    pub fn piece(&mut self, piece: Piece) {
        let taken = self.with(|operation, session| operation.piece(session, piece));
        self.note(taken);
    }

    /// Gives octets as the next piece of the text. Ignored if no text was asked for.
    pub fn text(&mut self, octets: Bytes) {
        self.piece(Piece::Octets(octets));
    }

    /// Says that the text is complete. Ignored if no text was asked for.
    pub fn end_of_text(&mut self) {
        let taken = self.with(|operation, session| operation.end_of_text(session));
        self.note(taken);
    }

    /// Gives up, because there is no telling how the text goes on: nothing more is written, and
    /// what was begun never becomes a whole message.
    pub fn abort(&mut self, kind: impl Into<ErrorKind>) {
        self.fail(Step::Text, kind.into());
    }

    /// The message whose text is under way, counted as in [`ContentRequest`], and how many octets of it were
    /// handed to the transport, stuffed dots and the commands of chunks included.
    pub fn text_written(&self) -> Option<(usize, u64)> {
        self.operation.as_ref()?.text_written(self.session)
    }
}

#[cfg(test)]
mod tests {
    use smtp_caps::Envelope;
    use smtp_codec::MailData;

    use super::*;
    use crate::Transaction;

    #[test]
    fn finished_behind_the_dot_and_before_the_reply() {
        let mut session = Session::default();
        let envelope = Envelope::new("a@b.example", ["c@d.example", "e@d.example"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        let transaction = Transaction::new(&envelope, text.facts());
        let mut run = session.run(transaction).unwrap();
        let mut replies = ["250 a\r\n", "250 b\r\n", "550 c\r\n", "354 d\r\n"].into_iter();
        loop {
            match run.next() {
                Next::Write => run.wrote(run.output().len()),
                Next::Request(_) => {
                    run.text(text.octets().clone());
                    run.end_of_text();
                }
                Next::Read => match replies.next() {
                    Some(reply) => run.receive(reply.as_bytes()),
                    None => break,
                },
                Next::Done => panic!("no final reply has come"),
            }
        }
        let error = run.finish().unwrap_err();
        assert!(error.in_doubt());
        let known: Vec<bool> = error.verdicts().iter().map(Option::is_some).collect();
        assert_eq!(known, [false, true]);
    }
}
