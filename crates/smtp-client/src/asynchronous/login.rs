//! Logging in: what a login needs from outside the session, and the operation itself.
use smtp_error::{Broken, Cause, Error, ErrorKind, Step};
use tokio::time::timeout;

use crate::{
    asynchronous::{drive::Wire, feed::Nothing},
    clock::Clock,
    sasl::{Login, Nonce},
    session::Session,
};

/// Authenticates the session. A token is fetched only once it is known to be of use.
pub(crate) async fn log_in(
    wire: &mut Wire,
    session: &mut Session,
    clock: &mut Clock,
    login: &Login,
) -> Result<(), Error> {
    let fetched = match login.fetch(session)? {
        None => None,
        Some(fetching) => {
            let bound = clock.begin(Step::Auth);
            let fetched = timeout(bound, fetching).await;
            let fetched = fetched.map_err(|_| Error::new(Step::Auth, clock.expired()))?;
            let token = fetched.map_err(|cause| Error::new(Step::Auth, ErrorKind::Token(cause)))?;
            Some(login.token(token).map_err(|invalid| Error::new(Step::Auth, invalid))?)
        }
    };
    let auth = fetched.as_ref().unwrap_or(login).auth(session, nonce()?)?;
    let run = session.run(auth)?;
    wire.drive(run, clock, &mut Nothing).await
}

/// A nonce from the operating system.
fn nonce() -> Result<Nonce, Error> {
    let mut octets = [0; 18];
    let filled = getrandom::fill(&mut octets);
    filled.map_err(|error| Error::new(Step::Auth, Broken::Io(Cause::new(error))))?;
    Ok(Nonce::new(octets))
}
