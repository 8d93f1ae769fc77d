//! A message that is being received: written to the spool, or refused and discarded.
use std::io;

use smtp_codec::{BareLineEnds, Stuffer, TextFlaws, Unstuffer};
use smtp_error::{Reply, ReplyCode};

use crate::{
    offer,
    spool::{Draft, Spool},
};

/// A message that is being received.
pub(crate) struct Message {
    /// The draft, or the refusal that the client gets after the end of the mail data: SMTP allows no
    /// reply before it.
    draft: Result<Draft, Reply>,
    size: u64,
    limit: u64,
    chunks: Option<Chunks>,
}

impl Message {
    /// Begins a message of at most `limit` octets.
    pub(crate) fn new(spool: &Spool, limit: u64) -> Self {
        Self { draft: spool.draft().map_err(unstorable), size: 0, limit, chunks: None }
    }

    /// Begins a message that is refused in any case.
    pub(crate) fn refused(reply: Reply) -> Self {
        Self { draft: Err(reply), size: 0, limit: 0, chunks: None }
    }

    /// Checks the mail data as chunks, which no un-stuffer checks.
    pub(crate) fn in_chunks(self) -> Self {
        Self { chunks: Some(Chunks::new()), ..self }
    }

    /// Returns the reply that refuses the message, if it is refused.
    pub(crate) fn refusal(&self) -> Option<&Reply> {
        self.draft.as_ref().err()
    }

    /// Announces the octets of the next chunk, so that a chunk beyond the limit is not stored.
    pub(crate) fn announce(&mut self, count: u64) {
        if self.size.saturating_add(count) > self.limit {
            self.refuse(offer::too_large());
        }
    }

    /// Stores octets of the message.
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        self.announce(octets.len() as u64);
        self.size = self.size.saturating_add(octets.len() as u64);
        if let Some(chunks) = &mut self.chunks {
            chunks.scan(octets);
        }
        let written = self.draft.as_mut().map_or(Ok(()), |draft| draft.write(octets));
        if let Err(error) = written {
            self.refuse(unstorable(error));
        }
    }

    /// Refuses the message if the chunks have flaws so far. A CR at the end of the last one is bare.
    pub(crate) fn check_chunks(&mut self, last: bool) {
        if let Some(chunks) = &mut self.chunks {
            let flaws = if last { chunks.end() } else { chunks.flaws() };
            self.check(flaws);
        }
    }

    /// Refuses the message if it has flaws. Servers interpret bare line ends in different ways, which
    /// allows SMTP smuggling.
    pub(crate) fn check(&mut self, flaws: TextFlaws) {
        if !flaws.is_empty() {
            let why = "5.6.0 A bare CR, a bare LF or a NUL is in the text";
            self.refuse(Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, why));
        }
    }

    /// Stores the message with its envelope. Returns its name, or the refusal.
    pub(crate) fn keep(self, envelope: &str) -> Result<String, Reply> {
        self.draft?.keep(envelope).map_err(unstorable)
    }

    /// Refuses the message and drops the draft. The first refusal stands.
    fn refuse(&mut self, reply: Reply) {
        if self.draft.is_ok() {
            self.draft = Err(reply);
        }
    }
}

fn unstorable(error: io::Error) -> Reply {
    crate::log(&format!("storing a message failed: {error}"));
    Reply::new(ReplyCode::INSUFFICIENT_STORAGE, "4.3.1 The message cannot be kept now")
}

/// Finds the flaws of mail data in chunks: stuffs it and passes it through an un-stuffer.
struct Chunks {
    stuffer: Stuffer,
    unstuffer: Unstuffer,
}

impl Chunks {
    fn new() -> Self {
        Self { stuffer: Stuffer::new(), unstuffer: Unstuffer::new(BareLineEnds::Keep) }
    }

    fn scan(&mut self, octets: &[u8]) {
        for mut slice in self.stuffer.stuff(octets) {
            while self.unstuffer.next(&mut slice).is_some() {}
        }
    }

    /// Returns the flaws so far.
    fn flaws(&self) -> TextFlaws {
        self.unstuffer.flaws()
    }

    /// Returns the flaws of the complete mail data.
    fn end(&mut self) -> TextFlaws {
        let mut end = self.stuffer.end();
        while self.unstuffer.next(&mut end).is_some() {}
        self.flaws()
    }
}
