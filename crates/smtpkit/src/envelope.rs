//! The envelope on the command line: reverse-path, forward-paths, and their parameters.
use clap::{Args, ValueEnum};
use smtp_client::{Envelope, Mail, MailParam, Rcpt, Xtext};

use crate::failure::Failure;

/// From whom, to whom, and with which parameters.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Envelope")]
pub(crate) struct EnvelopeOptions {
    /// The reverse-path; '' for the null reverse-path of a notification
    #[arg(short, long, value_name = "MAILBOX")]
    pub(crate) from: String,
    /// A forward-path; may be given more than once
    #[arg(short, long, value_name = "MAILBOX", required = true)]
    pub(crate) to: Vec<String>,
    /// Ask for delivery status notifications: never, or some of success,failure,delay (NOTIFY)
    #[arg(long, value_name = "WHEN", value_delimiter = ',')]
    pub(crate) dsn: Vec<NotifyWhen>,
    /// What a notification returns of the message (RET)
    #[arg(long, value_name = "WHAT")]
    pub(crate) ret: Option<RetWhat>,
    /// The identifier that notifications repeat (ENVID)
    #[arg(long, value_name = "TEXT")]
    pub(crate) envid: Option<String>,
    /// A parameter of MAIL, such as BODY=8BITMIME or X-OWN=1; may be given more than once
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) mail_param: Vec<String>,
    /// A parameter of each RCPT; may be given more than once
    #[arg(long, value_name = "PARAMETER")]
    pub(crate) rcpt_param: Vec<String>,
}

/// When a notification is wanted (RFC 3461, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotifyWhen {
    Never,
    Success,
    Failure,
    Delay,
}

/// What a notification returns (RFC 3461, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetWhat {
    Full,
    Headers,
}

impl EnvelopeOptions {
    /// Returns the envelope.
    pub(crate) fn envelope(&self) -> Result<Envelope, Failure> {
        let mut mail =
            Mail::try_from(&self.from).map_err(|invalid| Failure::option("--from", invalid))?;
        if let Some(ret) = self.ret {
            let value = if ret == RetWhat::Full { "FULL" } else { "HDRS" };
            let param = format!("RET={value}");
            mail = mail.param(param).map_err(|invalid| Failure::option("--ret", invalid))?;
        }
        if let Some(envid) = &self.envid {
            let param = MailParam::EnvId(Xtext::encode(envid));
            mail = mail.with(param).map_err(|invalid| Failure::option("--envid", invalid))?;
        }
        for param in &self.mail_param {
            mail = mail.param(param).map_err(|invalid| Failure::option("--mail-param", invalid))?;
        }
        let notify = self.notify()?;
        let rcpts = self.to.iter().map(|to| self.rcpt(to, notify.as_deref()));
        Ok(Envelope::new(mail, rcpts.collect::<Result<Vec<_>, _>>()?)?)
    }

    fn rcpt(&self, to: &str, notify: Option<&str>) -> Result<Rcpt, Failure> {
        let mut rcpt = Rcpt::try_from(to).map_err(|invalid| Failure::option("--to", invalid))?;
        if let Some(notify) = notify {
            rcpt = rcpt.param(notify).map_err(|invalid| Failure::option("--dsn", invalid))?;
        }
        for param in &self.rcpt_param {
            rcpt = rcpt.param(param).map_err(|invalid| Failure::option("--rcpt-param", invalid))?;
        }
        Ok(rcpt)
    }

    /// Returns the parameter NOTIFY, if it is wanted.
    fn notify(&self) -> Result<Option<String>, Failure> {
        let words = self.dsn.iter().map(|when| match when {
            NotifyWhen::Never => "NEVER",
            NotifyWhen::Success => "SUCCESS",
            NotifyWhen::Failure => "FAILURE",
            NotifyWhen::Delay => "DELAY",
        });
        let words: Vec<&str> = words.collect();
        if words.len() > 1 && words.contains(&"NEVER") {
            return Err(Failure::option("--dsn", "never stands alone"));
        }
        Ok((!words.is_empty()).then(|| format!("NOTIFY={}", words.join(","))))
    }
}
