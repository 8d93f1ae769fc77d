//! An operation in progress: what a driver calls.
use bytes::Bytes;
use smtp_error::{Broken, Delivery, Ended, Error, ErrorKind, Misbehaved, Reply, ReplyCode, Step};

use crate::{
    ContentRequest, Event, Next, Operation, Output, Piece, SendsContent, Session,
    redaction::without_challenge, replies::refused,
};

/// An operation in progress. Dropping it before [`finish`](Self::finish) ends the session, unless
/// nothing of it was written.
///
/// A driver repeats: call [`next`](Self::next), do what it returns, and read whenever there is
/// something to read, also while it writes.
#[must_use = "an operation does nothing until it is driven"]
pub struct ActiveOperation<'s, O: Operation> {
    session: &'s mut Session,
    operation: O,
    /// Whether the answer was taken, so that dropping it ends nothing.
    is_finished: bool,
    failure: Option<(Step, ErrorKind)>,
    /// How many octets had been handed to the transport when it started.
    began: u64,
    /// How many replies were received, and writes of content made.
    progress: u64,
    /// Whether the operation has written what it can since something happened: to ask it again
    /// costs instructions and changes nothing.
    is_current: bool,
}

impl<'s, O: Operation> ActiveOperation<'s, O> {
    pub(crate) fn new(session: &'s mut Session, operation: O) -> Self {
        let began = session.output.handed();
        Self {
            session,
            operation,
            is_finished: false,
            failure: None,
            began,
            progress: 0,
            is_current: false,
        }
    }

    /// Returns what the operation needs next.
    #[allow(clippy::should_implement_trait, reason = "it is no iterator: each call needs an act")]
    pub fn next(&mut self) -> Next<O::Request> {
        self.write_commands();
        let failed = self.failure.is_some();
        match self.operation.request(self.session, failed) {
            Some(request) => Next::Request(request),
            None if failed || self.is_done() => Next::Done,
            None if !self.session.output.is_empty() => Next::Write,
            None => Next::Read,
        }
    }

    /// Returns what is to be written.
    pub fn output(&self) -> &Output {
        &self.session.output
    }

    /// Records that `octets` of [`output`](Self::output) were handed to the transport.
    pub fn wrote(&mut self, octets: usize) {
        self.progress += u64::from(self.step() == Step::Text && octets > 0);
        self.session.output.advance(octets);
        self.is_current = false;
    }

    /// Records that the last `octets` that were handed over have not left after all, and will not:
    /// a layer below the session has encrypted them, and the transport accepted nothing of them.
    /// Call it before [`connection_failed`](Self::connection_failed), so that a message of which
    /// the end is among them is not in doubt.
    pub fn take_back(&mut self, octets: usize) {
        self.session.output.take_back(octets);
    }

