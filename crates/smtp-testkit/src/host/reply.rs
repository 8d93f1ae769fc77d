//! A reply of a server with rules.

/// A code, an enhanced code, and lines of text.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    enhanced: &'static str,
    lines: Vec<String>,
}

impl Reply {
    /// `enhanced` is empty where a reply never has one: greetings, EHLO and 3yz.
    pub(super) fn new(code: u16, enhanced: &'static str, text: impl Into<String>) -> Self {
        Self { code, enhanced, lines: vec![text.into()] }
    }

    pub(super) fn lines(code: u16, lines: Vec<String>) -> Self {
        Self { code, enhanced: "", lines }
    }

    pub(super) fn is_good(&self) -> bool {
        self.code < 400
    }

    /// The octets of the reply, with the enhanced code if the extension is offered.
    pub(super) fn octets(&self, enhanced: bool) -> Vec<u8> {
        let last = self.lines.len().saturating_sub(1);
        let line = |(index, text): (usize, &String)| {
            let mark = if index == last { ' ' } else { '-' };
            let code = self.code;
            match enhanced && !self.enhanced.is_empty() {
                true => format!("{code}{mark}{} {text}\r\n", self.enhanced),
                false => format!("{code}{mark}{text}\r\n"),
            }
        };
        self.lines.iter().enumerate().map(line).collect::<String>().into_bytes()
    }
}
