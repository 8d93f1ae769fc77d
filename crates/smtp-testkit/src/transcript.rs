//! Pieces of a dialogue in the format of scripts.

use std::fmt;

use crate::counted::Counted;
use crate::escape::Unquoted;
use crate::report::{Line, Speaker};

/// Shows a piece of the dialogue as lines of a script.
pub(crate) struct Transcript<'a>(pub(crate) &'a Line);

impl fmt::Display for Transcript<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(line) = self;
        let prefix = match line.speaker {
            Speaker::Client => "C:",
            Speaker::Server => "S:",
            Speaker::Stage => {
                return write!(f, "# {}", String::from_utf8_lossy(&line.octets));
            }
        };
        for (index, octets) in line.octets.split_inclusive(|&octet| octet == b'\n').enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match octets.strip_suffix(b"\r\n") {
                Some(b"") => f.write_str(prefix)?,
                Some(text) => write!(f, "{prefix} {}", Visible(text))?,
                None if line.omitted > 0 && !octets.ends_with(b"\n") => {
                    write!(f, "{prefix} {}", Visible(octets))?;
                }
                None if octets.ends_with(b"\n") => write!(f, "{prefix} {}", Unquoted(octets))?,
                None => write!(f, "{prefix} {} (no end of line)", Visible(octets))?,
            }
        }
        match line.omitted {
            0 => Ok(()),
            omitted => write!(f, "\n# {} more not kept", Counted(omitted, "octet")),
        }
    }
}

/// The time since the piece before, in whole seconds. Shorter pauses are not shown, so that the
/// text of a report is the same each time.
pub(crate) struct Pause<'a> {
    pub(crate) dialogue: &'a [Line],
    pub(crate) at: usize,
}

impl fmt::Display for Pause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = |at: usize| self.dialogue.get(at).map(|line| line.elapsed);
        let before = self.at.checked_sub(1).and_then(elapsed).unwrap_or_default();
        let pause = elapsed(self.at).unwrap_or_default().saturating_sub(before);
        match pause.as_secs() {
            0 => Ok(()),
            seconds => write!(f, "  (after {seconds} s)"),
        }
    }
}

/// Shows octets as text, and escapes those that are not text.
pub(crate) struct Visible<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char.is_control() {
                    true => write!(f, "{}", Unquoted(char.encode_utf8(&mut [0; 4]).as_bytes()))?,
                    false => write!(f, "{char}")?,
                }
            }
            write!(f, "{}", Unquoted(chunk.invalid()))?;
        }
        Ok(())
    }
}
