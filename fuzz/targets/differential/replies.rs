//! Replies: the code, the text, the enhanced status code.
use smtp_codec::{Deviations, ReplyDecoder};
use smtp_error::{EnhancedCode, Reply};
use smtp_fuzz::no_limits;
use smtp_proto::response::parser::ResponseReceiver;

use super::known::{Aspect, expect_equal};

pub fn compare(octets: &[u8]) {
    let mut rest = octets;
    loop {
        let mut decoder = ReplyDecoder::new(no_limits(), Deviations::all());
        let from = rest;
        let Ok(Some(decoded)) = decoder.decode(&mut rest) else { return };
        compare_one(&from[..from.len() - rest.len()], &decoded.reply);
    }
}

/// Passes to the other parser exactly the octets of this reply.
fn compare_one(octets: &[u8], ours: &Reply) {
    let mut iter = octets.iter();
    let Ok(theirs) = ResponseReceiver::default().parse(&mut iter) else { return };
    let same = |aspect, ours: &str, theirs: &str| expect_equal(octets, aspect, ours, theirs);
    same(Aspect::End, "0", &iter.len().to_string());
    same(Aspect::Code, &ours.code().to_string(), &theirs.code.to_string());
    let enhanced = ours.enhanced().map_or_else(|| "0.0.0".to_owned(), |code| code.to_string());
    same(Aspect::Enhanced, &enhanced, &theirs.esc.map(|part| part.to_string()).join("."));
    let texts: Vec<&str> = theirs.message.split('\n').collect();
    same(Aspect::Lines, &ours.lines().count().to_string(), &texts.len().to_string());
    if ours.lines().count() != texts.len() {
        return;
    }
    for (line, theirs) in ours.lines().zip(texts) {
        let line = line.as_bytes();
        let whole = [ours.code().to_string().as_bytes(), b" ", line].concat();
        expect_equal(&whole, Aspect::Text, &behind_enhanced(ours, line), theirs);
    }
}

/// The line without its enhanced status code, with U+FFFD for invalid UTF-8.
fn behind_enhanced(reply: &Reply, line: &[u8]) -> String {
    let text = match EnhancedCode::at_start_of(reply.code(), line) {
        Some((_, end)) => line[end..].strip_prefix(b" ").unwrap_or(&line[end..]),
        None => line,
    };
    String::from_utf8_lossy(text).into_owned()
}
