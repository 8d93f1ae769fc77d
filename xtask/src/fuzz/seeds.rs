//! Seeds: the lines of the project's transcripts, in the form that each target reads.

use std::path::Path;
use std::{fs, io};

/// The kind of a target's seeds. The octets before each are the choices that the target reads.
pub(super) enum Seeds {
    /// All replies of a transcript, and each alone.
    Replies(&'static [u8]),
    /// All lines of the client of a transcript, and each alone.
    Commands(&'static [u8]),
    /// The lines of the client, and the replies of the server.
    Everything(&'static [u8]),
    /// The replies of a transcript, once for each of several settings of the session.
    Sessions,
    /// Replies, then commands, each after the octet that selects its kind.
    Both,
    /// These, for a target whose input is in no transcript.
    Given(&'static [&'static [u8]]),
}

impl Seeds {
    /// Writes the seeds into this folder.
    pub(super) fn write(&self, root: &Path, folder: &Path) -> io::Result<()> {
        if let Self::Given(seeds) = self {
            for (number, seed) in seeds.iter().enumerate() {
                fs::write(folder.join(format!("{number:05}")), seed)?;
            }
            return Ok(());
        }
        let mut transcripts = Vec::new();
        Transcript::collect(&root.join("crates"), &mut transcripts)?;
        Transcript::collect(&root.join("fuzz"), &mut transcripts)?;
        let seeds = transcripts.iter().flat_map(|transcript| self.of(transcript));
        for (number, seed) in seeds.enumerate() {
            fs::write(folder.join(format!("{number:05}")), seed)?;
        }
        Ok(())
    }

    fn of(&self, transcript: &Transcript) -> Vec<Vec<u8>> {
        match self {
            Self::Replies(before) => {
                let whole = [transcript.replies.concat()];
                with_prefix(before, whole.iter().chain(&transcript.replies))
            }
            Self::Commands(before) => {
                let whole = [transcript.commands.concat()];
                let alone: Vec<String> =
                    transcript.commands.iter().map(|line| line.trim_end().to_owned()).collect();
                with_prefix(before, whole.iter().chain(&alone))
            }
            Self::Everything(before) => with_prefix(
                before,
                [transcript.commands.concat(), transcript.replies.concat()].iter(),
            ),
            Self::Sessions => {
                // Flags; recipients, PRDR and the size of chunks; steps before it is given up; no
                // cuts: see the target. With the second flag the greeting was received already.
                let begin = [&transcript.replies[..]; 3];
                let later = [transcript.replies.get(2..).unwrap_or_default(); 13];
                let choices: [&[u8]; 16] = [
                    b"\0\0\0\0",
                    b"\x01\x01\0\0",
                    b"\x0c\x02\0\0", // the whole session
                    b"\x02\x02\0\0",
                    b"\x03\x01\0\0",
                    b"\x12\x02\x14\0",
                    b"\x12\x02\x15\0",
                    b"\x22\x02\0\0",
                    b"\x22\x2a\0\0",
                    b"\x23\x29\0\0",
                    b"\x02\x06\0\0",
                    b"\x22\x06\0\0",
                    b"\x42\x02\0\0",
                    b"\x62\x03\0\0",
                    b"\x43\x03\0\0",
                    b"\xa2\x01\0\0",
                ];
                let replies = begin.into_iter().chain(later).map(|replies| replies.concat());
                choices
                    .iter()
                    .zip(replies)
                    .map(|(choice, replies)| [choice, replies.as_bytes()].concat())
                    .collect()
            }
            Self::Both => {
                let mut seeds = Self::Replies(b"\0").of(transcript);
                seeds.extend(Self::Commands(b"\x01").of(transcript));
                seeds
            }
            Self::Given(_) => Vec::new(),
        }
    }
}

fn with_prefix<'a>(before: &[u8], texts: impl Iterator<Item = &'a String>) -> Vec<Vec<u8>> {
    texts.map(|text| [before, text.as_bytes()].concat()).collect()
}

/// The lines of a dialogue, line ends included.
struct Transcript {
    /// The client's lines.
    commands: Vec<String>,
    /// The server's replies.
    replies: Vec<String>,
}

impl Transcript {
    /// Collects the transcripts below this folder: the text files with a line of a client or server.
    fn collect(folder: &Path, into: &mut Vec<Self>) -> io::Result<()> {
        let mut paths: Vec<_> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                Self::collect(&path, into)?;
            } else if path.extension().is_some_and(|extension| extension == "txt") {
                let text = fs::read(&path)?;
                let transcript = Self::read(&String::from_utf8_lossy(&text));
                into.extend(Some(transcript).filter(|one| !one.is_empty()));
            }
        }
        Ok(())
    }

    fn read(text: &str) -> Self {
        let mut transcript = Self { commands: Vec::new(), replies: Vec::new() };
        let mut reply = String::new();
        for line in text.lines() {
            let parts = line.get(..2).map(|mark| (mark, line[2..].trim_start()));
            match parts {
                Some(("C:" | "C|" | "C~", text)) => transcript.commands.push(format!("{text}\r\n")),
                Some(("S:", text)) => {
                    reply.push_str(text);
                    reply.push_str("\r\n");
                    if text.as_bytes().get(3) != Some(&b'-') {
                        transcript.replies.push(std::mem::take(&mut reply));
                    }
                }
                _ => {}
            }
        }
        transcript
    }

    fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.replies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_gives_its_lines_to_each_target() {
        let text =
            "# Words.\nS: 220 a\nC: EHLO b\n[text]\nS: 250-a\nS: 250 SIZE\nC| QUIT\nS: 221\n";
        let transcript = Transcript::read(text);
        assert_eq!(transcript.commands, ["EHLO b\r\n", "QUIT\r\n"]);
        assert_eq!(transcript.replies, ["220 a\r\n", "250-a\r\n250 SIZE\r\n", "221\r\n"]);

        let commands = Seeds::Commands(b"\x01").of(&transcript);
        assert_eq!(commands, [&b"\x01EHLO b\r\nQUIT\r\n"[..], b"\x01EHLO b", b"\x01QUIT"]);
        assert_eq!(Seeds::Replies(b"").of(&transcript).len(), 4);
        assert!(Transcript::read("No dialogue.").is_empty());
    }
}
