//! The `serde` forms of replies, codes and verdicts, for queues that store them.
//!
//! | Value | Form |
//! |---|---|
//! | `ReplyCode` | a number: `550` |
//! | `EnhancedCode` | a string: `"5.1.1"` |
//! | `Reply` | `{"code": 550, "text": "5.1.1 unknown"}`, LF between lines; text that is not UTF-8 is a sequence of octets |
//! | `Step` | a string: `"end-of-text"` |
//! | `Verdict` | `{"step": "rcpt", "reply": {...}}` |
//! | `Delivery` | a sequence of verdicts with recipients: `{"recipient": "bob@example.org", "step": "rcpt", "reply": {...}}` |
//!
//! Deserializing checks every value, as the constructors do.
use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::{Delivery, EnhancedCode, Reply, ReplyCode, Step, Verdict};

impl Serialize for ReplyCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.get())
    }
}

impl<'de> Deserialize<'de> for ReplyCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = u16::deserialize(deserializer)?;
        Self::new(code).ok_or_else(|| D::Error::custom("a reply code is a number from 200 to 599"))
    }
}

impl Serialize for EnhancedCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnhancedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let class = text.bytes().next().map(|digit| u16::from(digit.wrapping_sub(b'0')));
        let code = class.and_then(|class| ReplyCode::new(class * 100));
        match code.and_then(|code| Self::at_start_of(code, text.as_bytes())) {
            Some((code, end)) if end == text.len() => Ok(code),
            _ => Err(D::Error::custom("an enhanced status code is class.subject.detail")),
        }
    }
}

/// The stored form of a reply.
#[derive(Serialize, Deserialize)]
struct Stored {
    code: ReplyCode,
    text: Text,
}

/// The text of a reply: a string if it is UTF-8.
struct Text(Vec<u8>);

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { code: self.code(), text: Text(self.as_bytes().to_vec()) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Ok(Self::new(stored.code, stored.text.0))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(&self.0) {
            Ok(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            _ => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Octets)
        } else {
            deserializer.deserialize_byte_buf(Octets)
        }
    }
}

/// Accepts a string, octets, or a sequence of octets.
struct Octets;

impl<'de> Visitor<'de> for Octets {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or octets")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        self.visit_bytes(text.as_bytes())
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Text, E> {
        Ok(Text(octets.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Text, A::Error> {
        let mut octets = Vec::new();
        while let Some(octet) = sequence.next_element()? {
            octets.push(octet);
        }
        Ok(Text(octets))
    }
}

/// The stored form of a recipient and its verdict.
#[derive(Serialize, Deserialize)]
struct Decided<'a> {
    recipient: Cow<'a, str>,
    step: Step,
    reply: Cow<'a, Reply>,
}

impl Serialize for Delivery {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.verdicts().map(|(recipient, verdict)| Decided {
            recipient: Cow::Borrowed(recipient),
            step: verdict.step(),
            reply: Cow::Borrowed(verdict.reply()),
        }))
    }
}

impl<'de> Deserialize<'de> for Delivery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Vec::<Decided<'_>>::deserialize(deserializer)?;
        let pair = |one: Decided<'_>| {
            let recipient: Box<str> = one.recipient.into();
            (recipient, Verdict::new(one.step, one.reply.into_owned()))
        };
        Ok(stored.into_iter().map(pair).collect())
    }
}
