//! The end of a run: the answer, the error, or the future that was dropped.
use smtp_error::{Ended, Error, ErrorKind, Step};

use super::ActiveOperation;
use crate::Operation;

impl<O: Operation> ActiveOperation<'_, O> {
    /// The answer, or what went wrong.
    ///
    /// # Errors
    /// What ended the operation. Called before [`next`](Self::next) says [`Next::Done`](crate::Next::Done), that
    /// it was canceled.
    pub fn finish(mut self) -> Result<O::Answer, Error> {
        let Some(operation) = self.operation.take() else { unreachable!("a run is finished once") };
        let is_auth = operation.step() == Step::Auth;
        let answer = self.finished(operation);
        // A slow server may repeat what AUTH sent in the reply to what follows it.
        if !is_auth {
            self.session.veil.lift();
        }
        answer
    }

    fn finished(&mut self, operation: O) -> Result<O::Answer, Error> {
        let step = operation.step();
        let in_doubt = operation.is_in_doubt(self.session);
        if self.failure.is_none() && !operation.is_done(self.session) {
            self.cancel(step, in_doubt);
            let ended = self.session.ended.clone().unwrap_or(Ended::Failed { step });
            return operation.failed(Error::new(step, ended).with_in_doubt(in_doubt));
        }
        let Some((step, kind)) = self.failure.take() else {
            if !self.session.is_quiet() {
                self.session.end(Ended::Failed { step });
                self.session.forget();
            }
            return operation.answer(self.session).inspect_err(|error| {
                if matches!(error.kind(), ErrorKind::Misbehaved(_) | ErrorKind::Ended(_)) {
                    self.session.end(Ended::Failed { step });
                }
            });
        };
        let out_of_step = matches!(kind, ErrorKind::Misbehaved(_) | ErrorKind::Broken(_))
            || operation.is_mid_text()
            || !self.session.is_quiet();
        let error = self.session.error(step, kind).with_in_doubt(in_doubt);
        if out_of_step {
            self.session.end(Ended::Failed { step });
        }
        self.session.forget();
        operation.failed(error)
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

impl<O: Operation> Drop for ActiveOperation<'_, O> {
    fn drop(&mut self) {
        let step = self.step();
        if let Some(operation) = self.operation.take() {
            if operation.is_idle() && self.failure.is_none() && self.session.is_quiet() {
                return;
            }
            let in_doubt = operation.is_in_doubt(self.session);
            match &self.failure {
                Some((step, _)) => {
                    self.session.end(Ended::Failed { step: *step });
                    self.session.forget();
                }
                None => self.cancel(step, in_doubt),
            }
            self.session.canceled = operation.verdicts();
        }
    }
}
