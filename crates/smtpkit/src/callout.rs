//! `verify`: asks a server about recipients, without a message.
use std::fmt;

use clap::Args;
use serde::Serialize;
use smtp_client::{CalloutEnd, CalloutReplies, Connection, Envelope, Error, Mailbox, Reply};

use crate::access::Access;
use crate::cli::Common;
use crate::dialogue::Dialogue;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::outcome::ReplyRecord;
use crate::output::{BAD, GOOD, HEADING, Record, WARNING};

/// Ask a server about recipients: the login, VRFY, MAIL and RCPT, and no message
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    access: Access,
    /// The reverse-path for MAIL
    #[arg(short, long, value_name = "MAILBOX", default_value = "")]
    from: String,
    /// A recipient to ask about; may be given more than once
    #[arg(short, long, value_name = "MAILBOX", required = true)]
    to: Vec<String>,
    /// Leave out VRFY
    #[arg(long)]
    no_vrfy: bool,
}

/// The reply to VRFY.
#[derive(Serialize)]
struct VrfyRecord {
    /// The mailbox.
    mailbox: String,
    reply: ReplyRecord,
}

/// The replies to MAIL and to each RCPT of a transaction without content.
#[derive(Serialize)]
pub(crate) struct CalloutRecord {
    mail: ReplyRecord,
    recipients: Vec<RcptRecord>,
    /// The reply to DATA, if it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<ReplyRecord>,
    exit: Exit,
}

/// The reply to a RCPT.
#[derive(Serialize)]
struct RcptRecord {
    forward_path: String,
    /// Without a reply where MAIL was refused, or RCPT was not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyRecord>,
}

/// Runs the command.
pub(crate) async fn run(args: &VerifyArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let envelope = Envelope::new(args.from.as_str(), args.to.iter().map(String::as_str))?;
    let mailboxes = args.to.iter().map(|to| {
        // VRFY quotes what is no mailbox.
        to.parse::<Mailbox>().map_err(|invalid| Failure::option("--to", invalid))
    });
    let mailboxes = mailboxes.collect::<Result<Vec<_>, _>>()?;
    let dialogue = Dialogue::begin(output);
    let connector = args.access.connector(common).await?.observer(dialogue.observer());
    let asking = async {
        let mut connection = connector.connect().await?;
        if !args.no_vrfy {
            for mailbox in &mailboxes {
                let reply = ReplyRecord::new(&connection.verify(mailbox).await?);
                output.show(&VrfyRecord { mailbox: mailbox.to_string(), reply });
            }
        }
        let record = CalloutRecord::new(&connection.callout(&envelope, CalloutEnd::Rcpt).await?);
        output.show(&record);
        quit(&mut connection).await?;
        output.detail(&dialogue.timing());
        Ok::<_, Error>(record.exit())
    };
    match Interruption::listen().unless(asking).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Failure::Interrupted("while asking: no message was sent")),
    }
}

/// Ends the session. That the server has closed it already is not worth a failure.
pub(crate) async fn quit(connection: &mut Connection) -> Result<(), Error> {
    match connection.quit().await {
        Err(error) if Exit::of_error(&error) == Exit::Protocol => Err(error),
        _ => Ok(()),
    }
}

impl CalloutRecord {
    pub(crate) fn new(replies: &CalloutReplies) -> Self {
        let recipients = replies.recipients().map(|(path, reply)| RcptRecord {
            forward_path: path.to_owned(),
            reply: reply.map(ReplyRecord::new),
        });
        Self {
            mail: ReplyRecord::new(replies.mail()),
            recipients: recipients.collect(),
            data: replies.data().map(ReplyRecord::new),
            exit: exit_of(replies),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

/// The status of the replies: as of a message that these were the refusals of.
fn exit_of(replies: &CalloutReplies) -> Exit {
    let status = |reply: &Reply| match (reply.is_transient(), reply.is_permanent()) {
        (true, _) => Exit::RefusedForNow,
        (_, true) => Exit::Refused,
        _ => Exit::Fine,
    };
    let whole = [Some(replies.mail()), replies.data()].into_iter().flatten();
    if let Some(refused) = whole.map(status).find(|status| *status != Exit::Fine) {
        return refused;
    }
    let statuses: Vec<Exit> =
        replies.recipients().filter_map(|(_, reply)| reply).map(status).collect();
    let refused: Vec<Exit> =
        statuses.iter().copied().filter(|status| *status != Exit::Fine).collect();
    match refused[..] {
        [] => Exit::Fine,
        _ if refused.len() < statuses.len() => Exit::SomeRefused,
        _ if refused.contains(&Exit::RefusedForNow) => Exit::RefusedForNow,
        _ => Exit::Refused,
    }
}

impl Record for VrfyRecord {
    const TYPE: &'static str = "vrfy";
}

impl fmt::Display for VrfyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADING}VRFY{HEADING:#} {}: {}", self.mailbox, Colored(&self.reply))
    }
}

impl Record for CalloutRecord {
    const TYPE: &'static str = "callout";
}

impl fmt::Display for CalloutRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADING}MAIL{HEADING:#} {}", Colored(&self.mail))?;
        for RcptRecord { forward_path, reply } in &self.recipients {
            match reply {
                Some(reply) => {
                    write!(f, "\n{HEADING}RCPT{HEADING:#} <{forward_path}>: {}", Colored(reply))?;
                }
                None => write!(f, "\n{HEADING}RCPT{HEADING:#} <{forward_path}>: not asked")?,
            }
        }
        match &self.data {
            Some(reply) => write!(f, "\n{HEADING}DATA{HEADING:#} {}", Colored(reply)),
            None => Ok(()),
        }
    }
}

/// A reply in the color of its class.
struct Colored<'r>(&'r ReplyRecord);

impl fmt::Display for Colored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = match self.0.code {
            ..400 => GOOD,
            400..500 => WARNING,
            _ => BAD,
        };
        write!(f, "{style}{}{style:#}", self.0)
    }
}
