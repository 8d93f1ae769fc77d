//! mail-send.
use std::borrow::Cow;

use mail_send::{
    SmtpClient, SmtpClientBuilder,
    smtp::message::{Address, Message, Parameters},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{Client, Doing, Failure, HOST, Target};
use crate::job::Job;

/// With DATA, by its only method for a message.
pub(super) fn data(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, Way::Data))
}

/// With one BDAT chunk, command by command, because no method sends a message that way.
pub(super) fn chunks(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(connect(target, Way::Chunks))
}

struct MailSend<S: AsyncRead + AsyncWrite> {
    client: SmtpClient<S>,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    Data,
    Chunks,
}

async fn connect(target: Target, way: Way) -> Result<Box<dyn Client>, Failure> {
    Ok(match target.tls()? {
        Some(config) => {
            let tls = TlsConnector::from(config);
            let builder = SmtpClientBuilder::new_with_tls_connector(HOST, target.port, tls);
            Box::new(MailSend { client: builder.connect().await?, way })
        }
        None => {
            let builder = SmtpClientBuilder::new(HOST, target.port)?;
            Box::new(MailSend { client: builder.connect_plain().await?, way })
        }
    })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client for MailSend<S> {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let none = Parameters::default();
            for _ in 0..messages {
                match self.way {
                    Way::Data => {
                        self.client.send(message(job)).await?;
                    }
                    Way::Chunks => {
                        self.client.mail_from(&job.from, &none).await?;
                        for rcpt in &job.rcpts {
                            self.client.rcpt_to(rcpt, &none).await?;
                        }
                        self.client.bdat(job.text).await?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Sending consumes a message, but the message may borrow its parts.
fn message(job: &Job) -> Message<'_> {
    let address =
        |email| Address { email: Cow::Borrowed(email), parameters: Parameters::default() };
    Message {
        mail_from: address(&job.from),
        rcpt_to: job.rcpts.iter().map(|rcpt| address(rcpt)).collect(),
        body: Cow::Borrowed(job.text),
    }
}
