//! Batches: many messages, one after the other or running ahead (RFC 2920, 3.1).
use std::collections::VecDeque;

use smtp_error::{Delivery, Ended, Error, ErrorKind, KnownVerdicts, Misbehaved, Reply, Step};

use super::{
    ActiveOperation, Ahead, ContentRequest, Operation, Piece, SendsContent, Session, Transaction,
    operation::Protocol,
    replies::{Classes, PendingReply, unsolicited},
    tally::Counted,
    transaction::NextAction,
};

/// Sends many messages.
///
/// They are [pushed](ActiveOperation::push) as they come, and each has exactly one result, in the
/// order in which they were pushed. By default one is begun when the one before it is answered;
/// with [`Ahead`] as soon as the text of the one before it is written.
///
/// If the connection fails, the messages under way have their results at once:
/// [`ActiveOperation::next`] asks for them to be taken before it reports that the run is done.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    ahead: Option<Ahead>,
    /// Those that have no result yet, the oldest first.
    under_way: VecDeque<Transaction<'a>>,
    /// How many of them, from the oldest, are written and only wait for replies; and the octets of
    /// their contents, of the size that counts for [`Ahead::octets`].
    written: usize,
    octets: u64,
    /// The place of the message that the last reply was for.
    replied: Option<usize>,
    /// The results that were not taken yet, the oldest first.
    results: VecDeque<Finished>,
    /// Whether no more messages come.
    complete: bool,
}

/// What a [`Batch`] needs of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver has to handle each")]
pub enum BatchRequest {
    /// The next piece of this content, or its end: [`ActiveOperation::piece`],
    /// [`ActiveOperation::end_of_text`].
    Content(ContentRequest),
    /// The next message, or that there is none: [`ActiveOperation::push`],
    /// [`ActiveOperation::no_more_messages`]. Read what comes in meanwhile.
    Message,
    /// Nothing: the next result is there, to be taken with [`ActiveOperation::take_result`].
    Result,
}

/// The result of a message.
#[derive(Debug)]
struct Finished {
    result: Result<Delivery, Error>,
    counted: Option<Counted>,
}

impl Finished {
    /// Takes back what a surplus reply has put in question.
    fn recount(&mut self, kind: &ErrorKind, surplus: Classes) {
        if let (Ok(delivery), Some(counted)) = (&self.result, self.counted)
            && counted.is_upset_by(surplus)
        {
            let standing = counted.standing(delivery.clone().into());
            let error = Error::new(Step::EndOfText, kind.clone());
            self.result = Err(error.with_verdicts(standing).with_in_doubt(true));
        }
    }
}

impl<'a> Batch<'a> {
    /// Returns a batch without messages.
    pub fn new(ahead: Option<Ahead>) -> Self {
        Self { ahead, ..Self::default() }
    }

    /// Returns how many messages may be under way.
    fn window(&self) -> usize {
        self.ahead.map_or(1, |ahead| ahead.messages.max(1))
    }

    /// Returns whether the message at this place may be begun although those before it, all of
    /// which are written, are not answered.
    fn may_begin(&self, place: usize) -> bool {
        let Some(ahead) = self.ahead else { return false };
        let here = self.under_way.get(place).map_or(0, |message| size(message, ahead));
        place < ahead.messages && self.octets.saturating_add(here) <= ahead.octets
    }

    /// Moves those at the front that are done to the results. One that only came too early is begun
    /// again, and from there on none runs ahead.
    fn collect(&mut self, session: &Session) {
        while self.under_way.front().is_some_and(|front| front.is_done(session)) {
            let Some(mut message) = self.under_way.pop_front() else { break };
            if message.came_too_early() && session.ended().is_none() {
                message.start_over();
                self.ahead = None;
                (self.written, self.octets) = (0, 0);
                return self.under_way.push_front(message);
            }
            if let Some(ahead) = self.ahead.filter(|_| self.written > 0) {
                self.octets -= size(&message, ahead).min(self.octets);
            }
            self.written = self.written.saturating_sub(1);
            let counted = message.tally.counted();
            self.results.push_back(Finished { result: message.answer(session), counted });
        }
    }

    /// Returns whether a message after the oldest was begun and is not done.
    fn others_are_under_way(&self, session: &Session) -> bool {
        self.under_way
            .iter()
            .skip(1)
            .any(|one| one.next != NextAction::Begin && !one.is_done(session))
    }

