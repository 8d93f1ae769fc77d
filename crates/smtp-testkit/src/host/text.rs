//! The text of a message, in one piece or in chunks, and the replies that end it.

use super::judge;
use super::reply::Reply;
use super::session::Session;
use super::state::{Chunks, Envelope};
use super::wire::Over;
use super::{Host, Protocol};
use crate::answer::Answer;
use crate::command::Command;
use crate::lint::Lint;
use crate::matching::position;
use crate::message::{END_OF_TEXT, Message, unstuff};
use crate::rule::{Case, What};

/// A reply that is due at the end of a text, and what may take its place.
type Due = (Option<Answer>, Reply);

impl Session {
    /// Takes a text up to the line with a single dot.
    pub(super) async fn text(&mut self) -> Result<(), Over> {
        self.wire.due = "the end of the text, CRLF.CRLF";
        let length = self.end_of_text().await?;
        let sent = self.wire.take(length);
        let Some(envelope) = self.state.envelope.take() else { return Ok(()) };
        let message = Message { text: unstuff(&sent), sent: sent.to_vec(), ..Message::default() };
        self.settle(envelope, message, None).await
    }

    /// Waits for the end of the text, and tells how long it is.
    async fn end_of_text(&mut self) -> Result<usize, Over> {
        let alone = &END_OF_TEXT[b"\r\n".len()..];
        let mut marks = self.host.marks.clone().into_iter().peekable();
        let mut searched = 0;
        loop {
            while let Some(mark) = marks.next_if(|&mark| mark <= self.wire.inbox.octets().len()) {
                if let Some(answer) = self.exception(What::InsideText(mark)) {
                    self.perform(&answer.entries).await?;
                }
            }
            let octets = self.wire.inbox.octets();
            if octets.starts_with(alone) {
                return Ok(alone.len());
            }
            if let Some(at) = position(&octets[searched..], END_OF_TEXT) {
                return Ok(searched + at + END_OF_TEXT.len());
            }
            // The end may have begun to arrive.
            searched = octets.len().saturating_sub(END_OF_TEXT.len() - 1);
            self.more().await?;
        }
    }

    /// Takes a chunk, whether it is welcome or not.
    pub(super) async fn chunk(&mut self, command: &Command) -> Result<(), Over> {
        let Some((length, last)) = command.chunk() else { return Ok(()) };
        let verdict = self.judged(command);
        self.wire.due = "the rest of the chunk";
        while self.wire.inbox.octets().len() < length {
            self.more().await?;
        }
        let octets = self.wire.take(length);
        let exception = self.exception(What::Command(command));
        let told = exception.as_ref().map_or(Some(250), |answer| answer.told(250));
        let refused = told.is_some_and(|code| code >= 400);
        let welcome = verdict.reply.is_good() && !refused;
        let envelope = self.state.envelope.take().filter(|_| welcome);
        let Some(mut envelope) = envelope else {
            // After a chunk that failed, nothing but a new transaction makes sense.
            return self.answer_chunk(exception, &verdict.reply).await;
        };
        let chunks = envelope.chunks.get_or_insert_with(Chunks::default);
        chunks.text.extend_from_slice(&octets);
        chunks.sizes.push(length);
        if !last {
            self.state.envelope = Some(envelope);
            return self.answer_chunk(exception, &verdict.reply).await;
        }
        let Chunks { text, sizes } = envelope.chunks.take().unwrap_or_default();
        let message = Message { sent: text.clone(), text, chunks: sizes, ..Message::default() };
        self.settle(envelope, message, exception).await
    }

    async fn answer_chunk(&mut self, exception: Option<Answer>, usual: &Reply) -> Result<(), Over> {
        self.notice_ahead(false).await?;
        let code = self.give(exception, usual).await?;
        self.state.farewell |= code == Some(421);
        Ok(())
    }

    async fn more(&mut self) -> Result<(), Over> {
        if self.wire.inbox.end().is_some() {
            self.wire.ended();
            let what = "the connection ended inside of a text".to_owned();
            self.wire.blame(Lint::NoQuit, what);
            return self.wire.close("the server closed").await;
        }
        self.wire.fill().await
    }

    /// Says what becomes of a message, which is known to the test before the client hears of it.
    /// What is done about the last chunk is done about the message.
    async fn settle(
        &mut self,
        envelope: Envelope,
        message: Message,
        last_chunk: Option<Answer>,
    ) -> Result<(), Over> {
        let message = Message {
            mail: Some(envelope.mail.line().to_owned()),
            rcpts: envelope.rcpts.iter().map(|rcpt| rcpt.line().to_owned()).collect(),
            tls: self.state.tls,
            login: self.state.login.clone(),
            ..message
        };
        let refusal = self.inspect(&message);
        self.notice_ahead(false).await?;
        let mut dues = self.dues(&envelope, &message, refusal);
        if let (Some(answer), Some((exception, _))) = (last_chunk, dues.first_mut()) {
            exception.get_or_insert(answer);
        }
        // A reply that is withheld leaves the client in doubt about a message that has arrived.
        let taken = dues.iter().any(|due| code(due).is_none_or(|code| code < 300));
        if taken {
            self.wire.page.message(message);
        }
        let each = self.host.protocol == Protocol::Smtp && is_for_each(&self.host, &envelope);
        if each {
            self.give(None, &Reply::new(353, "", "a reply for each recipient follows")).await?;
        }
        for (exception, reply) in dues {
            let code = self.give(exception, &reply).await?;
            self.state.farewell |= code == Some(421);
        }
        if each {
            let last = match taken {
                true => Reply::new(250, "2.0.0", "done"),
                false => Reply::new(550, "5.0.0", "for none of them"),
            };
            self.give(None, &last).await?;
        }
        Ok(())
    }

    /// Notes what is wrong with a text; the refusal, if the server cannot take it.
    fn inspect(&self, message: &Message) -> Option<Reply> {
        let mut refusal = None;
        for (lint, what) in judge::text(message) {
            if is_refused(lint) && !self.host.tolerates(lint) {
                let text = format!("the client {lint}: {what}");
                refusal.get_or_insert_with(|| Reply::new(554, "5.6.0", text));
            }
            self.wire.blame(lint, what);
        }
        let limit = self.host.size_limit().unwrap_or(usize::MAX);
        if message.text.len() > limit {
            refusal = Some(Reply::new(552, "5.3.4", "the text is too large"));
        }
        refusal
    }

    /// One reply for the message, or one for each recipient.
    fn dues(&self, envelope: &Envelope, message: &Message, refusal: Option<Reply>) -> Vec<Due> {
        let usual = refusal.unwrap_or_else(|| Reply::new(250, "2.0.0", "message taken"));
        let sender = envelope.mail.path().unwrap_or_default();
        let due = |what| {
            let case = Case { message: Some(message), ..self.case(what, sender) };
            (self.host.exception(&case), usual.clone())
        };
        match is_for_each(&self.host, envelope) {
            false => vec![due(What::Text)],
            true => envelope
                .rcpts
                .iter()
                .map(|rcpt| due(What::TextFor(rcpt.path().unwrap_or_default())))
                .collect(),
        }
    }
}

/// The code that a client will be told; `None` if it is told none.
fn code((exception, usual): &Due) -> Option<u16> {
    exception.as_ref().map_or(Some(usual.code), |answer| answer.told(usual.code))
}

fn is_for_each(host: &Host, envelope: &Envelope) -> bool {
    host.protocol == Protocol::Lmtp || envelope.says("PRDR")
}

/// Whether a strict server does not take a text for this.
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
