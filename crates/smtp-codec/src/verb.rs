//! Verbs: the first word of a command.
use core::fmt;

/// Declares [`Verb`] with its words, a row for each.
macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A verb that this crate knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Verb {
            $($(#[$doc])* $name,)*
        }

        impl Verb {
            /// Every verb known here.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the word in upper case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// Returns the verb of this word, in upper or lower case.
            pub fn from_word(word: &[u8]) -> Option<Self> {
                // Nearly every client sends upper case, and an exact comparison takes less time.
                $(if word == $word.as_bytes() {
                    return Some(Self::$name);
                })*
                $(if word.eq_ignore_ascii_case($word.as_bytes()) {
                    return Some(Self::$name);
                })*
                None
            }
        }
    };
}

verbs! {
    /// Starts a queue with the roles changed (RFC 2645).
    Atrn = "ATRN",
    /// Authentication (RFC 4954).
    Auth = "AUTH",
    /// A chunk of content (RFC 3030).
    Bdat = "BDAT",
    /// Content by reference (RFC 4468).
    Burl = "BURL",
    /// The content of a message.
    Data = "DATA",
    /// The client's name, with a request for the server's capabilities.
    Ehlo = "EHLO",
    /// Starts a queue (RFC 1985).
    Etrn = "ETRN",
    /// The members of a list.
    Expn = "EXPN",
    /// The client's name.
    Helo = "HELO",
    /// Help.
    Help = "HELP",
    /// The client's name, with a request for the server's capabilities (RFC 2033).
    Lhlo = "LHLO",
    /// The sender.
    Mail = "MAIL",
    /// Nothing.
    Noop = "NOOP",
    /// The end of the session.
    Quit = "QUIT",
    /// A recipient.
    Rcpt = "RCPT",
    /// The end of the mail transaction.
    Rset = "RSET",
    /// TLS (RFC 3207).
    StartTls = "STARTTLS",
    /// Asks for the mailbox of a user.
    Vrfy = "VRFY",
    /// What a proxy knows of its client (Postfix).
    Xclient = "XCLIENT",
    /// What a content filter passes on (Postfix).
    Xforward = "XFORWARD",
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        for &verb in Verb::ALL {
            assert_eq!(Verb::from_word(verb.as_str().as_bytes()), Some(verb));
            assert_eq!(Verb::from_word(verb.as_str().to_ascii_lowercase().as_bytes()), Some(verb));
        }
        for word in ["", "EHL", "EHLOX", "STARTTLSS", "EH O", "EHL\u{f}", "\u{0}EHLO", "XFORWARDS"]
        {
            assert_eq!(Verb::from_word(word.as_bytes()), None, "{word:?}");
        }
    }

    #[test]
    fn no_other_octet_passes_for_a_letter() {
        for verb in Verb::ALL.iter().map(|verb| verb.as_str().as_bytes()) {
            for (at, octet) in (0..verb.len()).flat_map(|at| (0..=255).map(move |o| (at, o))) {
                let mut word = verb.to_vec();
                word[at] = octet;
                let known = Verb::ALL.iter().copied();
                let mut same = known.filter(|v| v.as_str().as_bytes().eq_ignore_ascii_case(&word));
                assert_eq!(Verb::from_word(&word), same.next(), "{octet:#x} at {at}");
            }
        }
    }
}
