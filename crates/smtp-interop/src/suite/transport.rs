//! In clear, with STARTTLS, inside TLS, over a Unix socket.
use smtp_client::{Protection, Server};

use super::{Case, case};
use crate::{
    target::Endpoints,
    trial::{Done, Failure, Trial, ensure},
};

pub(super) fn cases() -> Vec<Case> {
    let way = |name: &'static str, end: fn(&Endpoints) -> &Option<Server>, protected: bool| {
        case(name, async move |trial: &Trial<'_>| {
            let server = end(&trial.target.endpoints).as_ref();
            let server = server.ok_or_else(|| Failure::skip("the server is not set up for it"))?;
            connect_and_send(trial, server, protected).await
        })
    };
    vec![
        way("in clear", |ends| &ends.clear, false),
        way("STARTTLS", |ends| &ends.starttls, true),
        way("implicit TLS", |ends| &ends.tls, true),
        way("Unix socket", |ends| &ends.unix, false),
    ]
}

async fn connect_and_send(trial: &Trial<'_>, server: &Server, protected: bool) -> Done {
    let mut connection = trial.connector_to(server)?.connect().await?;
    let is_verified = connection.protection() == Protection::Verified;
    ensure(is_verified == protected, format!("protection: {:?}", connection.protection()))?;
    trial.send_one(&mut connection).await?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}
