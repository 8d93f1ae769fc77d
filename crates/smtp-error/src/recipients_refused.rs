//! The result and the error for callers to whom a message that was refused for one recipient was not
//! sent.
use core::fmt::{self, Write};

use crate::{Delivery, Verdict, reply::must_escape};

/// The most recipients that the text of the error names, and the most characters of each name and
/// of each verdict.
const MAX_NAMED: usize = 3;
const MAX_SHOWN: usize = 200;

/// The server refused a message for at least one of its recipients, and may have accepted it for
/// the others: see [`Delivery::all_or_error`].
///
/// To send the same envelope again would send the message twice to those that were accepted.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientsRefused(Delivery);

/// A message that the server accepted for every recipient: see [`Delivery::all_or_error`]. Unlike a
/// [`Delivery`], it has nothing that a caller must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered(Delivery);

impl Delivered {
    /// Returns the verdicts of all recipients.
    pub fn delivery(&self) -> &Delivery {
        &self.0
    }

    /// Returns the verdicts of all recipients.
    pub fn into_delivery(self) -> Delivery {
        self.0
    }
}

impl RecipientsRefused {
    /// Returns the verdicts of all recipients.
    pub fn delivery(&self) -> &Delivery {
        &self.0
    }

    /// Returns the verdicts of all recipients.
    pub fn into_delivery(self) -> Delivery {
        self.0
    }
}

impl Delivery {
    /// Turns a message that was refused for a recipient into an error. It is what a script wants:
    /// `connection.send(&envelope, text)?.all_or_error()?;` goes on only if the server accepted the
    /// message for every recipient.
    ///
    /// # Errors
    /// A recipient was refused. The error has the delivery, and names the refused recipients; the
    /// server may have accepted the message for others.
    pub fn all_or_error(self) -> Result<Delivered, RecipientsRefused> {
        if self.all_accepted() { Ok(Delivered(self)) } else { Err(RecipientsRefused(self)) }
    }
}

impl core::error::Error for RecipientsRefused {}

/// The text, and the verdicts of all recipients with `{:#?}`.
impl fmt::Debug for RecipientsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        f.debug_tuple("RecipientsRefused").field(&self.0).finish()
    }
}

impl fmt::Display for RecipientsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.verdicts().len();
        let refused = self.0.refused().count();
        match self.0.server() {
            Some(server) => write!(f, "{server}")?,
            None => f.write_str("the server")?,
        }
        write!(f, " refused the message for {refused} of {all} recipients: ")?;
        for (number, (recipient, verdict)) in self.0.refused().take(MAX_NAMED).enumerate() {
            f.write_str(if number > 0 { "; " } else { "" })?;
            show(f, recipient, verdict)?;
        }
        match refused.saturating_sub(MAX_NAMED) {
            0 => {}
            more => write!(f, "; and {more} more")?,
        }
        match all - refused {
            0 => {}
            others => {
                write!(
                    f,
                    " (the message was accepted for {others}, do not send it to them again)"
                )?;
            }
        }
        match self.0.refused().find_map(|(_, verdict)| verdict.advice()) {
            Some(advice) => write!(f, " (hint: {advice})"),
            None => Ok(()),
        }
    }
}

/// Displays a recipient and its verdict.
fn show(f: &mut fmt::Formatter<'_>, recipient: &str, verdict: &Verdict) -> fmt::Result {
    f.write_char('<')?;
    write!(Bounded { f, left: MAX_SHOWN }, "{recipient}")?;
    f.write_str("> ")?;
    write!(Bounded { f, left: MAX_SHOWN }, "at {}: {}", verdict.step(), verdict.reply())
}

/// Writes escaped characters, at most this many.
struct Bounded<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl Write for Bounded<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.f.write_str("...")?,
                _ if must_escape(character) => write!(self.f, "{}", character.escape_default())?,
                _ => self.f.write_char(character)?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}
