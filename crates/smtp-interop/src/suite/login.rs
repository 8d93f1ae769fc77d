//! Every mechanism that the client knows, with the right password or token and with a wrong one.
use smtp_client::{Advice, Connection, Credentials, ErrorKind, Login, Step, sasl::Mechanism};

use super::{Case, case};
use crate::{
    target::{ACCOUNTS, TOKEN},
    trial::{Done, Failure, Trial, ensure},
};

pub(super) fn cases() -> Vec<Case> {
    let mechanisms = [
        Mechanism::PLAIN,
        Mechanism::LOGIN,
        Mechanism::CRAM_MD5,
        Mechanism::SCRAM_SHA_1,
        Mechanism::SCRAM_SHA_256,
        Mechanism::SCRAM_SHA_1_PLUS,
        Mechanism::SCRAM_SHA_256_PLUS,
    ];
    let both = mechanisms.into_iter().flat_map(|mechanism| {
        let name = mechanism.as_str();
        [
            case(format!("{name}, right password"), async move |trial: &Trial<'_>| {
                for (user, password) in ACCOUNTS {
                    right(trial, mechanism, &Credentials::password(user, password)?).await?;
                }
                Ok(())
            }),
            case(format!("{name}, wrong password"), async move |trial: &Trial<'_>| {
                let (user, password) = ACCOUNTS[0];
                let wrong_one = Credentials::password(user, "wrong")?;
                wrong(trial, mechanism, &wrong_one, &Credentials::password(user, password)?).await
            }),
        ]
    });
    let tokens = [Mechanism::OAUTHBEARER, Mechanism::XOAUTH2].into_iter().flat_map(|mechanism| {
        let name = mechanism.as_str();
        [
            case(format!("{name}, right token"), async move |trial: &Trial<'_>| {
                right(trial, mechanism, &token(TOKEN)?).await
            }),
            case(format!("{name}, wrong token"), async move |trial: &Trial<'_>| {
                wrong(trial, mechanism, &token(&TOKEN.replace('.', "-"))?, &token(TOKEN)?).await
            }),
        ]
    });
    both.chain(tokens).collect()
}

fn token(token: &str) -> Result<Credentials, Failure> {
    Ok(Credentials::bearer(ACCOUNTS[0].0, token)?)
}

/// Connects to where logins are possible, if this mechanism is offered there.
async fn connect(trial: &Trial<'_>, mechanism: Mechanism<&str>) -> Result<Connection, Failure> {
    let server = trial.target.endpoints.login.as_ref();
    let server = server.ok_or_else(|| Failure::skip("the server is not set up for logins"))?;
    let connection = trial.anonymous_to(server).connect().await?;
    let name = mechanism.as_str();
    let is_it = |offered: &[u8]| offered.eq_ignore_ascii_case(name.as_bytes());
    if connection.capabilities().mechanisms().any(is_it) {
        return Ok(connection);
    }
    Err(Failure::skip(format!("{name} is not offered")))
}

fn login(mechanism: Mechanism<&str>, credentials: &Credentials) -> Login {
    Login::new(credentials.clone()).mechanisms([mechanism])
}

async fn right(trial: &Trial<'_>, mechanism: Mechanism<&str>, credentials: &Credentials) -> Done {
    let mut connection = connect(trial, mechanism).await?;
    connection.login(&login(mechanism, credentials)).await?;
    let by = connection.authenticated_by();
    ensure(by == Some(mechanism.as_str()), format!("authenticated by {by:?}"))?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

/// The error is a refusal at AUTH that asks for other credentials; the session goes on, and the
/// right credentials are accepted in it or in the next.
async fn wrong(
    trial: &Trial<'_>,
    mechanism: Mechanism<&str>,
    wrong: &Credentials,
    credentials: &Credentials,
) -> Done {
    let mut connection = connect(trial, mechanism).await?;
    let refused = connection.login(&login(mechanism, wrong)).await;
    let Err(error) = refused else { return Err(Failure::fault("wrong credentials were accepted")) };
    let is_refusal = matches!(error.kind(), ErrorKind::Refused(_)) && error.step() == Step::Auth;
    ensure(is_refusal && !error.in_doubt(), format!("wrong credentials: {error}"))?;
    let advice = error.advice();
    ensure(advice == Some(Advice::CheckCredentials), format!("advice: {advice:?} ({error})"))?;
    ensure(connection.authenticated_by().is_none(), "authenticated by wrong credentials")?;
    drop(connection);
    right(trial, mechanism, credentials).await
}
