//! lettre, on tokio.
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        PoolConfig,
        client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::{Client, Doing, Failure, HOST, Target};
use crate::job::Job;

/// One persistent connection, without the transport.
pub(super) fn connection(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(
        async move { Ok(Box::new(Kept(open(&target, &tls(&target)?).await?)) as Box<dyn Client>) },
    )
}

/// The transport with a pool of one connection.
pub(super) fn pool(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(async move {
        let tls = tls(&target)?.map_or(Tls::None, Tls::Wrapper);
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(HOST)
            .port(target.port)
            .tls(tls)
            .pool_config(PoolConfig::new().max_size(1))
            .build();
        Ok(Box::new(Pooled(transport)) as Box<dyn Client>)
    })
}

/// The transport without a pool: one connection per message.
pub(super) fn no_pool(target: Target) -> Doing<'static, Box<dyn Client>> {
    Box::pin(async move {
        let tls = tls(&target)?;
        Ok(Box::new(Unpooled(target, tls)) as Box<dyn Client>)
    })
}

struct Kept(AsyncSmtpConnection);

struct Pooled(AsyncSmtpTransport<Tokio1Executor>);

struct Unpooled(Target, Option<TlsParameters>);

fn tls(target: &Target) -> Result<Option<TlsParameters>, Failure> {
    let Some(certificate) = &target.certificate else { return Ok(None) };
    let certificate = Certificate::from_der(certificate.to_vec())?;
    Ok(Some(TlsParameters::builder(HOST.to_owned()).add_root_certificate(certificate).build()?))
}

async fn open(
    target: &Target,
    tls: &Option<TlsParameters>,
) -> Result<AsyncSmtpConnection, Failure> {
    let (server, name) = ((HOST, target.port), ClientId::default());
    Ok(AsyncSmtpConnection::connect_tokio1(server, None, &name, tls.clone(), None).await?)
}

fn envelope(job: &Job) -> Result<Envelope, Failure> {
    let rcpts = job.rcpts.iter().map(|rcpt| rcpt.parse()).collect::<Result<_, _>>()?;
    Ok(Envelope::new(Some(job.from.parse()?), rcpts)?)
}

impl Client for Kept {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let envelope = envelope(job)?;
            for _ in 0..messages {
                self.0.send(&envelope, job.text).await?;
            }
            Ok(())
        })
    }
}

impl Client for Pooled {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let envelope = envelope(job)?;
            for _ in 0..messages {
                self.0.send_raw(&envelope, job.text).await?;
            }
            Ok(())
        })
    }
}

impl Client for Unpooled {
    fn send<'a>(&'a mut self, job: &'a Job, messages: usize) -> Doing<'a, ()> {
        Box::pin(async move {
            let envelope = envelope(job)?;
            for _ in 0..messages {
                let mut connection = open(&self.0, &self.1).await?;
                connection.send(&envelope, job.text).await?;
                connection.quit().await?;
            }
            Ok(())
        })
    }
}
