//! `load`: many messages over many connections, how fast the server takes them, and their results.
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use smtp_client::{Ahead, Envelope, FirstChunk, Framing, Sending};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, interval, sleep, sleep_until};

mod hgrm;
mod letter;
mod pace;
mod progress;
mod steps;
mod summary;
mod tally;
mod worker;

use self::letter::Letter;
use self::pace::{Pace, Phase};
use self::progress::{Progress, TICK};
use self::summary::{Circumstances, Summary};
use self::worker::{Run, work};
use crate::access::Access;
use crate::cli::Common;
use crate::compose::MessageOptions;
use crate::envelope::EnvelopeOptions;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interruption;

/// Send many messages over many connections, and measure how the server takes them
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    envelope: EnvelopeOptions,
    #[command(flatten)]
    message: MessageOptions,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    way: Way,
    /// Write the times of messages to this file, in the percentile format of HdrHistogram
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
}

/// How much is sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct Amount {
    /// Send this number of messages [default: 1000, or without a limit if there is a --duration]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Begin no message after this time, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Use this number of connections at a time
    #[arg(short, long, value_name = "C", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=65_535))]
    connections: u64,
    /// Begin messages at this rate per second, such as 50, 0.5 or 100/s, whatever the server does: a
    /// message that has to wait for a connection takes longer by that wait [default: as many as the
    /// connections can take]
    #[arg(long, value_name = "RATE", value_parser = per_second)]
    rate: Option<f64>,
    /// The size of each message in octets, if it is made here [default: 1024]
    #[arg(long, value_name = "OCTETS", conflicts_with_all = ["file", "subject", "body", "attach", "header"],
          value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    size: Option<u64>,
    /// Send each message to this number of recipients: 1, 2, 3 and so on are put before the mailbox of --to
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    recipients: Option<u64>,
    /// Open another connection after this number of messages; with 1, for each message [default: keep it]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    messages_per_connection: Option<u64>,
}

/// How messages are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "How they are sent")]
struct Way {
    /// How commands run ahead of replies, where the server offers PIPELINING
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Pipelining::Plain)]
    pipelining: Pipelining,
    /// Send the content in chunks (BDAT), which the server must offer
    #[arg(long)]
    chunks: bool,
}

/// How far commands run ahead of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pipelining {
    /// The commands of one message leave together; right with every server
    Plain,
    /// The next messages leave before the reply to the one before, chunks together with their
    /// commands; only for servers that are known to handle it
    Ahead,
}

/// The longest run: 100 years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long the messages under way may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) async fn run(args: &LoadArgs, common: &Common) -> Result<Exit, Failure> {
    let output = common.output();
    let report = args.hgrm.as_deref().map(create).transpose()?;
    let run = Arc::new(args.begin(common).await?);
    let interruption = Interruption::listen();
    let progress = Progress::new(args.most(), output);
    let mut workers = JoinSet::new();
    for number in 0..run.connections {
        workers.spawn(work(Arc::clone(&run), number));
    }
    let interrupted = attend(&run, &mut workers, &interruption, args.duration(), &progress).await;
    let elapsed = run.pace.began().elapsed();
    let tally = run.tally();
    if let (false, Some(failure)) = (run.has_connected(), tally.first_failure.clone()) {
        return Err(failure.into());
    }
    let size = run.letter.size();
    let backlog = run.pace.backlog(tally.counts.begun());
    let connections = run.connections as u64;
    let circumstances = Circumstances { elapsed, size, connections, backlog, interrupted };
    let summary = Summary::new(&tally, circumstances);
    output.show(&summary);
    if let (Some((mut file, path)), false) = (report, tally.messages.is_empty()) {
        let written = hgrm::write(&tally.messages, &mut file).and_then(|()| file.flush());
        if let Err(error) = written {
            let failure = Failure::machine(format!("writing {}", path.display()), error);
            return output.not_written(failure, summary.exit());
        }
    }
    Ok(summary.exit())
}

