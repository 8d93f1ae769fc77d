//! `send`: one message through one session, and what is known of each recipient afterwards.
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use smtp_client::{
    Attribute, Attributes, CalloutEnd, Connection, Content, Ended, Envelope, FirstChunk, Framing,
    MailData, Partial, Sending, Xtext,
};

use crate::access::{Access, LoginOptions};
use crate::callout::{self, CalloutRecord};
use crate::cli::Common;
use crate::compose::MessageOptions;
use crate::dialogue::Dialogue;
use crate::envelope::EnvelopeOptions;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;
use crate::outcome::Outcome;
use crate::output::Output;

/// Send one message through one session
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    envelope: EnvelopeOptions,
    #[command(flatten)]
    message: MessageOptions,
    #[command(flatten)]
    how: How,
}

/// How a message is sent.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How it is sent")]
struct How {
    /// Send to no recipient if one is refused
    #[arg(long)]
    all_or_none: bool,
    /// Send the content in chunks (BDAT), which the server must offer
    #[arg(long)]
    chunks: bool,
    /// Send the first chunk together with the commands: one round trip less, and not for every
    /// server (docs/round-trips.md); implies --chunks
    #[arg(long)]
    ahead: bool,
    /// Act for another client (XCLIENT), such as ADDR=192.0.2.1; may be given more than once
    #[arg(long, value_name = "NAME=VALUE")]
    xclient: Vec<String>,
    /// End with QUIT after this step; nothing is delivered
    #[arg(long, value_name = "STEP", conflicts_with = "drop_after")]
    stop_after: Option<LastStep>,
    /// Close the connection without QUIT after the reply to this step; nothing is delivered
    #[arg(long, value_name = "STEP")]
    drop_after: Option<LastStep>,
}

/// The step after which a session ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LastStep {
    /// The greeting, EHLO, and TLS with its EHLO
    Hello,
    /// The login
    Auth,
    /// MAIL
    Mail,
    /// The last RCPT
    Rcpt,
    /// DATA; only with --drop-after
    Data,
}

/// The size of a content, in octets, from which on its progress is shown.
const LARGE: u64 = 1 << 20;

/// Runs the command.
pub(crate) async fn run(args: &SendArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let envelope = args.envelope.envelope()?;
    let content = args.message.content(&args.envelope.from, &args.envelope.to)?;
    let attributes = attributes(&args.how.xclient)?;
    if args.how.stop_after == Some(LastStep::Data) {
        let why = "after DATA the server waits for the content: write --drop-after data";
        return Err(Failure::option("--stop-after", why));
    }
    let dialogue = Dialogue::begin(output);
    let mut access = args.access.clone();
    if args.how.last_step() == Some(LastStep::Hello) {
        access.login = LoginOptions::default();
    }
    let connector = access.connector(common).await?;
    let connector = connector.observer(dialogue.observer()).sending(args.how.sending());
    let interruption = Interruption::listen();
    let Ok(connected) = interruption.unless(connector.connect()).await else {
        return Err(Failure::Interrupted("while connecting: nothing was sent"));
    };
    let mut connection = connected?;
    if !args.how.xclient.is_empty() {
        let Ok(accepted) = interruption.unless(connection.xclient(&attributes)).await else {
            return Err(Failure::Interrupted("at XCLIENT: nothing was sent"));
        };
        accepted?;
    }
    let exit = match args.how.last_step() {
        Some(step) => {
            let stopped = stop(connection, &envelope, step, &args.how, output);
            let Ok(stopped) = interruption.unless(stopped).await else {
                return Err(Failure::Interrupted("before the session ended: no message was sent"));
            };
            stopped?
        }
        None => deliver(connection, &envelope, content, &interruption, output).await?,
    };
    output.detail(&dialogue.timing());
    Ok(exit)
}

/// Sends the message, shows the outcome, and ends the session.
pub(crate) async fn deliver(
    mut connection: Connection,
    envelope: &Envelope,
    content: MailData,
    interruption: &Interruption,
    output: Output,
) -> Result<Exit, Failure> {
    let size = content.octets().len() as u64;
    let shown = output.shows_progress() && size >= LARGE;
    let bar = if shown { progress(size) } else { ProgressBar::hidden() };
    let moved = bar.clone();
    let content = Content::from(content).on_progress(move |written| moved.set_position(written));
    let sent = interruption.unless(connection.send(envelope, content)).await;
    bar.finish_and_clear();
    let (outcome, failed) = match sent {
        Ok(Ok(delivery)) => (Outcome::of_delivery(&delivery), None),
        Ok(Err(error)) => (Outcome::of_error(&error), Some(error)),
        Err(_) => {
            let in_doubt = interrupted(&connection, output);
            (Outcome::of_canceled(connection.canceled_verdicts(), in_doubt), None)
        }
    };
    if outcome.has_recipients() {
        output.show(&outcome);
    }
    // The result of QUIT changes nothing that was decided.
    let _ = interruption.unless(connection.quit()).await;
    failed.map_or_else(|| Ok(outcome.exit()), |error| Err(error.into()))
}

/// Shows how far the message was when it was interrupted, and returns whether it may have been accepted.
fn interrupted(connection: &Connection, output: Output) -> bool {
    match connection.ended() {
        Some(Ended::Canceled { step, in_doubt: true }) => {
            output.warn(format_args!("interrupted at {step}: the message may have been accepted"));
            true
        }
        Some(Ended::Canceled { step, .. }) => {
            output.warn(format_args!("interrupted at {step}: the message was not accepted"));
            false
        }
        _ => {
            output.warn("interrupted: nothing was sent");
            false
        }
    }
}

/// Goes as far as this step, shows the replies, and ends the session in the way that is asked for.
async fn stop(
    mut connection: Connection,
    envelope: &Envelope,
    step: LastStep,
    how: &How,
    output: Output,
) -> Result<Exit, Failure> {
    let end = match step {
        LastStep::Hello | LastStep::Auth => None,
        LastStep::Mail => Some(CalloutEnd::Mail),
        LastStep::Rcpt => Some(CalloutEnd::Rcpt),
        LastStep::Data => Some(CalloutEnd::Data),
    };
    let mut exit = Exit::Fine;
    if let Some(end) = end {
        let record = CalloutRecord::new(&connection.callout(envelope, end).await?);
        output.show(&record);
        exit = record.exit();
    }
    if how.stop_after.is_some() {
        callout::quit(&mut connection).await?;
    }
    Ok(exit)
}

impl How {
    fn last_step(&self) -> Option<LastStep> {
        self.stop_after.or(self.drop_after)
    }

    fn sending(&self) -> Sending {
        let mut sending = Sending::default();
        if self.chunks || self.ahead {
            sending.framing = Framing::Chunks;
        }
        if self.ahead {
            sending.first_chunk = FirstChunk::WithCommands;
        }
        if self.all_or_none {
            sending.partial = Partial::Withhold;
        }
        sending
    }
}

fn progress(size: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left");
    let bar = ProgressBar::new(size);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Reads the attributes of XCLIENT.
fn attributes(given: &[String]) -> Result<Attributes, Failure> {
    let option = "--xclient";
    given.iter().try_fold(Attributes::default(), |attributes, pair| {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::option(option, format!("{pair:?}: write NAME=VALUE")))?;
        let value = match value {
            "[UNAVAILABLE]" => Attribute::Unavailable,
            "[TEMPUNAVAIL]" => Attribute::TemporarilyUnavailable,
            value => Attribute::Known(Xtext::encode(value)),
        };
        attributes.with(name, value).map_err(|invalid| Failure::option(option, invalid))
    })
}
