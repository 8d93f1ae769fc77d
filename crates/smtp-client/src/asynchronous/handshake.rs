//! The TLS handshake over tokio.
use smtp_error::{Error, Step};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{
    asynchronous::{
        records::TlsStream,
        stream::{Stream, Transport},
    },
    clock::Clock,
    session::Session,
    tls::{Tls, announce, broken, failed},
};

mod tap;

pub(crate) use tap::Tap;

/// Does the handshake with the server on `host`, within the timeout of the step.
pub(super) async fn handshake(
    tls: &Tls,
    host: &str,
    transport: Transport,
    session: &mut Session,
    clock: &mut Clock,
) -> Result<Stream, Error> {
    let name = tls.name_for(host)?;
    let shown = name.to_str().into_owned();
    let (tap, mut seen) = Tap::new(transport);
    let connecting = TlsConnector::from(tls.config()).connect(name.clone(), tap);
    let broken = match timeout(clock.begin(Step::Handshake), connecting).await {
        Ok(Ok(mut stream)) => match stream.get_mut().0.done() {
            Ok(()) => {
                let accepted = tls.accepted(stream.get_ref().1, &name);
                announce(stream.get_ref().1, accepted, session);
                let protection = tls.protection(accepted);
                return Ok(Stream::Tls(Box::new(TlsStream::new(stream, protection))));
            }
            Err(failure) => broken(failure),
        },
        Ok(Err(failure)) => broken(failure),
        Err(_) => clock.expired(),
    };
    // The future was consumed and has dropped its transport, which sent what it recorded.
    Err(failed(broken, &shown, &seen.try_recv().unwrap_or_default()))
}