    /// Handles octets that arrived.
    pub fn receive(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            // What is written decides which command the next reply answers. Writing after every
            // reply gives the same result however the octets were cut into reads.
            self.write_commands();
            if self.failure.is_some() || self.is_done() {
                return self.session.receive_idle(octets);
            }
            let handed = self.session.output.handed();
            match self.session.replies.receive(&mut octets, handed) {
                Ok(None) => {}
                Ok(Some(reply)) => self.handle_reply(reply),
                Err(malformed) => self.fail(self.step(), malformed.into()),
            }
        }
    }

    /// Records that the server closed the connection, or its sending half.
    pub fn closed(&mut self) {
        self.connection_failed(Broken::Closed);
    }

    /// Records that the connection failed, or that a timeout expired.
    pub fn connection_failed(&mut self, broken: Broken) {
        self.fail(self.step(), broken.into());
    }

    /// Returns the step that is waited for: that of the oldest pending reply, or what the operation
    /// does. Its timeout applies.
    pub fn step(&self) -> Step {
        match self.session.replies.next_pending() {
            // The server cannot reply to the end of a content that is still being written.
            Some(pending)
                if pending.step == Step::EndOfText
                    && pending.asked > self.session.output.handed() =>
            {
                Step::Text
            }
            Some(pending) => pending.step,
            None => self.operation.step(),
        }
    }

    /// Returns a number that changes with every progress, upon which the timeout of the step starts
    /// again.
    pub fn progress(&self) -> u64 {
        self.progress
    }

    /// Returns whether the result rests on the number of replies alone. The driver then hands over
    /// whatever has arrived already before it takes the answer or the result: a surplus reply
    /// changes it.
    pub fn is_counted(&self) -> bool {
        self.operation.is_counted()
    }

    /// Returns whether the answer is known, and no pending reply can change it: it is not worth
    /// waiting for them long.
    pub fn has_answer(&self) -> bool {
        self.operation.has_answer()
    }

    /// Returns the first failure: the step at which it happened, and what it was.
    pub fn failure(&self) -> Option<&(Step, ErrorKind)> {
        self.failure.as_ref()
    }

    /// Returns the failure as an error.
    pub fn error(&self) -> Option<Error> {
        let (step, kind) = self.failure.clone()?;
        Some(self.session.error(step, kind))
    }

    /// Returns the answer, or the error.
    ///
    /// # Errors
    /// What ended the operation. If it is called before [`next`](Self::next) returns
    /// [`Next::Done`], the operation is canceled.
    pub fn finish(mut self) -> Result<O::Answer, Error> {
        self.is_finished = true;
        let is_auth = self.operation.step() == Step::Auth;
        let answer = self.answer();
        // A slow server may repeat what AUTH sent in the reply to the command after it.
        if !is_auth {
            self.session.protection.redaction.clear();
        }
        answer.map_err(|error| self.session.name_server(error))
    }

    fn answer(&mut self) -> Result<O::Answer, Error> {
        let step = self.operation.step();
        let in_doubt = self.operation.is_in_doubt(self.session);
        if self.failure.is_none() && !self.is_done() {
            self.cancel(step, in_doubt);
            let ended = self.session.ended().cloned().unwrap_or(Ended::Failed { step });
            return self.operation.failed(Error::new(step, ended).with_in_doubt(in_doubt));
        }
        let Some((step, kind)) = self.failure.take() else {
            if !self.session.is_in_step() {
                self.session.end(Ended::Failed { step });
                self.session.forget();
            }
            return self.operation.answer(self.session).inspect_err(|error| {
                if matches!(error.kind(), ErrorKind::Misbehaved(_) | ErrorKind::Ended(_)) {
                    self.session.end(Ended::Failed { step });
                }
            });
        };
        let out_of_step = matches!(kind, ErrorKind::Misbehaved(_) | ErrorKind::Broken(_))
            || self.operation.is_mid_text()
            || !self.session.is_in_step();
        let error = self.session.error(step, kind).with_in_doubt(in_doubt);
        if out_of_step {
            self.session.end(Ended::Failed { step });
        }
        self.session.forget();
        self.operation.failed(error)
    }

    /// Ends the session because the operation is canceled, unless nothing of it was written.
    fn cancel(&mut self, step: Step, in_doubt: bool) {
        let session = &mut *self.session;
        let untouched = session.output.handed() == self.began && self.progress == 0;
        let early = session.replies.next_pending().is_some_and(|pending| pending.early);
        if !untouched || early || step == Step::Greeting {
            session.end(Ended::Canceled { step, in_doubt });
        }
        session.forget();
    }

    /// Handles a reply: it answers the oldest pending one, or none.
    fn handle_reply(&mut self, reply: Reply) {
        let reply = self.session.protection.redaction.redact(reply);
        self.session.emit(Event::Received(&without_challenge(&reply)));
        self.progress += 1;
        let step = self.step();
        let closing = (reply.code() == ReplyCode::SERVICE_CLOSING).then(|| reply.clone());
        if let Some(reply) = &closing {
            self.session.end(Ended::ServerClosing(reply.clone()));
        }
        let handled = match self.session.replies.complete() {
            Some(pending) if !pending.allows(&reply) => {
                let reply = without_challenge(&reply).into_owned();
                Err(Misbehaved::WrongCode { step, reply }.into())
            }
            Some(pending) if pending.early => {
                self.is_current = false;
                self.session.confirm(pending, reply)
            }
            Some(pending) => {
                self.with(|operation, session| operation.handle_reply(session, pending, reply))
            }
            None => {
                let reply = without_challenge(&reply).into_owned();
                self.with(|operation, session| operation.handle_unsolicited(session, step, reply))
            }
        };
        if let Err(kind) = handled {
            self.fail(step, kind);
        } else if let Some(reply) = closing
            && !self.is_done()
        {
            self.fail(step, refused(reply));
        }
    }

    pub(crate) fn session(&self) -> &Session {
        self.session
    }

    /// Returns the error with the name of the server.
    pub(crate) fn name_server(&self, error: Error) -> Error {
        self.session.name_server(error)
    }

    /// Returns the delivery with the name of the server.
    pub(crate) fn name_server_of(&self, delivery: Delivery) -> Delivery {
        self.session.name_server_of(delivery)
    }

    fn write_commands(&mut self) {
        if self.failure.is_none() && !self.is_current {
            let written = self.with(|operation, session| operation.write_commands(session));
            self.is_current = true;
            self.check(written);
        }
    }

    fn is_done(&self) -> bool {
        self.operation.is_done(self.session)
    }

    fn with(
        &mut self,
        act: impl FnOnce(&mut O, &mut Session) -> Result<(), ErrorKind>,
    ) -> Result<(), ErrorKind> {
        self.is_current = false;
        act(&mut self.operation, self.session)
    }

    /// Records a failure that does not concern a reply.
    fn check(&mut self, outcome: Result<(), ErrorKind>) {
        if let Err(kind) = outcome {
            self.fail(self.operation.step(), kind);
        }
    }

    pub(crate) fn operation(&self) -> &O {
        &self.operation
    }

    pub(crate) fn operation_mut(&mut self) -> &mut O {
        self.is_current = false;
        &mut self.operation
    }

    /// Records a failure. The first one counts.
    fn fail(&mut self, step: Step, kind: ErrorKind) {
        if self.failure.is_some() {
            return;
        }
        self.operation.handle_failure(self.session, step, &kind);
        self.failure = Some((step, kind));
    }
}

