//! A message while it comes in: on its way into the spool, or refused and dropped.
use std::io;

use smtp_codec::{BareLineEnds, Stuffer, TextFlaws, Unstuffer};
use smtp_error::{Reply, ReplyCode};

use crate::{
    offer,
    spool::{Draft, Spool},
};

/// A message of which more may come.
pub(crate) struct Message {
    /// The draft, or what the client will be told once it has sent all that it has to.
    draft: Result<Draft, Reply>,
    size: u64,
    limit: u64,
    chunks: Option<Chunks>,
}

impl Message {
    /// A message of at most `limit` octets that begins.
    pub(crate) fn new(spool: &Spool, limit: u64) -> Self {
        Self { draft: spool.draft().map_err(unstorable), size: 0, limit, chunks: None }
    }

    /// A message that is refused, whatever it will be.
    pub(crate) fn refused(reply: Reply) -> Self {
        Self { draft: Err(reply), size: 0, limit: 0, chunks: None }
    }

    /// The same, as text that comes in chunks: no un-stuffer will look at it.
    pub(crate) fn in_chunks(self) -> Self {
        Self { chunks: Some(Chunks::new()), ..self }
    }

    /// The reply that refuses it, if it is refused.
    pub(crate) fn refusal(&self) -> Option<&Reply> {
        self.draft.as_ref().err()
    }

    /// Says how many octets are going to come, so that too many are refused before they do.
    pub(crate) fn announce(&mut self, count: u64) {
        if self.size.saturating_add(count) > self.limit {
            self.refuse(offer::too_large());
        }
    }

    /// Takes octets of the message, as they are to be kept.
    pub(crate) fn take(&mut self, octets: &[u8]) {
        self.announce(octets.len() as u64);
        self.size = self.size.saturating_add(octets.len() as u64);
        if let Some(chunks) = &mut self.chunks {
            chunks.look(octets);
        }
        let written = self.draft.as_mut().map_or(Ok(()), |draft| draft.write(octets));
        if let Err(error) = written {
            self.refuse(unstorable(error));
        }
    }

    /// Refuses it if the chunks that came have flaws. A CR at the end of the last is one.
    pub(crate) fn judge_chunks(&mut self, last: bool) {
        if let Some(chunks) = &mut self.chunks {
            let flaws = if last { chunks.end() } else { chunks.flaws() };
            self.judge(flaws);
        }
    }

    /// Refuses it if it has flaws: what they mean depends on who reads it.
    pub(crate) fn judge(&mut self, flaws: TextFlaws) {
        if !flaws.is_empty() {
            let why = "5.6.0 A bare CR, a bare LF or a NUL is in the text";
            self.refuse(Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, why));
        }
    }

    /// Keeps it with its envelope, and gives its name; or says why not.
    pub(crate) fn keep(self, envelope: &str) -> Result<String, Reply> {
        self.draft?.keep(envelope).map_err(unstorable)
    }

    /// The draft is dropped at once. The first reason stands.
    fn refuse(&mut self, reply: Reply) {
        if self.draft.is_ok() {
            self.draft = Err(reply);
        }
    }
}

fn unstorable(error: io::Error) -> Reply {
    crate::log(&format!("message not kept: {error}"));
    Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.3.1 The message cannot be kept now")
}

/// Finds the flaws of a text that comes in chunks: stuffs them, and looks what an un-stuffer says.
struct Chunks {
    stuffer: Stuffer,
    unstuffer: Unstuffer,
}

impl Chunks {
    fn new() -> Self {
        Self { stuffer: Stuffer::new(), unstuffer: Unstuffer::new(BareLineEnds::Keep) }
    }

    fn look(&mut self, octets: &[u8]) {
        for mut slice in self.stuffer.stuff(octets) {
            while self.unstuffer.next(&mut slice).is_some() {}
        }
    }

    /// What was found so far.
    fn flaws(&self) -> TextFlaws {
        self.unstuffer.flaws()
    }

    /// What was found, now that nothing more comes.
    fn end(&mut self) -> TextFlaws {
        let mut end = self.stuffer.end();
        while self.unstuffer.next(&mut end).is_some() {}
        self.flaws()
    }
}
