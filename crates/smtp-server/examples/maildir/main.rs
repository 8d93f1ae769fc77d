//! A receiving server: SMTP and LMTP, each mailbox a Maildir.
//!
//! `DIR` has a folder for each mailbox, such as `DIR/alice@example.org`; a mailbox exists if its
//! folder does. Mail for `alice+list@example.org` goes to the folder `.list` of Maildir++, if that
//! exists. A message is answered with 250 after it and its name are on the disk.
use std::{error::Error, io::Write, process::ExitCode};

use smtp_server::{
    Accept, Certificates, Context, Data, Decision, Dialect, Envelope, Handler, Listener, Outcome,
    Rcpt, Refuse, ReplyCode, Server, Settings, StartTls,
};

use tokio::io::AsyncWriteExt;

mod maildir;
mod options;

use maildir::Maildirs;
use options::{Options, USAGE};

/// The state of the server.
struct Delivery {
    maildirs: Maildirs,
}

impl Handler for Delivery {
    type State = ();

    async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
        match self.maildirs.find(rcpt.path()) {
            Some(_) => Ok(Accept::usual()),
            None => Err(Refuse::no_such_mailbox()),
        }
    }

    async fn message(
        &self,
        cx: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let mut draft = self.maildirs.draft().await?;
        let id = draft.id().to_owned();
        let trace = cx.trace(envelope).id(&id);
        let header = trace.return_path() + &trace.received_now();
        draft.file().write_all(header.as_bytes()).await?;
        tokio::io::copy(data, draft.file()).await?;
        let folders = envelope.rcpts().iter().map(|rcpt| self.maildirs.find(rcpt.path())).collect();
        // LMTP has a reply for each recipient. In SMTP there is one: all or none get the message.
        let all_or_none = cx.client().dialect() == Dialect::Smtp;
        let delivered = draft.deliver(folders, all_or_none).await?;
        Ok(Outcome::each(delivered.into_iter().map(|delivered| match delivered {
            Ok(()) => Ok(Accept::new(ReplyCode::OK, &format!("2.0.0 Delivered as {id}"))?),
            Err(error) => Err(error.into()),
        })))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::parse(std::env::args_os().skip(1))? else {
        return Ok(writeln!(std::io::stdout(), "{USAGE}")?);
    };
    let host = options.host.clone();
    let starttls = match &options.certificate {
        Some(_) => StartTls::Offered,
        None => StartTls::Absent,
    };
    let settings = || Settings::smtp(&host).size(options.size).starttls(starttls);
    let maildirs = Maildirs::open(options.folder)?;
    let mut server = Server::new(Delivery { maildirs });
    server = server.settings(settings().build()?);
    if let Some((chain, key)) = &options.certificate {
        server = server.tls(Certificates::files(chain, key)?.config()?);
    }
    for address in &options.smtp {
        server = server.listener(Listener::tcp(address.as_str())?);
    }
    for address in &options.tls {
        let settings = settings().starttls(StartTls::Absent).implicit_tls().build()?;
        server = server.listener(Listener::tcp(address.as_str())?.settings(settings));
    }
    for place in &options.lmtp {
        let settings = Settings::lmtp(&host).size(options.size).build()?;
        let listener = match place.strip_prefix("unix:") {
            Some(path) => Listener::unix(path)?,
            None => Listener::tcp(place.as_str())?,
        };
        server = server.listener(listener.settings(settings));
    }
    for listener in Listener::inherited()? {
        server = server.listener(listener);
    }
    for address in server.addresses() {
        writeln!(std::io::stdout(), "{address}")?;
    }
    let stop = async {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(server.run_until(stop).await?)
}

/// Writes to the log. A server goes on if that fails.
fn log(what: &str) {
    let _ = writeln!(std::io::stderr(), "maildir: {what}");
}
