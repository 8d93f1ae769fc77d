//! The choices of an input, which precede the octets of the server.

use smtp_caps::{Capabilities, Envelope, Framing};
use smtp_codec::{Mail, MailParam};
use smtp_error::{Reply, ReplyCode};
use smtp_fuzz::Input;
use smtp_session::{Dialect, Sending};
use smtp_session::{Excess, FirstChunk, Partial};

/// The choices of an input.
#[derive(Clone, Copy)]
pub struct Choice {
    pub dialect: Dialect,
    /// Whether the server has greeted already and offers what is needed.
    pub greeted: bool,
    /// Whether the client treats all of that as offered, whatever the EHLO reply lists.
    pub offered: bool,
    /// Whether the client reads while it has something to write.
    pub early: bool,
    pub recipients: usize,
    /// Whether each recipient gets a reply of its own after the text (PRDR).
    pub each: bool,
    pub sending: Sending,
    /// After how many steps the first message is given up, and how.
    pub given_up: Option<(u8, GivenUp)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    Finished,
    Dropped,
}

impl Choice {
    /// Flags; recipients, PRDR and the size of the chunks; steps.
    pub fn take(input: &mut Input<'_>) -> Self {
        let (flags, shape, turns) = (input.octet(), input.octet(), input.octet());
        let how = if turns & 1 == 0 { GivenUp::Finished } else { GivenUp::Dropped };
        let mut sending = Sending::default();
        let framing = if flags & 32 == 0 { Framing::Data } else { Framing::Chunks };
        sending.framing = framing;
        // The last bit of this octet is how a message is given up; the first two are unused.
        if turns & 128 != 0 {
            sending.first_chunk = FirstChunk::WithCommands;
        }
        // Without a size, the text is one chunk.
        match shape >> 3 {
            0 => {}
            size => sending.chunk = usize::from(size),
        }
        sending.excess = if flags & 64 == 0 { Excess::Refuse } else { Excess::Continue };
        sending.partial = if flags & 128 == 0 { Partial::Deliver } else { Partial::Withhold };
        Self {
            dialect: if flags & 1 == 0 { Dialect::Smtp } else { Dialect::Lmtp },
            greeted: flags & 2 != 0,
            offered: flags & 4 != 0,
            early: flags & 8 != 0,
            recipients: usize::from(shape % 4) + 1,
            each: shape & 4 != 0,
            sending,
            given_up: (flags & 16 != 0).then_some((turns / 2, how)),
        }
    }

    /// The capabilities of a good server, with a limit that two transactions do not exceed.
    pub fn capabilities(self) -> Capabilities {
        let mut hello = "mx.example.org\nPIPELINING\nCHUNKING\nPRDR\nSIZE 1000".to_owned();
        if self.sending.excess == Excess::Continue && self.sending.partial == Partial::Deliver {
            hello += "\nLIMITS RCPTMAX=3";
        }
        Capabilities::from_reply(Reply::new(ReplyCode::OK, &*hello))
    }

    /// A message to recipients whose addresses begin with their numbers.
    pub fn envelope(self) -> Envelope {
        let addresses = (0..self.recipients).map(|number| format!("{number}@rcpt.example"));
        let addresses: Vec<String> = addresses.collect();
        let mut mail = Mail::try_from("a@sender.example").expect("this is a mailbox");
        if self.each {
            mail = mail.with(MailParam::Prdr).expect("it is the only one");
        }
        Envelope::new(mail, addresses.iter().map(|one| &**one)).expect("these are mailboxes")
    }
}