    /// Lets the messages write that may, the oldest first.
    ///
    /// Those that are written only wait for their final reply, and of a window of many that is most
    /// of them. Only the message that a reply came for can have something to do, so that the work
    /// for each reply does not grow with the window.
    fn write_in_turn(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let alone = self.complete && self.under_way.len() == 1;
        if let Some(place) = self.replied.take().or_else(|| alone.then_some(0))
            && place < self.written
        {
            self.write_one(place, session)?;
            // The result of the oldest comes first: it may have to be sent again.
            if place == 0 && self.under_way[0].is_done(session) {
                return Ok(());
            }
        }
        while self.written < self.under_way.len() {
            let place = self.written;
            if self.under_way[place].next == NextAction::Begin {
                // One that is begun again must not get between the parts of those after it.
                let waits = place == 0 && self.others_are_under_way(session);
                let is_free = match place {
                    0 => session.replies.none_pending(),
                    _ => self.may_begin(place),
                };
                if waits || !is_free {
                    return if waits { self.write_later_ones(session) } else { Ok(()) };
                }
                self.under_way[place].ahead = place > 0;
            }
            self.write_one(place, session)?;
            let message = &self.under_way[place];
            if !message.is_written(session) || (place == 0 && message.is_done(session)) {
                break;
            }
            self.octets += self.ahead.map_or(0, |ahead| size(message, ahead));
            self.written += 1;
        }
        Ok(())
    }

    /// Lets the messages after the oldest, which waits to be begun again, go on with what they have
    /// begun.
    fn write_later_ones(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        for place in 1..self.under_way.len() {
            if self.under_way[place].next == NextAction::Begin {
                break;
            }
            self.write_one(place, session)?;
            if !self.under_way[place].is_written(session) {
                break;
            }
        }
        Ok(())
    }

    fn write_one(&mut self, place: usize, session: &mut Session) -> Result<(), ErrorKind> {
        // A message may close the connection only if no other message needs it.
        let alone = self.complete && self.under_way.len() == 1;
        let message = &mut self.under_way[place];
        message.alone = alone;
        message.write_commands(session)
    }

    /// Returns the place of the message that a reply is about: that of the oldest pending reply, or
    /// the one whose content is under way.
    fn place_of(&self, pending: Option<&PendingReply>) -> Option<usize> {
        self.under_way.iter().position(|one| match pending {
            Some(pending) => one.number == pending.number,
            None => one.is_mid_text(),
        })
    }

    /// Returns the message whose content is being given, and its place.
    fn flowing(&self, session: &Session) -> Option<(usize, ContentRequest)> {
        let mut places = self.under_way.iter().enumerate().skip(self.written);
        places.find_map(|(place, one)| Some((place, one.content_request(session)?)))
    }

    /// Returns whether another message can be pushed, whatever else is under way.
    fn wants_message(&self) -> bool {
        // One that could not be begun is better left where it is.
        !self.complete
            && self.under_way.len() < self.window()
            && self.under_way.len() == self.written
    }

    /// Gives a message its result that was under way when the connection failed.
    fn fail(&mut self, mut message: Transaction<'a>, error: Error) {
        self.results.push_back(Finished { result: message.failed(error), counted: None });
    }
}

impl Protocol for Batch<'_> {
    fn current_step(&self) -> Step {
        self.under_way.front().map_or(Step::Mail, Operation::step)
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        loop {
            self.collect(session);
            if let Some(ended) = session.ended()
                && self.under_way.iter().any(|one| !one.is_done(session))
            {
                return Err(ended.clone().into());
            }
            self.write_in_turn(session)?;
            if !self.under_way.front().is_some_and(|front| front.is_done(session)) {
                return Ok(());
            }
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        pending: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        self.replied = self.place_of(Some(&pending));
        match self.replied {
            Some(place) => self.under_way[place].handle_reply(session, pending, reply),
            None => Ok(()),
        }
    }

    fn handle_unsolicited(
        &mut self,
        session: &mut Session,
        step: Step,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        self.replied = self.place_of(session.replies.next_pending());
        match self.replied {
            Some(place) => self.under_way[place].handle_unsolicited(session, step, reply),
            None => Err(unsolicited(reply)),
        }
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Gives every message under way its result, so that none is without one when the run is done.
    fn handle_failure(&mut self, session: &Session, step: Step, kind: &ErrorKind) {
        let mut surplus = Classes::default();
        let is_surplus = match kind {
            ErrorKind::Misbehaved(Misbehaved::Unsolicited(reply)) => {
                surplus.add(reply);
                true
            }
            ErrorKind::Misbehaved(Misbehaved::Malformed(_)) => session.replies.none_pending(),
            _ => false,
        };
        if is_surplus {
            self.results.iter_mut().for_each(|one| one.recount(kind, surplus));
        }
        let culprit = match kind {
            ErrorKind::Source(_) | ErrorKind::Invalid(_) => {
                self.under_way.iter().position(Transaction::is_given_content).unwrap_or(0)
            }
            // Octets that are no whole reply belong to the first.
            _ => 0,
        };
        (self.written, self.octets, self.replied) = (0, 0, None);
        for (place, message) in std::mem::take(&mut self.under_way).into_iter().enumerate() {
            let error = match place == culprit {
                true => session.error(step, kind.clone()),
                false => Error::new(message.step(), meaning_for_others(step, kind)),
            };
            let in_doubt = message.is_in_doubt(session);
            self.fail(message, error.with_in_doubt(in_doubt));
        }
    }

    fn is_mid_text(&self) -> bool {
        self.under_way.iter().any(Protocol::is_mid_text)
    }

    fn is_in_doubt(&self, session: &Session) -> bool {
        self.under_way.iter().any(|one| one.is_in_doubt(session))
    }

    fn is_counted(&self) -> bool {
        // Where another message is under way, the surplus reply is found as one of its replies.
        self.under_way.is_empty() && self.results.iter().any(|one| one.counted.is_some())
    }

    fn has_answer(&self) -> bool {
        !self.under_way.is_empty() && self.under_way.iter().all(Protocol::has_answer)
    }

    fn is_done(&self, _: &Session) -> bool {
        self.complete && self.under_way.is_empty() && self.results.is_empty()
    }
}

impl Operation for Batch<'_> {
    type Answer = ();

    type Request = BatchRequest;

    fn request(&self, session: &Session, failed: bool) -> Option<BatchRequest> {
        // A result comes first: one that was received is given whatever happened since.
        if !self.results.is_empty() {
            Some(BatchRequest::Result)
        } else if failed {
            None
        } else if let Some(content) = self.content_request(session) {
            Some(BatchRequest::Content(content))
        } else {
            let idle = session.output.is_empty() && session.replies.none_pending();
            (idle && self.wants_message()).then_some(BatchRequest::Message)
        }
    }

    fn answer(&mut self, _: &Session) -> Result<(), Error> {
        Ok(())
    }

    fn verdicts(&mut self) -> Vec<KnownVerdicts> {
        self.under_way.iter_mut().flat_map(Operation::verdicts).collect()
    }
}

