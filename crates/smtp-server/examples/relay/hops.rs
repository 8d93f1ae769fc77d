//! Counts the servers that a message has passed.

const NAME: &[u8] = b"received:";

/// Counts the Received fields of a header that comes in parts.
#[derive(Default)]
pub(crate) struct Hops {
    count: usize,
    /// How much of a field name the line has so far; `None` if it has another one.
    matched: Option<usize>,
    /// The octets in the line, as far as they matter.
    length: usize,
    is_begun: bool,
    is_over: bool,
}

impl Hops {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Looks at the next octets of the message.
    pub(crate) fn look_at(&mut self, octets: &[u8]) {
        if !self.is_begun {
            (self.is_begun, self.matched) = (true, Some(0));
        }
        for &octet in octets {
            match octet {
                _ if self.is_over => return,
                b'\r' => {}
                // An empty line ends the header.
                b'\n' if self.length == 0 => self.is_over = true,
                b'\n' => (self.matched, self.length) = (Some(0), 0),
                octet => {
                    self.length = 1;
                    self.matched = self.matched.and_then(|matched| {
                        let is_next = NAME[matched] == octet.to_ascii_lowercase();
                        is_next.then_some(matched + 1)
                    });
                    if self.matched == Some(NAME.len()) {
                        self.count += 1;
                        self.matched = None;
                    }
                }
            }
        }
    }
}
