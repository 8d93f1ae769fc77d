//! Dot-stuffing: the form of mail data after DATA.

use smtp_codec::Stuffer;

/// The pieces as they go over the wire, the end included.
pub(crate) fn stuffed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stuffer = Stuffer::new();
    let mut wire = Vec::new();
    for piece in pieces {
        stuffer.stuff(piece).for_each(|slice| wire.extend_from_slice(slice));
    }
    wire.extend_from_slice(stuffer.end());
    wire
}

/// The text becomes this, in one piece, cut in two and three anywhere, and octet by octet.
#[track_caller]
fn check(text: &[u8], wire: &[u8]) {
    let shown = |wire: Vec<u8>| wire.escape_ascii().to_string();
    let expected = shown(wire.to_vec());
    assert_eq!(shown(stuffed([text])), expected);
    assert_eq!(shown(stuffed(text.chunks(1))), expected, "octet by octet");
    for second in 0..=text.len() {
        for first in 0..=second {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(shown(stuffed(pieces)), expected, "cut at {first} and {second}");
        }
    }
}

#[test]
fn the_end_follows_a_line_end() {
    check(b"", b".\r\n");
    check(b"hi", b"hi\r\n.\r\n");
    check(b"hi\r\n", b"hi\r\n.\r\n");
    check(b"hi\r\n\r\n", b"hi\r\n\r\n.\r\n");
    check(b"\r\n", b"\r\n.\r\n");
    check(b"a\r\nb", b"a\r\nb\r\n.\r\n");
}

#[test]
fn a_dot_that_begins_a_line_is_doubled() {
    check(b".", b"..\r\n.\r\n");
    check(b".\r\n", b"..\r\n.\r\n");
    check(b"..", b"...\r\n.\r\n");
    check(b".\r\nMAIL FROM:<a@b>\r\n", b"..\r\nMAIL FROM:<a@b>\r\n.\r\n");
    check(b"x\r\n.\r\n", b"x\r\n..\r\n.\r\n");
    check(b"x\r\n.", b"x\r\n..\r\n.\r\n");
    check(b"x\r\n.y\r\n", b"x\r\n..y\r\n.\r\n");
    check(b"\r\n.\r\n.\r\n", b"\r\n..\r\n..\r\n.\r\n");
    check(b"a\r\n\r\n.\r\n.\r\nb", b"a\r\n\r\n..\r\n..\r\nb\r\n.\r\n");
}

#[test]
fn other_dots_stay() {
    check(b"a.b", b"a.b\r\n.\r\n");
    check(b"a.\r\n", b"a.\r\n.\r\n");
    check(b" .\r\n", b" .\r\n.\r\n");
    check(b"a\r\n .\r\n", b"a\r\n .\r\n.\r\n");
}

#[test]
fn text_that_ought_not_to_be_sent_cannot_end_itself() {
    check(b"a\n.\r\nb", b"a\n..\r\nb\r\n.\r\n");
    check(b"a\n.\nb", b"a\n..\nb\r\n.\r\n");
    check(b"a\r\n.\nb", b"a\r\n..\nb\r\n.\r\n");
    check(b"\n.", b"\n..\r\n.\r\n");
    check(b"a\r\r\n.\r\r\nb", b"a\r\r\n..\r\r\nb\r\n.\r\n");
    check(b"a\n", b"a\n\r\n.\r\n");
    check(b"a\r", b"a\r\r\n.\r\n");
}

#[test]
fn nothing_is_copied() {
    let text = b"a\r\n.b\r\n";
    let slices: Vec<_> = Stuffer::new().stuff(text).collect();
    assert_eq!(slices, [&text[..3], b".", &text[3..]]);
    assert_eq!(slices[2].as_ptr(), text[3..].as_ptr());
}