impl SendsContent for Batch<'_> {
    fn content_request(&self, session: &Session) -> Option<ContentRequest> {
        let (place, wanted) = self.flowing(session)?;
        Some(ContentRequest { message: self.results.len() + place, ..wanted })
    }

    fn piece(&mut self, session: &mut Session, piece: Piece) -> Result<(), ErrorKind> {
        match self.flowing(session) {
            Some((place, _)) => self.under_way[place].piece(session, piece),
            None => Ok(()),
        }
    }

    fn end_of_text(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.flowing(session) {
            Some((place, _)) => self.under_way[place].end_of_text(session),
            None => Ok(()),
        }
    }

    fn text_written(&self, session: &Session) -> Option<(usize, u64)> {
        let mut places = self.under_way.iter().enumerate().rev();
        places.find_map(|(place, one)| {
            Some((self.results.len() + place, one.text_written(session)?.1))
        })
    }
}

/// Returns the size of a message as it counts for [`Ahead::octets`].
fn size(message: &Transaction<'_>, ahead: Ahead) -> u64 {
    message.facts.size.unwrap_or(ahead.octets)
}

/// What a failure at this step means for the messages that did not cause it: what is wrong with one
/// text is no fault of the others.
fn meaning_for_others(step: Step, kind: &ErrorKind) -> ErrorKind {
    match kind {
        ErrorKind::Source(_) | ErrorKind::Invalid(_) => Ended::Failed { step }.into(),
        kind => kind.clone(),
    }
}

impl<'a> ActiveOperation<'_, Batch<'a>> {
    /// Adds a message to the batch. It waits for its turn. After a failure of the connection it
    /// has its result at once: it was not begun.
    pub fn push(&mut self, message: Transaction<'a>) {
        let failure = self.failure().cloned();
        let batch = self.operation_mut();
        match failure {
            None => batch.under_way.push_back(message),
            Some((step, kind)) => {
                batch.fail(message, Error::new(Step::Mail, meaning_for_others(step, &kind)));
            }
        }
    }

    /// Returns the error of a message that comes after a failure of the connection: it was not begun.
    pub fn error_of_next(&self) -> Option<Error> {
        let (step, kind) = self.failure()?;
        Some(self.name_server(Error::new(Step::Mail, meaning_for_others(*step, kind))))
    }

    /// Returns the most recipients that the server accepts in a mail transaction, as
    /// [learned](Session::learned_rcpt_max) so far.
    pub fn learned_rcpt_max(&self) -> Option<usize> {
        self.session().learned_rcpt_max()
    }

    /// Returns whether the batch takes another message, whatever else is under way.
    pub fn wants_message(&self) -> bool {
        self.failure().is_none() && self.operation().wants_message()
    }

    /// Ends the batch: no further message is pushed.
    pub fn no_more_messages(&mut self) {
        self.operation_mut().complete = true;
    }

    /// Takes the next result, in the order in which the messages were pushed. When
    /// [`next`](Self::next) returns [`Next::Done`](super::Next::Done), every message that was
    /// pushed has had its result.
    pub fn take_result(&mut self) -> Option<Result<Delivery, Error>> {
        let result = self.operation_mut().results.pop_front()?.result;
        Some(match result {
            Ok(delivery) => Ok(self.name_server_of(delivery)),
            Err(error) => Err(self.name_server(error)),
        })
    }
}
