//! The text's part in a transaction: when it is asked for, and what is owed to it.
use smtp_caps::Framing;
use smtp_codec::Command;
use smtp_error::{ErrorKind, Step};

use super::{
    Dialect, Expected, PendingReply, Session, Transaction,
    flow::{Chunk, Flow, Piece, Way},
};
use crate::{Event, FirstChunk, Partial};

/// How far the text of the message has come.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a box would be one more allocation for each text")]
pub(super) enum Text {
    /// There is none under way.
    None,
    /// It is being given.
    Flowing(Flow),
    /// Its end was said, and the server owes its word. `mark` is the octet of the output from
    /// which on the message is in doubt, `began` the first of the text.
    Ended { mark: u64, began: u64 },
}

impl Text {
    /// Whether nothing of it was said.
    pub(super) fn is_unsaid(&self, session: &Session) -> bool {
        match self {
            Self::None => true,
            Self::Flowing(flow) => flow.began == session.output.end(),
            Self::Ended { .. } => false,
        }
    }

    /// Whether its end was handed to the transport and the server's word is missing.
    pub(super) fn is_in_doubt(&self, session: &Session) -> bool {
        matches!(self, Self::Ended { mark, .. } if session.output.handed() > *mark)
    }

    /// Where it began.
    pub(super) fn began(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Flowing(flow) => Some(flow.began),
            Self::Ended { began, .. } => Some(*began),
        }
    }
}

impl Transaction<'_> {
    /// Whether the text travels in chunks.
    pub(super) fn is_in_chunks(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.framing() == Framing::Chunks)
    }

    /// Returns whether the text leaves with the commands: the caller wants that, it is one chunk,
    /// and one reply ends it whichever recipients are accepted.
    pub(super) fn leaves_with_commands(&self, session: &Session) -> bool {
        let limit = self.sending.chunk.get() as u64;
        self.sending.first_chunk == FirstChunk::WithCommands
            && self.sending.partial == Partial::Deliver
            && session.dialect == Dialect::Smtp
            && !self.facts.fetched
            && !self.facts.unseen
            && self.facts.size.is_some_and(|size| size <= limit)
    }

    /// Says the next chunk, or gets ready for the text that they are made of; whether there was
    /// anything to do.
    pub(super) fn say_chunk(&mut self, session: &mut Session) -> Result<bool, ErrorKind> {
        let in_chunks = self.is_in_chunks();
        let (mark, began) = match &mut self.text {
            Text::None if in_chunks => {
                let way = Way::chunks(self.sending.chunk.get());
                self.begin_text(way, session);
                return Ok(true);
            }
            Text::Flowing(flow) => match flow.next_chunk() {
                None => return Ok(false),
                Some(Chunk::Octets { size, last }) => {
                    session.write(Command::Bdat { size: size as u64, last }, Command::MAX_LINE)?;
                    flow.pour(size, &mut session.output);
                    session.emit(Event::Text { octets: size as u64 });
                    // The last octet of the text, or of the line if there is no text.
                    (last.then(|| session.output.end() - 1), flow.began)
                }
                Some(Chunk::Fetched { uri, last }) => {
                    session
                        .write(Command::Burl { uri: uri.borrowed(), last }, Command::MAX_LINE)?;
                    (last.then(|| session.output.end() - 1), flow.began)
                }
            },
            Text::None | Text::Ended { .. } => return Ok(false),
        };
        self.announced = true;
        match mark {
            Some(mark) => self.text_ended(mark, began, session),
            None => self.owe(session, PendingReply::new(Step::Text, Expected::Codes(&[250]))),
        }
        Ok(true)
    }

    /// The text begins here, in this way.
    pub(super) fn begin_text(&mut self, way: Way, session: &Session) {
        let body = self.plan.as_ref().and_then(|plan| plan.mail().declared_body());
        let mut flow = Flow::new(way, self.facts, body, session.output.end());
        if self.plan.as_ref().is_some_and(|plan| plan.refuses_raw_headers(self.sending.raw_headers))
        {
            flow.refuse_raw_headers();
        }
        self.text = Text::Flowing(flow);
        self.rounds += 1;
    }

    /// The end of the text was said: the server owes its word, once or for each recipient.
    pub(super) fn text_ended(&mut self, mark: u64, began: u64, session: &mut Session) {
        self.text = Text::Ended { mark, began };
        self.tally.expect(Step::EndOfText, false);
        // It is never derived, so that what was asked for says it.
        let asks = self.envelope.mail().raw_params().find("PRDR").is_some();
        let each = session.dialect == Dialect::Smtp && asks;
        let expected = if each { Expected::CompletionOrEach } else { Expected::Completion };
        let owed =
            PendingReply { number: self.number, ..PendingReply::new(Step::EndOfText, expected) };
        let owed = PendingReply { asked: mark + 1, ..owed };
        let before = session.owed.len();
        match session.dialect {
            Dialect::Smtp => session.owed.push_back(owed),
            Dialect::Lmtp => {
                let owed = self.slots.taken().map(|recipient| PendingReply { recipient, ..owed });
                session.owed.extend(owed);
            }
        }
        let finals = session.owed.len() - before;
        self.owed += finals;
        self.several_finals = each || finals > 1;
        // Whatever the server says to the dot, the transaction is over (RFC 5321, 4.1.1.4).
        if !self.is_in_chunks() {
            session.close_transaction(self.number);
        }
    }

    pub(super) fn take_piece(
        &mut self,
        session: &mut Session,
        piece: Piece,
    ) -> Result<(), ErrorKind> {
        match &mut self.text {
            Text::Flowing(flow) => Ok(flow.give(piece, &mut session.output)?),
            Text::None | Text::Ended { .. } => Ok(()),
        }
    }

    pub(super) fn take_end(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let Text::Flowing(flow) = &mut self.text else { return Ok(()) };
        if let Some(mark) = flow.end(&mut session.output)? {
            let began = flow.began;
            session.emit(Event::Text { octets: session.output.end() - began });
            self.text_ended(mark, began, session);
        }
        Ok(())
    }
}
