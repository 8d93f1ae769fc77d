//! Exclusion: which parameters cannot stand together.

/// Whether two parameters cannot stand together: those of one keyword, and the two ways of saying
/// when a message is released.
pub(super) fn excludes(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (is_release(one) && is_release(other))
}

/// Whether it says when a message is released (RFC 4865).
fn is_release(keyword: &str) -> bool {
    keyword.eq_ignore_ascii_case("HOLDFOR") || keyword.eq_ignore_ascii_case("HOLDUNTIL")
}

/// One of 64 bits, the same for upper and lower case, and for keywords that exclude each other.
pub(super) fn mark(keyword: &str) -> u64 {
    let keyword = if is_release(keyword) { "HOLD" } else { keyword };
    let mix = |mixed: u8, octet: u8| mixed.wrapping_mul(31) ^ (octet & !0x20);
    1 << (keyword.bytes().fold(0, mix) & 63)
}
