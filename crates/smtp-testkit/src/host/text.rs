//! Receives the text of a message, with DATA or in chunks, and gives the replies at its end.

use std::sync::PoisonError;

use super::client_io::SessionEnd;
use super::judge;
use super::reply::Reply;
use super::session::Session;
use super::state::{Chunks, Envelope};
use super::{Host, Protocol};
use crate::answer::Answer;
use crate::command::Command;
use crate::lint::Lint;
use crate::matching::position;
use crate::message::{END_OF_TEXT, Message, unstuff};
use crate::rule::{Case, What};

/// A pending reply at the end of a text, and the answer that may replace it.
type PendingReply = (Option<Answer>, Reply);

impl Session {
    /// Receives a text up to the line with a single dot.
    pub(super) async fn text(&mut self) -> Result<(), SessionEnd> {
        self.io.awaited = "the end of the text, CRLF.CRLF";
        let length = self.end_of_text().await?;
        let sent = self.io.take(length);
        let Some(envelope) = self.state.envelope.take() else { return Ok(()) };
        let message = Message { text: unstuff(&sent), sent: sent.to_vec(), ..Message::default() };
        self.finish_message(envelope, message, None).await
    }

    /// Waits for the end of the text, and returns its length.
    async fn end_of_text(&mut self) -> Result<usize, SessionEnd> {
        let alone = &END_OF_TEXT[b"\r\n".len()..];
        let mut text_offsets = self.host.text_offsets().into_iter().peekable();
        let mut searched = 0;
        loop {
            while let Some(offset) =
                text_offsets.next_if(|&offset| offset <= self.io.inbox.octets().len())
            {
                if let Some(answer) = self.exception(What::InsideText(offset)) {
                    self.perform(&answer.entries).await?;
                }
            }
            let octets = self.io.inbox.octets();
            if octets.starts_with(alone) {
                return Ok(alone.len());
            }
            if let Some(at) = position(&octets[searched..], END_OF_TEXT) {
                return Ok(searched + at + END_OF_TEXT.len());
            }
            // The end may have arrived in part.
            searched = octets.len().saturating_sub(END_OF_TEXT.len() - 1);
            self.more().await?;
        }
    }

    /// Receives a chunk, whether it is accepted or refused.
    pub(super) async fn chunk(&mut self, command: &Command) -> Result<(), SessionEnd> {
        let Some((length, last)) = command.chunk() else { return Ok(()) };
        let usual = self.judge(command);
        self.io.awaited = "the rest of the chunk";
        let before = self.state.envelope.as_ref().and_then(|envelope| envelope.chunks.as_ref());
        let before = before.map_or(0, |chunks| chunks.text.len());
        self.io.within_limit(before.saturating_add(length))?;
        while self.io.inbox.octets().len() < length {
            self.more().await?;
        }
        let octets = self.io.take(length);
        let exception = self.exception(What::Command(command));
        let code = exception.as_ref().map_or(Some(250), |answer| answer.first_code(250));
        let refused = code.is_some_and(|code| code >= 400);
        let welcome = usual.reply.is_good() && !refused;
        let envelope = self.state.envelope.take().filter(|_| welcome);
        let Some(mut envelope) = envelope else {
            // After a chunk that failed, only a new transaction is valid.
            return self.answer_chunk(exception, &usual.reply).await;
        };
        let chunks = envelope.chunks.get_or_insert_with(Chunks::default);
        chunks.text.extend_from_slice(&octets);
        chunks.sizes.push(length);
        if !last {
            self.state.envelope = Some(envelope);
            return self.answer_chunk(exception, &usual.reply).await;
        }
        let Chunks { text, sizes } = envelope.chunks.take().unwrap_or_default();
        let message = Message { sent: text.clone(), text, chunks: sizes, ..Message::default() };
        self.finish_message(envelope, message, exception).await
    }

    async fn answer_chunk(
        &mut self,
        exception: Option<Answer>,
        usual: &Reply,
    ) -> Result<(), SessionEnd> {
        self.check_pipelining(false).await?;
        let code = self.reply(exception, usual).await?;
        self.state.closing |= code == Some(421);
        Ok(())
    }

    async fn more(&mut self) -> Result<(), SessionEnd> {
        if self.io.inbox.end().is_some() {
            self.io.record_end();
            let what = "the connection ended inside of a text".to_owned();
            self.io.record_finding(Lint::NoQuit, what);
            return self.io.close("the server closed").await;
        }
        self.io.fill().await
    }

