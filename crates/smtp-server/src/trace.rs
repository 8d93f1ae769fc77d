//! Trace information: the header fields that a server adds (RFC 5321, 4.4).
use std::fmt::{Display, Write};

use smtp_caps::Envelope;
use smtp_codec::{AddressLiteral, Deviations, HelloName};

use crate::Client;

/// What a server adds to a message that it accepts: the Received field, and for final delivery the
/// Return-Path field.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    client: &'a Client,
    envelope: &'a Envelope,
    host: &'a str,
    id: Option<&'a str>,
}

impl<'a> Trace<'a> {
    /// Begins the trace of a message that the server `host` has received.
    pub fn new(client: &'a Client, envelope: &'a Envelope, host: &'a str) -> Self {
        Self { client, envelope, host, id: None }
    }

    /// Adds the identifier of the message in the server's queue or storage. It should have letters,
    /// digits, hyphens and dots only.
    #[must_use]
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Returns the Received field, with CRLF. `date` is a date and time of RFC 5322, 3.3, such as
    /// `Sun, 29 Nov 2026 01:30:00 +0000`. A [`Server`](crate::Server) has `received_now`, with the present
    /// time.
    ///
    /// The recipient is named only if there is one, so that no recipient learns of another.
    pub fn received(&self, date: impl Display) -> String {
        let client = self.client;
        let hello = client.hello().map(|hello| hello.name().as_str());
        let is_name = |name: &&str| HelloName::tolerating(*name, Deviations::UNDERSCORE).is_ok();
        let mut field = format!("Received: from {}", hello.filter(is_name).unwrap_or("unknown"));
        let address = client.address().map(|address| AddressLiteral::from(address.ip()));
        // A proxy may pass on what a PTR record has, and a comment ends at its parenthesis.
        let _ = match (client.name().filter(is_name), address) {
            (Some(name), Some(address)) => write!(field, " ({name} {})", address.as_str()),
            (None, Some(address)) => write!(field, " ({})", address.as_str()),
            (_, None) => Ok(()),
        };
        let protocol = client.protocol(self.envelope.mail().is_smtputf8());
        let _ = write!(field, "\r\n\tby {} with {protocol}", self.host);
        if let Some(id) = self.id {
            let _ = write!(field, " id {id}");
        }
        if let [rcpt] = self.envelope.rcpts() {
            let _ = write!(field, "\r\n\tfor <{}>", rcpt.path().as_str());
        }
        let _ = write!(field, ";\r\n\t{date}\r\n");
        field
    }

    /// Returns the Return-Path field, with CRLF, for a server that delivers to a mailbox.
    pub fn return_path(&self) -> String {
        format!("Return-Path: <{}>\r\n", self.envelope.mail().path().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hello, TlsFacts};

    #[test]
    fn fields_are_those_of_the_rfc() {
        let envelope = Envelope::new("alice@example.com", ["bob@example.org"]).unwrap();
        let mut client = Client::at("192.0.2.1:4711".parse().unwrap());
        client.secured(TlsFacts::default());
        client.greeted(Hello::new("client.example.com".parse().unwrap(), true));
        let trace = Trace::new(&client, &envelope, "mx.example.org").id("4711");
        assert_eq!(
            trace.received("Sun, 29 Nov 2026 01:30:00 +0000"),
            "Received: from client.example.com ([192.0.2.1])\r\n\
             \tby mx.example.org with ESMTPS id 4711\r\n\
             \tfor <bob@example.org>;\r\n\
             \tSun, 29 Nov 2026 01:30:00 +0000\r\n"
        );
        assert_eq!(trace.return_path(), "Return-Path: <alice@example.com>\r\n");
    }
}
