//! async-smtp, over a buffered stream as in its documentation.
use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Client, Doing, Failure, HOST, Target};
use crate::job::Job;

pub(super) fn connect(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(async move {
        let stream = TcpStream::connect((HOST, target.port)).await?;
        Ok(match target.tls()? {
            Some(config) => {
                let name = ServerName::try_from(HOST)?;
                greet(TlsConnector::from(config).connect(name, stream).await?).await?
            }
            None => greet(stream).await?,
        })
    })
}

struct AsyncSmtp<S: AsyncRead + AsyncWrite + Unpin>(SmtpTransport<BufStream<S>>);

async fn greet<S>(stream: S) -> Result<Box<dyn Client>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let transport = SmtpTransport::new(SmtpClient::new(), BufStream::new(stream)).await?;
    Ok(Box::new(AsyncSmtp(transport)))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client for AsyncSmtp<S> {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let address = |text: &String| EmailAddress::new(text.clone());
            let rcpts = job.rcpts.iter().map(address).collect::<Result<_, _>>()?;
            let envelope = Envelope::new(Some(address(&job.from)?), rcpts)?;
            for _ in 0..messages {
                // Sending consumes an email; a reader at least need not own the text.
                let text = Box::new(job.text);
                let email = SendableEmail::new_with_reader(envelope.clone(), text);
                self.0.send(email).await?;
            }
            Ok(())
        })
    }
}
