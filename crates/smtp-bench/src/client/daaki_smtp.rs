//! daaki-smtp.
use std::time::Duration;

use daaki_smtp::{ForwardPath, ReversePath, SmtpConnection, TlsMode};

use super::{Client, Doing, Failure, HOST, Target};
use crate::job::Job;

/// With DATA.
pub(super) fn data(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, Way::Data))
}

/// With one BDAT chunk.
pub(super) fn chunks(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, Way::Chunks))
}

struct Daaki {
    connection: SmtpConnection,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    Data,
    Chunks,
}

const TIMEOUT: Duration = Duration::from_secs(600);

async fn connect(target: Target, way: Way) -> Result<Box<dyn Client>, Failure> {
    let connection = match target.tls()? {
        Some(config) => {
            let mode = TlsMode::Implicit;
            SmtpConnection::connect_with_tls_config(HOST, target.port, mode, TIMEOUT, config)
                .await?
        }
        None => SmtpConnection::connect(HOST, target.port, TlsMode::None, TIMEOUT).await?,
    };
    Ok(Box::new(Daaki { connection, way }))
}

impl Client for Daaki {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let from = ReversePath::new(job.from.as_str())?;
            let rcpts = job.rcpts.iter().map(|rcpt| ForwardPath::new(rcpt.as_str()));
            let rcpts = rcpts.collect::<Result<Vec<_>, _>>()?;
            for _ in 0..messages {
                match self.way {
                    Way::Data => self.connection.send(&from, &rcpts, job.text, TIMEOUT).await?,
                    Way::Chunks => {
                        self.connection.send_bdat(&from, &rcpts, job.text, None, TIMEOUT).await?
                    }
                };
            }
            Ok(())
        })
    }
}