/// Waits for the connections, shows the progress, and ends the run when it is time or when it is
/// interrupted. Returns whether it was.
async fn attend(
    run: &Run,
    workers: &mut JoinSet<()>,
    interruption: &Interruption,
    duration: Duration,
    progress: &Progress,
) -> bool {
    let mut ticks = interval(TICK);
    let end = run.pace.began() + duration;
    let mut at_end = pin!(sleep_until(end));
    let mut is_over = false;
    loop {
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(ended) => joined(ended),
                None => {
                    progress.clear();
                    return false;
                }
            },
            _ = ticks.tick() => progress.show(run),
            () = &mut at_end, if !is_over => {
                is_over = true;
                run.pace.stop(end);
            }
            () = interruption.signal() => break,
        }
    }
    run.pace.stop(Instant::now());
    progress.interrupted();
    let mut ending = pin!(async {
        while let Some(ended) = workers.join_next().await {
            joined(ended);
        }
    });
    tokio::select! {
        () = &mut ending => return true,
        () = interruption.signals(2) => {}
        () = sleep(GRACE) => {}
    }
    run.pace.set(Phase::Cut);
    ending.await;
    true
}

/// A connection has ended. If its task panicked, its messages are in no count, and there is no result.
fn joined(ended: Result<(), JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}

impl LoadArgs {
    /// How many messages there are; `None` if only time limits them.
    fn most(&self) -> Option<u64> {
        self.amount.messages.or_else(|| self.amount.duration.is_none().then_some(1000))
    }

    /// How long messages are begun: without that option, for as long as it takes.
    fn duration(&self) -> Duration {
        self.amount.duration.map_or(FOREVER, |duration| duration.min(FOREVER))
    }

    async fn begin(&self, common: &Common) -> Result<Run, Failure> {
        let envelope = self.envelope()?;
        let message = &self.message;
        let is_made = message.file.is_none()
            && message.body.is_none()
            && message.subject.is_none()
            && message.attach.is_empty()
            && message.header.is_empty();
        let letter = if is_made {
            let size = self.amount.size.unwrap_or(1024);
            Letter::made(envelope, usize::try_from(size).unwrap_or(usize::MAX))?
        } else {
            let to = &self.envelope.to;
            Letter::given(envelope, message.content(&self.envelope.from, to)?)
        };
        let connector = self.access.connector(common).await?.sending(self.way.sending());
        let most = self.most().unwrap_or(u64::MAX);
        let connections = self.amount.connections.min(most);
        let mut run = Run::new(Pace::begin(most, self.amount.rate), letter, connector);
        run.connections = usize::try_from(connections).unwrap_or(usize::MAX);
        run.messages_per_connection = self.amount.messages_per_connection.unwrap_or(u64::MAX);
        Ok(run)
    }

    /// Returns the envelope of each message.
    fn envelope(&self) -> Result<Envelope, Failure> {
        let Some(recipients) = self.amount.recipients else { return self.envelope.envelope() };
        let mut options = self.envelope.clone();
        let given = std::mem::take(&mut options.to);
        let many = given.iter().cycle().zip(1..=recipients);
        options.to = many.map(|(to, number)| format!("{number}{to}")).collect();
        options.envelope()
    }
}

impl Way {
    fn sending(&self) -> Sending {
        let mut sending = Sending::default();
        if self.chunks {
            sending.framing = Framing::Chunks;
        }
        if self.pipelining == Pipelining::Ahead {
            sending.ahead = Some(Ahead::default());
            sending.first_chunk = FirstChunk::WithCommands;
        }
        sending
    }
}

/// Reads a rate: a number, with /s, /m or /h if that is wanted.
fn per_second(text: &str) -> Result<f64, String> {
    let (number, seconds) = match text.split_once('/') {
        None | Some((_, "s")) => (text.trim_end_matches("/s"), 1.0),
        Some((number, "m")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => return Err("write a number of messages with /s, /m or /h: 100/s".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(rate) if (1e-6..=1e9).contains(&(rate / seconds)) => Ok(rate / seconds),
        _ => Err("write a number of messages in a second, such as 50, 0.5 or 100/s".to_owned()),
    }
}

/// Creates the file of `--hgrm` before anything is sent.
fn create(path: &Path) -> Result<(BufWriter<File>, PathBuf), Failure> {
    let file = File::create(path).map_err(|error| Failure::file(path, error))?;
    Ok((BufWriter::new(file), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "lost")]
    async fn a_connection_that_panics_ends_the_run() {
        joined(tokio::spawn(async { panic!("lost") }).await);
    }

    #[test]
    fn rates_are_per_second() {
        assert_eq!(per_second("50"), Ok(50.0));
        assert_eq!(per_second("0.5/s"), Ok(0.5));
        assert_eq!(per_second("90/m"), Ok(1.5));
        assert_eq!(per_second("7200/h"), Ok(2.0));
        for wrong in ["", "0", "-1", "fast", "5/d", "inf", "nan"] {
            assert!(per_second(wrong).is_err(), "{wrong}");
        }
    }
}
