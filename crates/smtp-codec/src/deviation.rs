//! Deviations: what a reply does that the grammar does not allow, and that yet occurs.

bitflags::bitflags! {
    /// What was unusual about a reply that was decoded all the same.
    ///
    /// The same set says what a decoder tolerates: a deviation outside of it is an error. Bits
    /// that nobody tolerates (a code that changes within a reply, no separator) have no flag.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Deviations: u16 {
        /// A line ended with LF alone.
        const BARE_LF = 1;
        /// More than one CR stood before the LF; the surplus is not part of the text.
        const EXTRA_CR = 1 << 1;
        /// A CR inside the text; it is kept there.
        const BARE_CR = 1 << 2;
        /// A TAB stood in place of the space after the code.
        const TAB_SEPARATOR = 1 << 3;
        /// A control character other than TAB in the text.
        const CONTROL = 1 << 4;
        /// An octet outside ASCII in the text.
        const NON_ASCII = 1 << 5;
        /// A line longer than the 512 octets of RFC 5321, 4.5.3.1.5.
        const LONG_LINE = 1 << 6;
        /// The second digit of the code is 6 to 9.
        const SECOND_DIGIT = 1 << 7;
        /// A space after the code and no text (`250 ` CRLF): not in the grammar, but everywhere.
        const EMPTY_TEXT = 1 << 8;
    }
}

impl Deviations {
    /// What a client tolerates by default: everything that leaves the meaning of a reply plain.
    pub const TOLERANT: Self = Self::all().difference(Self::TAB_SEPARATOR);

    /// What the grammar of RFC 5321, 4.2 asks every client to accept.
    pub const STRICT: Self = Self::EMPTY_TEXT.union(Self::LONG_LINE);
}
