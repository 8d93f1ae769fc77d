//! The end of a run: the answer, the error, or the future that was dropped.
use smtp_error::{Ended, Error, ErrorKind, Step};

use super::Run;
use crate::session::Conversation;

impl<C: Conversation> Run<'_, C> {
    /// The answer, or what went wrong.
    ///
    /// # Errors
    /// What ended the conversation. Called before [`next`](Self::next) says [`Next::Done`](crate::session::Next::Done), that
    /// it was canceled.
    pub fn finish(mut self) -> Result<C::Answer, Error> {
        let Some(conversation) = self.conversation.take() else {
            unreachable!("a run is finished once")
        };
        let is_auth = conversation.step() == Step::Auth;
        let answer = self.finished(conversation);
        // A slow server may repeat what AUTH sent in the reply to what follows it.
        if !is_auth {
            self.session.veil.lift();
        }
        answer
    }

    fn finished(&mut self, conversation: C) -> Result<C::Answer, Error> {
        let step = conversation.step();
        let in_doubt = conversation.is_in_doubt(self.session);
        if self.failure.is_none() && !conversation.is_done(self.session) {
            self.cancel(step, in_doubt);
            let ended = self.session.ended.clone().unwrap_or(Ended::Failed { step });
            return conversation.failed(Error::new(step, ended).with_in_doubt(in_doubt));
        }
        let Some((step, kind)) = self.failure.take() else {
            if !self.session.is_settled() {
                self.session.end(Ended::Failed { step });
                self.session.forget();
            }
            return conversation.answer(self.session).inspect_err(|error| {
                if matches!(error.kind(), ErrorKind::Misbehaved(_) | ErrorKind::Ended(_)) {
                    self.session.end(Ended::Failed { step });
                }
            });
        };
        let out_of_step = matches!(kind, ErrorKind::Misbehaved(_) | ErrorKind::Broken(_))
            || conversation.is_mid_text()
            || !self.session.is_settled();
        let error = self.session.error(step, kind).with_in_doubt(in_doubt);
        if out_of_step {
            self.session.end(Ended::Failed { step });
        }
        self.session.forget();
        conversation.failed(error)
    }

    /// Ends the session because the run is given up, unless nothing of it was written.
    fn cancel(&mut self, step: Step, in_doubt: bool) {
        let untouched = self.session.output.handed() == self.began && self.progress == 0;
        let untouched = untouched && !self.session.anticipates();
        if !untouched || step == Step::Greeting {
            self.session.end(Ended::Canceled { step, in_doubt });
        }
        self.session.forget();
    }
}

impl<C: Conversation> Drop for Run<'_, C> {
    fn drop(&mut self) {
        let step = self.step();
        if let Some(conversation) = self.conversation.take() {
            if conversation.is_idle() && self.failure.is_none() && self.session.is_settled() {
                return;
            }
            let in_doubt = conversation.is_in_doubt(self.session);
            match &self.failure {
                Some((step, _)) => {
                    self.session.end(Ended::Failed { step: *step });
                    self.session.forget();
                }
                None => self.cancel(step, in_doubt),
            }
            self.session.canceled = conversation.verdicts();
        }
    }
}