    /// Records the message and gives its replies. The message is recorded first, so the test can
    /// see it before the client receives a reply. The answer for the last chunk is the answer for
    /// the message.
    async fn finish_message(
        &mut self,
        envelope: Envelope,
        message: Message,
        last_chunk: Option<Answer>,
    ) -> Result<(), SessionEnd> {
        let message = Message {
            mail: Some(envelope.mail.line().to_owned()),
            rcpts: envelope.rcpts.iter().map(|rcpt| rcpt.line().to_owned()).collect(),
            tls: self.state.tls,
            login: self.state.login.clone(),
            ..message
        };
        let refusal = self.inspect(&message);
        self.check_pipelining(false).await?;
        let mut pending = self.pending(&envelope, &message, refusal);
        if let (Some(answer), Some((exception, _))) = (last_chunk, pending.first_mut()) {
            exception.get_or_insert(answer);
        }
        let accepted = self.accept(message, &mut pending);
        let each = self.host.protocol == Protocol::Smtp && is_for_each(&self.host, &envelope);
        if each {
            self.reply(None, &Reply::new(353, "", "a reply for each recipient follows")).await?;
        }
        for (exception, reply) in pending {
            let code = self.reply(exception, &reply).await?;
            self.state.closing |= code == Some(421);
        }
        if each {
            let last = match accepted {
                true => Reply::new(250, "2.0.0", "done"),
                false => Reply::new(550, "5.0.0", "for none of them"),
            };
            self.reply(None, &last).await?;
        }
        Ok(())
    }

    /// Records a message that a reply accepts, and returns whether one does. The closure of the test
    /// gets it first, and its answer takes the place of the replies that accept it.
    fn accept(&self, message: Message, pending: &mut [PendingReply]) -> bool {
        if !pending.iter().any(accepts) {
            return false;
        }
        let page = &self.io.page;
        let Some(taker) = &self.host.taker else {
            page.message(message);
            return true;
        };
        // Held until the message is recorded, so that its number is the one that the closure saw.
        let mut take = taker.lock().unwrap_or_else(PoisonError::into_inner);
        let message = page.numbered(message);
        let answer = match for_accepted(&message, pending) {
            Some(message) => take(&message),
            None => take(&message),
        };
        if let Some(answer) = answer {
            let replaced = pending.iter_mut().filter(|reply| code(reply).is_some_and(is_good));
            replaced.for_each(|(exception, _)| *exception = Some(answer.clone()));
        }
        let accepted = pending.iter().any(accepts);
        if accepted {
            page.message(message);
        }
        accepted
    }

    /// Records the mistakes in a text; returns the refusal, if the server cannot accept it.
    fn inspect(&self, message: &Message) -> Option<Reply> {
        let mut refusal = None;
        for (lint, what) in judge::text(message) {
            if is_refused(lint) && !self.host.tolerates(lint) {
                let text = format!("the client {lint}: {what}");
                refusal.get_or_insert_with(|| Reply::new(554, "5.6.0", text));
            }
            self.io.record_finding(lint, what);
        }
        let limit = self.host.size_limit().unwrap_or(usize::MAX);
        if message.text.len() > limit {
            refusal = Some(Reply::new(552, "5.3.4", "the text is too large"));
        }
        refusal
    }

    /// Returns one pending reply for the message, or one for each recipient.
    fn pending(
        &self,
        envelope: &Envelope,
        message: &Message,
        refusal: Option<Reply>,
    ) -> Vec<PendingReply> {
        let usual = refusal.unwrap_or_else(|| Reply::new(250, "2.0.0", "message taken"));
        let sender = envelope.mail.path().unwrap_or_default();
        let reply_for = |what| {
            let case = Case { message: Some(message), ..self.case(what, sender) };
            (self.host.exception(&case), usual.clone())
        };
        match is_for_each(&self.host, envelope) {
            false => vec![reply_for(What::Text)],
            true => envelope
                .rcpts
                .iter()
                .map(|rcpt| reply_for(What::TextFor(rcpt.path().unwrap_or_default())))
                .collect(),
        }
    }
}

/// Returns the message for the recipients whose replies accept it, unless it is for all of them.
fn for_accepted(message: &Message, pending: &[PendingReply]) -> Option<Message> {
    if pending.len() != message.rcpts.len() || pending.iter().all(accepts) {
        return None;
    }
    let each = message.rcpts.iter().zip(pending);
    let accepted = each.filter(|(_, reply)| accepts(reply)).map(|(rcpt, _)| rcpt.clone());
    Some(Message { rcpts: accepted.collect(), ..message.clone() })
}

/// The first code that a client will receive; `None` if it receives none.
fn code((exception, usual): &PendingReply) -> Option<u16> {
    exception.as_ref().map_or(Some(usual.code), |answer| answer.first_code(usual.code))
}

/// Returns whether a reply leaves the message with the server. One that is withheld leaves the
/// client in doubt about a message that has arrived.
fn accepts(reply: &PendingReply) -> bool {
    code(reply).is_none_or(is_good)
}

fn is_good(code: u16) -> bool {
    code < 300
}

fn is_for_each(host: &Host, envelope: &Envelope) -> bool {
    host.protocol == Protocol::Lmtp || envelope.has_param("PRDR")
}

/// Returns whether a strict server refuses a text for this mistake.
fn is_refused(lint: Lint) -> bool {
    matches!(
        lint,
        Lint::BareCr
            | Lint::BareLf
            | Lint::OverLongLine
            | Lint::EightBitWithoutBody
            | Lint::Utf8WithoutSmtpUtf8
    )
}
