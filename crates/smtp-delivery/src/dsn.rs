//! Delivery status notifications (RFC 3464), made from reports. No I/O.
use std::{
    fmt::{self, Write as _},
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, date::Date, raw::Raw},
    mime::{BodyPart, MimePart},
};
use smtp_caps::Envelope;
use smtp_client::MailData;
use smtp_codec::{Mail, MailParam, Notify, Rcpt, RcptParam, Ret, ReversePath, Xtext};
use smtp_error::{EnhancedCode, Error, ErrorKind, Extension, Unsupported, Verdict};

use crate::{Hop, Name, Outcome, Reason, Refusal, Report, courier::requires_tls};

/// A delivery status notification that is being made: what tells the sender of a message which
/// recipients do not have it.
///
/// It names the recipients that [failed](Outcome::is_permanent_failure) or are in doubt, as far as
/// the sender asked for that (RFC 3461, 4.1), and with [`give_up`](Self::give_up) those that a queue
/// tries no more.
///
/// ```
/// # fn example(report: &smtp_delivery::Report, original: &smtp_client::MailData)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::SystemTime;
///
/// let notification = report.dsn("mail.example.org".parse()?).original(original);
/// if let Some((envelope, content)) = notification.build(SystemTime::now())? {
///     // The caller sends it, such as with `Courier::deliver`.
///     assert_eq!(envelope.mail().path().as_str(), "");
/// #   let _ = content;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Dsn<'a> {
    report: &'a Report,
    reporting: Name,
    original: Option<&'a MailData>,
    from: String,
    gives_up: bool,
    tells_delay: bool,
}

/// The most octets of a reply in a notification. A line of mail has at most 998.
const DIAGNOSTIC: usize = 800;

impl Report {
    /// Begins a delivery status notification about this report, from a host with this name.
    pub fn dsn(&self, reporting: Name) -> Dsn<'_> {
        let from = format!("MAILER-DAEMON@{reporting}");
        Dsn { report: self, reporting, original: None, from, gives_up: false, tells_delay: false }
    }
}

/// What a notification says of a recipient.
struct Entry<'a> {
    rcpt: &'a Rcpt,
    outcome: &'a Outcome,
    action: &'static str,
    status: EnhancedCode,
}

impl<'a> Dsn<'a> {
    /// Adds the original message: its header section, or all of it if the sender asked for that with
    /// `RET=FULL` (RFC 3461, 4.3). By default nothing of it is added.
    pub fn original(mut self, content: &'a MailData) -> Self {
        self.original = Some(content);
        self
    }

    /// The address in the field From. By default that of `MAILER-DAEMON` at the reporting host.
    pub fn from(mut self, address: impl Into<String>) -> Self {
        self.from = address.into();
        self
    }

    /// Names the recipients as failed that could be tried again: the queue of the caller gives them
    /// up. By default they are not named.
    pub fn give_up(mut self) -> Self {
        self.gives_up = true;
        self
    }

    /// Names the recipients as delayed that will be tried again, if the sender asked for that with
    /// `NOTIFY=DELAY` or for nothing in particular. By default they are not named.
    pub fn tell_delay(mut self) -> Self {
        self.tells_delay = true;
        self
    }

    /// Returns the notification, dated `now`: the envelope, from the null reverse-path to the sender,
    /// and the content. `None` if there is nothing to notify of, or no sender to notify: a message
    /// with the null reverse-path is a notification itself, and is never answered with one.
    ///
    /// # Errors
    /// The parts make no message; a name that was given is not ASCII, for example.
    pub fn build(self, now: SystemTime) -> io::Result<Option<(Envelope, MailData)>> {
        let mail = self.report.envelope().mail();
        let ReversePath::Mailbox(sender) = mail.path() else { return Ok(None) };
        let entries: Vec<_> = self
            .report
            .outcomes()
            .filter_map(|(rcpt, outcome)| self.entry(rcpt, outcome))
            .collect();
        if entries.is_empty() {
            return Ok(None);
        }
        let fails = entries.iter().any(|entry| entry.action == "failed");
        let subject = match fails {
            true => "Undelivered mail returned to sender",
            false => "Delayed mail (still being retried)",
        };
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let id = format!("{:016x}.{seconds}@{}", fastrand::u64(..), self.reporting);
        let kind = ContentType::new("multipart/report").attribute("report-type", "delivery-status");
        let parts = self.parts(&entries, seconds);
        let message = MessageBuilder::new()
            .from(Address::new_address(Some("Mail Delivery System"), &*self.from))
            .to(Address::new_address(None::<&str>, sender.as_str()))
            .subject(subject)
            .date(Date::new(seconds))
            .message_id(id)
            .header("Auto-Submitted", Raw::new("auto-replied"))
            .body(MimePart::new(kind, BodyPart::Multipart(parts)));
        let octets = message.write_to_vec()?;
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let content = MailData::new(octets).map_err(invalid)?;
        let reverse = Mail::new(ReversePath::Null);
        let reverse = if sender.is_ascii() { reverse } else { reverse.smtputf8() };
        // What is returned of a message is protected like the message (RFC 8689, 5).
        let reverse = match requires_tls(self.report.envelope()) {
            true => reverse
                .with(MailParam::RequireTls)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?,
            false => reverse,
        };
        let envelope = Envelope::new(reverse, [Rcpt::from(sender.clone())]);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        Ok(Some((envelope.map_err(invalid)?, content)))
    }

