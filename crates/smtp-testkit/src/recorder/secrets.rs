//! The secrets that a client sends with AUTH, to be found again in the replies of the server.

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::matching::position;

/// What the client of one connection has sent in AUTH exchanges.
#[derive(Default)]
pub(super) struct Secrets {
    hidden: Vec<Vec<u8>>,
    mechanism: String,
    /// How many responses the exchange has.
    responses: usize,
}

/// Shorter pieces are found by chance in the server's own words.
const SHORTEST: usize = 4;
/// What replaces a secret.
const MARK: &[u8] = b"***";

impl Secrets {
    /// Begins an exchange with this mechanism.
    pub(super) fn begin(&mut self, mechanism: &str) {
        self.mechanism = mechanism.to_ascii_uppercase();
        self.responses = 0;
    }

    /// Adds a response as the client has sent it, in base64.
    pub(super) fn response(&mut self, base64: &str) {
        self.responses += 1;
        // The first response of LOGIN, and the first field of PLAIN with a value, is a user name.
        let is_name = self.mechanism == "LOGIN" && self.responses == 1;
        let unpadded = base64.trim_end_matches('=');
        if is_name || unpadded.len() < SHORTEST {
            return;
        }
        self.hidden.push(unpadded.as_bytes().to_vec());
        let Some(decoded) = decoded(base64) else { return };
        let fields = decoded.split(|octet| octet.is_ascii_control() || *octet == b' ');
        let fields: Vec<_> = fields.filter(|field| field.len() >= SHORTEST).collect();
        let names = usize::from(self.mechanism == "PLAIN" && fields.len() > 1);
        self.hidden.extend(fields.into_iter().skip(names).map(<[u8]>::to_vec));
    }

    /// Returns the line of a reply without what the client has sent.
    pub(super) fn without(&self, line: &str) -> String {
        String::from_utf8_lossy(&self.without_octets(line.as_bytes())).into_owned()
    }

    /// Returns octets of the server without what the client has sent.
    pub(super) fn without_octets(&self, octets: &[u8]) -> Vec<u8> {
        let mut shown = octets.to_vec();
        if self.mechanism.is_empty() {
            return shown;
        }
        for secret in &self.hidden {
            replace(&mut shown, secret);
        }
        if self.mechanism.starts_with("SCRAM-") {
            hide_signature(&mut shown);
        }
        shown
    }
}

/// Replaces all occurrences of a secret, with the padding of base64 if that follows.
fn replace(octets: &mut Vec<u8>, secret: &[u8]) {
    let mut from = 0;
    while let Some(at) = octets.get(from..).and_then(|rest| position(rest, secret)) {
        let start = from + at;
        let padding = octets[start + secret.len()..].iter().take_while(|octet| **octet == b'=');
        let end = start + secret.len() + padding.count();
        octets.splice(start..end, MARK.iter().copied());
        from = start + MARK.len();
    }
}

/// Hides the signature of a server with SCRAM (RFC 5802, 7): with the other messages of the
/// exchange, it lets passwords be tried without the server.
fn hide_signature(octets: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(octets).into_owned();
    for word in text.split_ascii_whitespace() {
        if decoded(word).is_some_and(|decoded| decoded.starts_with(b"v=")) {
            replace(octets, word.as_bytes());
        }
    }
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    let engine: &GeneralPurpose = if base64.ends_with('=') { &STANDARD } else { &STANDARD_NO_PAD };
    engine.decode(base64).ok()
}
