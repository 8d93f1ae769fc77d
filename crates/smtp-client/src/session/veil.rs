//! The veil: what no log, no observer and no error may show of what a server says.
use std::borrow::Cow;

use smtp_error::{Reply, ReplyCode};
use zeroize::Zeroizing;

/// What must not be shown while an exchange is under way: some servers repeat what they do not
/// understand.
#[derive(Default)]
pub(super) struct Veil(Vec<Zeroizing<Vec<u8>>>);

/// Shorter ones would hide words that have nothing to do with them.
const SHORTEST: usize = 4;
const HIDDEN: &[u8] = b"***";

impl Veil {
    /// Hides these octets from now on.
    pub(super) fn cover(&mut self, octets: &[u8]) {
        if octets.len() >= SHORTEST {
            self.0.push(Zeroizing::new(octets.to_vec()));
            // What contains another one has to go first.
            self.0.sort_by_key(|octets| std::cmp::Reverse(octets.len()));
        }
    }

    pub(super) fn lift(&mut self) {
        self.0.clear();
    }

    /// The reply without what must not be shown.
    pub(super) fn over(&self, reply: Reply) -> Reply {
        self.0.iter().fold(reply, |reply, hidden| match without(reply.as_bytes(), hidden) {
            Some(text) => Reply::new(reply.code(), text),
            None => reply,
        })
    }
}

/// The text without these octets; `None` if they are not in it.
fn without(text: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
    let next = |rest: &[u8]| rest.windows(hidden.len()).position(|part| part == hidden);
    let mut at = next(text)?;
    let (mut shown, mut rest) = (Vec::with_capacity(text.len()), text);
    loop {
        shown.extend_from_slice(&rest[..at]);
        shown.extend_from_slice(HIDDEN);
        rest = &rest[at + hidden.len()..];
        at = match next(rest) {
            Some(at) => at,
            None => {
                shown.extend_from_slice(rest);
                return Some(shown);
            }
        };
    }
}

/// The reply as it may be shown: a challenge is part of an exchange that nobody may see.
pub(super) fn shown(reply: &Reply) -> Cow<'_, Reply> {
    match reply.code() {
        ReplyCode::CHALLENGE => Cow::Owned(Reply::new(ReplyCode::CHALLENGE, HIDDEN)),
        _ => Cow::Borrowed(reply),
    }
}
