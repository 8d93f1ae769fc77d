//! Deviations from the grammar that peers send.

bitflags::bitflags! {
    /// How a reply, a command or a mailbox that was accepted deviates from the grammar.
    ///
    /// The same type is the set that a decoder tolerates: a deviation outside of it is an error. A
    /// deviation that is unsafe to tolerate (a code that changes within a reply, a bare LF next to
    /// the dot that ends mail data) has no flag. Lower case in place of upper case is a deviation
    /// in [`LOWER_HEX`](Self::LOWER_HEX) only.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Deviations: u32 {
        /// A line ended with LF alone.
        const BARE_LF = 1;
        /// More than one CR stood before the LF; the surplus is not part of the text.
        const EXTRA_CR = 1 << 1;
        /// A CR inside the text of a reply; it is kept there.
        const BARE_CR = 1 << 2;
        /// A TAB stood in place of the space after the code of a reply.
        const TAB_SEPARATOR = 1 << 3;
        /// A control character other than TAB in the text of a reply.
        const CONTROL = 1 << 4;
        /// An octet outside ASCII in the text of a reply.
        const NON_ASCII = 1 << 5;
        /// A line of a reply longer than the 512 octets of RFC 5321, 4.5.3.1.5.
        const LONG_LINE = 1 << 6;
        /// The second digit of a reply's code is 6 to 9.
        const SECOND_DIGIT = 1 << 7;
        /// A space after the code and no text (`250 ` CRLF), which many servers send.
        const EMPTY_TEXT = 1 << 8;
        /// Spaces at the end of a command.
        const TRAILING_SPACE = 1 << 9;
        /// More than one space between two words of a command.
        const EXTRA_SPACE = 1 << 10;
        /// A space after `FROM:` or `TO:`.
        const SPACE_AFTER_COLON = 1 << 11;
        /// A path without angle brackets.
        const NO_BRACKETS = 1 << 12;
        /// A source route in a path, a list of domains (RFC 5321, appendix C); it is dropped.
        const SOURCE_ROUTE = 1 << 13;
        /// The name in EHLO, HELO or LHLO is neither a domain nor an address literal.
        const HELLO_NAME = 1 << 14;
        /// The argument of VRFY, EXPN, HELP or NOOP is neither an atom, a quoted string nor a
        /// mailbox.
        const LOOSE_ARGUMENT = 1 << 15;
        /// A local-part of more than 64 octets, as SRS and VERP make them. The path still has at
        /// most 256 octets.
        const LONG_LOCAL_PART = 1 << 16;
        /// A local-part with a dot at its beginning, at its end or after another dot, without the
        /// quotes that the grammar asks for: providers have issued such mailboxes.
        const LOOSE_DOTS = 1 << 17;
        /// An underscore in a domain.
        const UNDERSCORE = 1 << 18;
        /// A source route that the grammar does not have: with an address literal as a hop, or
        /// to a postmaster without a domain. It is dropped.
        const LOOSE_ROUTE = 1 << 19;
        /// A path of more than 256 octets, angle brackets and source route included, whose mailbox
        /// is within them.
        const LONG_PATH = 1 << 20;
        /// A lower-case hexadecimal digit in xtext (RFC 3461, 4).
        const LOWER_HEX = 1 << 21;
    }
}

impl Deviations {
    /// The default: all deviations that leave the meaning clear, except those of mailboxes (see
    /// [`MAILBOX`](Self::MAILBOX)).
    pub const TOLERANT: Self =
        Self::all().difference(Self::TAB_SEPARATOR.union(Self::NO_BRACKETS).union(Self::MAILBOX));

    /// The deviations of mailboxes that exist: long local-parts, loose dots and underscores. No
    /// default tolerates them. A sender that has such a mailbox in its address book makes one with
    /// [`Mailbox::tolerating`](crate::Mailbox::tolerating); a server adds them to the set that it
    /// decodes with.
    ///
    /// None of them lets a mailbox hold a space, a control character, an angle bracket, a second
    /// `@` or a quote outside of a quoted string.
    pub const MAILBOX: Self = Self::LONG_LOCAL_PART.union(Self::LOOSE_DOTS).union(Self::UNDERSCORE);

    /// The deviations that every implementation has to accept (RFC 5321, 4.2, 4.1.1 and appendix
    /// C).
    pub const STRICT: Self = Self::EMPTY_TEXT
        .union(Self::LONG_LINE)
        .union(Self::TRAILING_SPACE)
        .union(Self::SOURCE_ROUTE);
}
