//! The mail transaction that is open: what MAIL and RCPT may ask for, and the envelope.
use std::collections::BTreeSet;

use smtp_caps::{Capabilities, Envelope};
use smtp_codec::{Body, ByMode, ForwardPath, Mail, MailParam, Rcpt, RcptParam};
use smtp_error::{Extension, InvalidEnvelope, Reply, ReplyCode};

use crate::{Bounds, Client, Settings};

/// A mail transaction that is open.
#[derive(Debug)]
pub(crate) struct Transaction {
    mail: Mail,
    rcpts: Vec<Rcpt>,
}

/// The domains of the recipients of a session, counted for RCPTDOMAINMAX (RFC 9422).
#[derive(Debug, Default)]
pub(crate) struct Domains(BTreeSet<String>);

impl Transaction {
    pub(crate) fn new(mail: Mail) -> Self {
        Self { mail, rcpts: Vec::new() }
    }

    pub(crate) fn mail(&self) -> &Mail {
        &self.mail
    }

    pub(crate) fn rcpts(&self) -> &[Rcpt] {
        &self.rcpts
    }

    pub(crate) fn add(&mut self, rcpt: Rcpt) {
        self.rcpts.push(rcpt);
    }

    /// Returns the envelope. There is at least one recipient.
    pub(crate) fn into_envelope(self) -> Result<Envelope, InvalidEnvelope> {
        Envelope::new(self.mail, self.rcpts)
    }

    /// Checks a recipient.
    ///
    /// # Errors
    /// The reply that refuses it.
    pub(crate) fn check_rcpt(
        &self,
        rcpt: &Rcpt<&str>,
        offered: &Capabilities,
        bounds: &Bounds,
        domains: &Domains,
    ) -> Result<(), Reply> {
        let unknown = |param: RcptParam<&str>| !is_offered(offered, param.extension());
        if rcpt.params().any(unknown) {
            return Err(not_offered());
        }
        check_ascii(rcpt.path().as_str(), self.mail.is_smtputf8())?;
        if self.rcpts.len() >= bounds.recipients {
            // RFC 5321, 4.5.3.1.10.
            return refuse(ReplyCode::INSUFFICIENT_STORAGE, "4.5.3 Too many recipients");
        }
        let most = offered.limits().rcpt_domain_max();
        if most.is_some_and(|most| domains.would_be(rcpt.path()) > most as usize) {
            return refuse(ReplyCode::INSUFFICIENT_STORAGE, "4.5.3 Too many recipient domains");
        }
        Ok(())
    }
}

impl Domains {
    fn would_be(&self, path: &ForwardPath<&str>) -> usize {
        self.0.len() + usize::from(!self.0.contains(&domain(path)))
    }

    pub(crate) fn add(&mut self, path: &ForwardPath) {
        self.0.insert(domain(&path.borrowed()));
    }
}

fn domain(path: &ForwardPath<&str>) -> String {
    match path {
        ForwardPath::Mailbox(mailbox) => mailbox.host().to_lowercase(),
        _ => String::new(),
    }
}

/// Returns whether the message is binary (RFC 3030).
pub(crate) fn is_binary(mail: &Mail) -> bool {
    mail.declared_body() == Some(Body::BinaryMime)
}

/// Returns whether the client wants a final reply for each recipient (PRDR).
pub(crate) fn wants_each(mail: &Mail) -> bool {
    mail.params().any(|param| matches!(param, MailParam::Prdr))
}

/// Checks MAIL: its parameters are offered, and their values are possible.
///
/// # Errors
/// The reply that refuses it.
pub(crate) fn check_mail(
    mail: &Mail<&str>,
    settings: &Settings,
    client: &Client,
) -> Result<(), Reply> {
    let offered = settings.capabilities(client);
    for param in mail.params() {
        let is_auth = matches!(param, MailParam::Auth(_)) && settings.allows_login(client);
        if !is_auth && !is_offered(offered, param.extension()) {
            return Err(not_offered());
        }
        check_param(&param, offered)?;
    }
    check_ascii(mail.path().as_str(), mail.is_smtputf8())
}

fn check_param(param: &MailParam<&str>, offered: &Capabilities) -> Result<(), Reply> {
    match *param {
        MailParam::Size(size) if offered.size_limit().is_some_and(|limit| size > limit) => {
            refuse(ReplyCode::STORAGE_EXCEEDED, "5.3.4 Message too large")
        }
        MailParam::HoldFor(seconds)
            if offered.future_release().is_some_and(|most| seconds > most.max_interval()) =>
        {
            refuse(ReplyCode::SYNTAX, "5.5.4 HOLDFOR is beyond the limit")
        }
        MailParam::HoldUntil(until)
            if offered
                .future_release()
                .is_some_and(|most| is_later(until, most.max_date_time())) =>
        {
            refuse(ReplyCode::SYNTAX, "5.5.4 HOLDUNTIL is beyond the limit")
        }
        MailParam::By { seconds, mode: ByMode::Return, .. }
            if offered.deliver_by_min().is_some_and(|least| i64::from(seconds) < least.into()) =>
        {
            // RFC 2852, 4.
            refuse(ReplyCode::PARAMETERS_UNRECOGNIZED, "5.5.4 BY is below the minimum")
        }
        _ => Ok(()),
    }
}

/// Returns whether a time is later than another. Only times in the same form are compared.
fn is_later(one: &str, other: &str) -> bool {
    let is_utc = |time: &str| time.len() == "2000-01-01T00:00:00Z".len() && time.ends_with('Z');
    is_utc(one) && is_utc(other) && one > other
}

fn is_offered(offered: &Capabilities, extension: Option<Extension>) -> bool {
    extension.is_some_and(|extension| offered.has(extension))
}

fn not_offered() -> Reply {
    Reply::new(ReplyCode::PARAMETERS_UNRECOGNIZED, "5.5.4 Parameter not offered")
}

fn check_ascii(path: &str, smtputf8: bool) -> Result<(), Reply> {
    if smtputf8 || path.is_ascii() {
        return Ok(());
    }
    // RFC 6531, 3.5.
    refuse(ReplyCode::MAILBOX_NAME, "5.6.7 An address outside ASCII needs SMTPUTF8")
}

fn refuse(code: ReplyCode, text: &str) -> Result<(), Reply> {
    Err(Reply::new(code, text))
}
