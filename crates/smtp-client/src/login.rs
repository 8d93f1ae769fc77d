//! Logging in: what a login needs from outside the session, and the operation itself.
use smtp_error::{Broken, Cause, Error, Step};

use crate::sasl::Nonce;

/// Defines `log_in`, which authenticates the session. A token is fetched only once it is known to
/// be of use. It needs `Driver` and `fetch`, which waits for the token, in scope.
macro_rules! log_in {
    ($public:vis [$($async:tt)*], [$($await:tt)*]) => {
        $public $($async)* fn log_in(
            driver: &mut Driver,
            session: &mut $crate::session::Session,
            clock: &mut $crate::clock::Clock,
            login: &$crate::Login,
        ) -> Result<(), $crate::Error> {
            let step = $crate::Step::Auth;
            let watch = $crate::spans::Watch::begin(step);
            let answer = in_span!(watch.span(), authenticate(driver, session, clock, login));
            watch.end(&answer, session.last_code());
            answer
        }

        $($async)* fn authenticate(
            driver: &mut Driver,
            session: &mut $crate::session::Session,
            clock: &mut $crate::clock::Clock,
            login: &$crate::Login,
        ) -> Result<(), $crate::Error> {
            let step = $crate::Step::Auth;
            let fetched = match login.fetch(session)? {
                None => None,
                Some(fetching) => {
                    let bound = clock.begin(step);
                    let fetched = fetch(fetching, bound)$($await)*;
                    let token = match fetched {
                        None => return Err($crate::Error::new(step, clock.expired())),
                        Some(token) => token.map_err($crate::ErrorKind::Token),
                    };
                    let token = token.map_err(|kind| $crate::Error::new(step, kind))?;
                    let login = login.token(token);
                    Some(login.map_err(|invalid| $crate::Error::new(step, invalid))?)
                }
            };
            let nonce = $crate::login::nonce()?;
            let auth = fetched.as_ref().unwrap_or(login).auth(session, nonce)?;
            let run = session.run(auth)?;
            driver.drive(run, clock, &mut $crate::feed::Nothing)$($await)*
        }
    };
}

pub(crate) use log_in;

/// A nonce from the operating system.
pub(crate) fn nonce() -> Result<Nonce, Error> {
    let mut octets = [0; 18];
    let filled = getrandom::fill(&mut octets);
    filled.map_err(|error| Error::new(Step::Auth, Broken::Io(Cause::new(error))))?;
    Ok(Nonce::new(octets))
}