    /// Returns what is said of a recipient, if anything.
    fn entry(&self, rcpt: &'a Rcpt, outcome: &'a Outcome) -> Option<Entry<'a>> {
        let notify = rcpt.params().find_map(|param| match param {
            RcptParam::Notify(notify) => Some(notify),
            _ => None,
        });
        // Without the parameter a sender is told of failures, and may be told of delays.
        let notify = notify.unwrap_or(Notify { success: false, failure: true, delay: true });
        let (wanted, action) = match outcome {
            Outcome::Delivered { .. } => return None,
            Outcome::Later { .. } if !self.gives_up => {
                (self.tells_delay && notify.delay, "delayed")
            }
            Outcome::Later { .. }
            | Outcome::InDoubt { .. }
            | Outcome::Refused { .. }
            | Outcome::NoRoute(_) => (notify.failure, "failed"),
        };
        let status = status(outcome)?;
        wanted.then_some(Entry { rcpt, outcome, action, status })
    }

    fn parts(&self, entries: &[Entry<'_>], seconds: i64) -> Vec<MimePart<'a>> {
        let text = MimePart::new("text/plain", self.sentences(entries));
        let is_utf8 = entries.iter().any(|entry| !entry.rcpt.path().as_str().is_ascii());
        let kind =
            if is_utf8 { "message/global-delivery-status" } else { "message/delivery-status" };
        let mut fields = self.fields(entries, seconds);
        if !is_utf8 {
            fields = fields.replace(|character: char| !character.is_ascii(), "?");
        }
        // As text it would get a character set, which this type does not have (RFC 3464, 2.1).
        let status = MimePart::new(kind, BodyPart::Binary(fields.into_bytes().into()));
        let status = status.transfer_encoding(if is_utf8 { "8bit" } else { "7bit" });
        let mut parts = vec![text, status];
        parts.extend(self.original.map(|original| self.returned(original)));
        parts
    }

    /// Returns the part with the original message.
    fn returned(&self, original: &'a MailData) -> MimePart<'a> {
        let wants_all = self.report.envelope().mail().params();
        let wants_all =
            wants_all.into_iter().any(|param| matches!(param, MailParam::Ret(Ret::Full)));
        let octets = original.octets();
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 2);
        let headers = &octets[..end.unwrap_or(octets.len())];
        let (kind, returned) = match (wants_all, headers.is_ascii()) {
            (true, true) => ("message/rfc822", &octets[..]),
            (true, false) => ("message/global", &octets[..]),
            (false, true) => ("text/rfc822-headers", headers),
            (false, false) => ("message/global-headers", headers),
        };
        let encoding = if returned.is_ascii() { "7bit" } else { "8bit" };
        MimePart::new(kind, BodyPart::Binary(returned.into())).transfer_encoding(encoding)
    }

    fn sentences(&self, entries: &[Entry<'_>]) -> String {
        let mut text = format!("This is the mail system at {}.\r\n", self.reporting);
        for (action, sentence) in [
            ("failed", "Your message was not delivered to these recipients:"),
            (
                "doubt",
                "It is not known whether your message was delivered to these recipients. \
                       The connection to their mail host ended before its reply. The message is \
                       not sent again, because they could get it twice:",
            ),
            (
                "delayed",
                "Your message was not delivered to these recipients yet. It will be tried \
                         again; you need not send it again:",
            ),
        ] {
            let mut entries = entries.iter().filter(|entry| entry.heading() == action).peekable();
            if entries.peek().is_none() {
                continue;
            }
            let _ = write!(text, "\r\n{sentence}\r\n");
            for entry in entries {
                let reason = Line(&entry.outcome.to_string()).to_string();
                let _ = write!(text, "\r\n  <{}>\r\n    {reason}\r\n", entry.rcpt.path().as_str());
            }
        }
        text
    }

    /// Returns the fields of RFC 3464, 2.
    fn fields(&self, entries: &[Entry<'_>], seconds: i64) -> String {
        let mut fields = format!("Reporting-MTA: dns; {}\r\n", self.reporting);
        let params = self.report.envelope().mail().params();
        for param in params {
            if let MailParam::EnvId(id) = param {
                let _ = write!(fields, "Original-Envelope-Id: {}\r\n", decoded(&id));
            }
        }
        for entry in entries {
            fields.push_str("\r\n");
            for param in entry.rcpt.params() {
                if let RcptParam::Orcpt { kind, address } = param {
                    let address = match kind.eq_ignore_ascii_case("rfc822") {
                        true => Xtext::new(address)
                            .map_or_else(|_| address.into(), |text| decoded(&text)),
                        false => address.to_owned(),
                    };
                    let _ = write!(fields, "Original-Recipient: {kind}; {}\r\n", Line(&address));
                }
            }
            let path = entry.rcpt.path().as_str();
            let kind = if path.is_ascii() { "rfc822" } else { "utf-8" };
            let _ = write!(fields, "Final-Recipient: {kind}; {}\r\n", Line(path));
            let _ = write!(fields, "Action: {}\r\nStatus: {}\r\n", entry.action, entry.status);
            if let Some(host) = entry.outcome.hop() {
                let _ = write!(fields, "Remote-MTA: dns; {host}\r\n");
            }
            if let Some(verdict) = entry.outcome.verdict() {
                let (code, text) = (verdict.reply().code(), verdict.reply().as_bytes());
                let text = String::from_utf8_lossy(text);
                let _ = write!(fields, "Diagnostic-Code: smtp; {code} {}\r\n", Line(&text));
            } else {
                let reason = entry.outcome.to_string();
                let _ = write!(fields, "Diagnostic-Code: x-reason; {}\r\n", Line(&reason));
            }
            let date = Date::new(seconds).to_rfc822();
            let _ = write!(fields, "Last-Attempt-Date: {date}\r\n");
        }
        fields
    }
}

impl Entry<'_> {
    /// Returns the paragraph that the recipient is named in.
    fn heading(&self) -> &'static str {
        if self.outcome.is_in_doubt() { "doubt" } else { self.action }
    }
}

impl Outcome {
    /// Returns the host that it comes from.
    fn hop(&self) -> Option<&Hop> {
        match self {
            Self::Delivered { hop, .. } | Self::InDoubt { hop, .. } => Some(hop),
            Self::Refused { hop, .. } => hop.as_ref(),
            Self::NoRoute(_) | Self::Later { .. } => None,
        }
    }

    /// Returns the reply that decided it.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Delivered { verdict, .. }
            | Self::Refused { refusal: Refusal::Verdict(verdict), .. }
            | Self::Later { reason: Reason::Verdict(verdict), .. } => Some(verdict),
            _ => None,
        }
    }
}

