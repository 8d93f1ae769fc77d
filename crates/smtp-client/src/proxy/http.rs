//! HTTP CONNECT (RFC 9110, 9.3.6), with a Basic login (RFC 7617).
use base64::{Engine as _, prelude::BASE64_STANDARD};
use smtp_error::ProxyFault;
use zeroize::Zeroizing;

use super::ProxyLogin;
use crate::Address;

/// The response to CONNECT, as far as it matters: its status, and where it ends.
pub(super) struct Http {
    has_login: bool,
    /// The beginning of the status line, `HTTP/1.1 200`.
    status_line: Vec<u8>,
    end: End,
    received: usize,
}

/// How much of the end of the header section was seen: an empty line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Nothing,
    /// A line has ended.
    Line,
    /// A CR follows it.
    Cr,
    All,
}

/// The length of the status line up to the status code.
const STATUS_LINE: usize = "HTTP/1.1 200".len();

/// The longest response that is read, header fields included.
const MAX_RESPONSE: usize = 16 * 1024;

impl Http {
    pub(super) fn new(
        host: &str,
        port: u16,
        login: Option<&ProxyLogin>,
        output: &mut Vec<u8>,
    ) -> Self {
        let server = Address::Tcp { host: host.to_owned(), port }.to_string();
        for part in ["CONNECT ", &server, " HTTP/1.1\r\nHost: ", &server, "\r\n"] {
            output.extend(part.as_bytes());
        }
        if let Some(login) = login {
            let login = Zeroizing::new(format!("{}:{}", login.user, login.password.expose()));
            let login = Zeroizing::new(BASE64_STANDARD.encode(&*login));
            output.extend(b"Proxy-Authorization: Basic ");
            output.extend(login.as_bytes());
            output.extend(b"\r\n");
        }
        output.extend(b"\r\n");
        let (has_login, status_line) = (login.is_some(), Vec::new());
        Self { has_login, status_line, end: End::Nothing, received: 0 }
    }

    pub(super) fn wants(&self) -> usize {
        match self.end {
            End::All => 0,
            End::Line | End::Cr => 1,
            // The shortest end is two line feeds: some proxies send no CR.
            End::Nothing => STATUS_LINE - self.status_line.len() + 2,
        }
    }

    pub(super) fn receive(&mut self, octets: &[u8]) -> Result<(), ProxyFault> {
        for &octet in octets {
            self.received += 1;
            if self.received > MAX_RESPONSE {
                return Err(ProxyFault::Malformed);
            }
            if self.status_line.len() < STATUS_LINE {
                self.status_line.push(octet);
                self.look_at_status()?;
                continue;
            }
            self.end = match (self.end, octet) {
                (End::Line | End::Cr, b'\n') => End::All,
                (_, b'\n') => End::Line,
                (End::Line, b'\r') => End::Cr,
                _ => End::Nothing,
            };
            if self.end == End::All && self.status_line[9] == b'1' {
                // An interim response: the one that counts follows.
                self.status_line.clear();
                self.end = End::Nothing;
            }
        }
        Ok(())
    }

    /// Looks at the octet of the status line that was received last.
    fn look_at_status(&self) -> Result<(), ProxyFault> {
        let place = self.status_line.len() - 1;
        let octet = self.status_line[place];
        let fits = match place {
            7 | 10 | 11 => octet.is_ascii_digit(),
            9 => (b'1'..=b'9').contains(&octet),
            _ => b"HTTP/1._ "[place] == octet,
        };
        if !fits {
            return Err(ProxyFault::Malformed);
        }
        if self.status_line.len() < STATUS_LINE {
            return Ok(());
        }
        let digits = self.status_line[9..].iter().map(|digit| u16::from(digit - b'0'));
        match digits.fold(0, |status, digit| status * 10 + digit) {
            100..=299 => Ok(()),
            407 if self.has_login => Err(ProxyFault::LoginRefused),
            407 => Err(ProxyFault::LoginRequired),
            status => Err(ProxyFault::Http { status }),
        }
    }
}
