//! Line ends inside mail data: whether every CR and LF is part of a CRLF.

/// Returns whether all line ends are CRLF, and there is no other CR or LF and no NUL.
///
/// It does not report where a flaw is, so that the compiler can vectorize the comparison.
pub(crate) fn are_whole(octets: &[u8]) -> bool {
    let (Some(first), Some(last)) = (octets.first(), octets.last()) else { return true };
    if *first == b'\n' || matches!(last, b'\r' | 0) {
        return false;
    }
    let pairs = octets.chunks(BLOCK).zip(octets[1..].chunks(BLOCK));
    pairs.into_iter().all(|(octets, following)| !is_flawed(octets, following))
}

/// Returns whether one of `octets` is a NUL, or a CR or LF without the other. `following` is the
/// same slice, one octet later.
fn is_flawed(octets: &[u8], following: &[u8]) -> bool {
    octets.iter().zip(following).fold(false, |flawed, (&octet, &next)| {
        flawed | ((octet == b'\r') != (next == b'\n')) | (octet == 0)
    })
}

/// The number of octets that are compared before a flaw ends the search.
const BLOCK: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_is_found_at_any_offset() {
        let line = b"0123456789abcd\r\n";
        let text = line.repeat(2 * BLOCK / line.len() + 1);
        assert!(are_whole(&text) && are_whole(b"") && are_whole(b"a") && are_whole(b"\r\n"));
        for at in (0..40).chain(BLOCK - 20..BLOCK + 20).chain(text.len() - 20..text.len()) {
            assert_ne!(are_whole(&text[..at]), text[..at].ends_with(b"\r"), "cut at {at}");
            for octet in [b'\r', b'\n', 0, b'x'] {
                let mut other = text.clone();
                other[at] = octet;
                let same = other == text || (octet == b'x' && !b"\r\n".contains(&text[at]));
                assert_eq!(are_whole(&other), same, "{octet} at {at}");
            }
        }
    }
}