impl<O: SendsContent> ActiveOperation<'_, O> {
    /// Returns the content of which the next piece is needed.
    pub fn content_request(&self) -> Option<ContentRequest> {
        self.operation.content_request(self.session)
    }

    /// Gives the next piece of the content. Ignored if none is needed.
    pub fn piece(&mut self, piece: Piece) {
        let taken = self.with(|operation, session| operation.piece(session, piece));
        self.check(taken);
    }

    /// Gives octets as the next piece of the content. Ignored if none is needed.
    pub fn text(&mut self, octets: Bytes) {
        self.piece(Piece::Octets(octets));
    }

    /// Ends the content. Ignored if no piece is needed.
    pub fn end_of_text(&mut self) {
        let taken = self.with(|operation, session| operation.end_of_text(session));
        self.check(taken);
    }

    /// Gives up because the rest of the content cannot be had: nothing more is written, so that the
    /// server never takes its beginning for the whole.
    pub fn abort(&mut self, kind: impl Into<ErrorKind>) {
        self.fail(Step::Text, kind.into());
    }

    /// Returns the message whose content is under way, counted as in [`ContentRequest`], and how
    /// many octets of it were handed to the transport, stuffed dots and the commands of chunks
    /// included.
    pub fn text_written(&self) -> Option<(usize, u64)> {
        self.operation.text_written(self.session)
    }
}

impl<O: Operation> Drop for ActiveOperation<'_, O> {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let step = self.step();
        if self.operation.is_idle() && self.failure.is_none() && self.session.is_in_step() {
            return;
        }
        let in_doubt = self.operation.is_in_doubt(self.session);
        match &self.failure {
            Some((step, _)) => {
                self.session.end(Ended::Failed { step: *step });
                self.session.forget();
            }
            None => self.cancel(step, in_doubt),
        }
        self.session.set_canceled(self.operation.verdicts());
    }
}

#[cfg(test)]
mod tests {
    use smtp_caps::Envelope;
    use smtp_codec::MailData;

    use super::*;
    use crate::{Session, Transaction};

    #[test]
    fn finishing_after_the_dot_and_before_the_reply_is_in_doubt() {
        let mut session = Session::default();
        let envelope = Envelope::new("a@b.example", ["c@d.example", "e@d.example"]).unwrap();
        let text = MailData::new("a: b\r\n").unwrap();
        let transaction = Transaction::new(&envelope, text.facts());
        let mut active = session.run(transaction).unwrap();
        let mut replies = ["250 a\r\n", "250 b\r\n", "550 c\r\n", "354 d\r\n"].into_iter();
        loop {
            match active.next() {
                Next::Write => active.wrote(active.output().len()),
                Next::Request(_) => {
                    active.text(text.octets().clone());
                    active.end_of_text();
                }
                Next::Read => match replies.next() {
                    Some(reply) => active.receive(reply.as_bytes()),
                    None => break,
                },
                Next::Done => panic!("no final reply has come"),
            }
        }
        let error = active.finish().unwrap_err();
        assert!(error.in_doubt());
        let known: Vec<bool> = error.verdicts().map(|(_, one)| one.is_some()).collect();
        assert_eq!(known, [false, true]);
    }
}