/// Returns the status of an outcome (RFC 3463): that of the reply, if it has one.
fn status(outcome: &Outcome) -> Option<EnhancedCode> {
    if let Some(reply) = outcome.verdict().map(Verdict::reply) {
        let class = if reply.is_permanent() { 5 } else { 4 };
        let own = reply.enhanced().filter(|code| code.class() == class);
        return own.or_else(|| EnhancedCode::new(class, 0, 0));
    }
    let (class, subject, detail) = match outcome {
        Outcome::NoRoute(no_route) => return no_route.enhanced_code(),
        // RFC 8689, 5.
        Outcome::Refused { refusal: Refusal::Error(error), .. } if needs_tls(error) => (5, 7, 30),
        Outcome::Refused { .. } => (5, 6, 0),
        // A transaction that was cut off. It is no refusal: the class says that it was given up.
        Outcome::InDoubt { .. } => (4, 4, 2),
        Outcome::Later { reason: Reason::Dns(_), .. } => (4, 4, 3),
        Outcome::Later { reason: Reason::Unprotected(_), .. } => (4, 7, 5),
        Outcome::Later { .. } => (4, 4, 1),
        Outcome::Delivered { .. } => (2, 0, 0),
    };
    EnhancedCode::new(class, subject, detail)
}

/// Returns whether the message demands TLS along its whole path, and a host cannot promise that.
fn needs_tls(error: &Error) -> bool {
    let ErrorKind::Unsupported(unsupported) = error.kind() else { return false };
    matches!(
        unsupported,
        Unsupported::Extension(Extension::RequireTls)
            | Unsupported::OutsideTls(Extension::RequireTls)
    )
}

fn decoded<S: AsRef<str>>(text: &Xtext<S>) -> String {
    Line(&String::from_utf8_lossy(&text.decode())).to_string()
}

/// A text in one line of a field, whatever a server put into it.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = 0;
        let mut ends_blank = true;
        for character in self.0.chars() {
            let character = if character.is_control() { ' ' } else { character };
            if written + character.len_utf8() > DIAGNOSTIC {
                return f.write_str("...");
            }
            if character != ' ' || !ends_blank {
                f.write_char(character)?;
                written += character.len_utf8();
            }
            ends_blank = character == ' ';
        }
        Ok(())
    }
}
