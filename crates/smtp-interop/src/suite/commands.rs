//! Each session command, and a message after it: the replies have to stay in step.
use smtp_client::{Attribute, Attributes, Connection, Error, ErrorKind, Extension, Reply, Xtext};

use super::{Case, case};
use crate::{
    target::ACCOUNTS,
    trial::{Done, Failure, Trial, accepted, alice, ensure, offers},
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        command("NOOP", async |connection| done(connection.noop().await)),
        command("RSET", async |connection| done(connection.reset().await)),
        command("VRFY", async |connection| done(connection.verify("alice").await)),
        command("EXPN", async |connection| done(connection.expand("staff").await)),
        command("HELP", async |connection| done(connection.help(None).await)),
        command("ETRN", async |connection| {
            offers(connection, Extension::Etrn)?;
            done(connection.etrn("interop.test").await)
        }),
        command("an unknown verb", async |connection| {
            let reply = connection.command("XINTEROP", "").await?;
            ensure(reply.is_permanent(), format!("reply: {reply}"))
        }),
        command("EHLO again", async |connection| {
            let before = keywords(connection);
            connection.rehlo().await?;
            let after = keywords(connection);
            ensure(before == after, format!("offered {before:?}, then {after:?}"))
        }),
        command("XFORWARD", async |connection| {
            offers(connection, Extension::Xforward)?;
            done(connection.xforward(&attributes()?).await)
        }),
        case("XCLIENT", xclient),
        case("EHLO after AUTH", after_login),
    ]
}

/// A case: the command between two messages on one connection, and twice in a row after them.
fn command(name: &str, body: impl AsyncFn(&mut Connection) -> Done + 'static) -> Case {
    case(name, async move |trial: &Trial<'_>| {
        let mut connection = trial.connect().await?;
        body(&mut connection).await?;
        trial.send_one(&mut connection).await?;
        body(&mut connection).await?;
        body(&mut connection).await?;
        trial.send_one(&mut connection).await?;
        connection.quit().await?;
        Ok(())
    })
}

/// An answer is a reply, or a refusal of the command.
fn done(result: Result<Reply, Error>) -> Done {
    match result {
        Err(error) if !matches!(error.kind(), ErrorKind::Refused(_)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Returns the lines of the EHLO reply, but for PIPECONNECT: it is about the first commands of a
/// connection, and Exim does not repeat it later.
fn keywords(connection: &Connection) -> Vec<String> {
    let lines = connection.capabilities().iter();
    let lines = lines.filter(|line| line.extension() != Some(Extension::PipeConnect));
    lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect()
}

fn attributes() -> Result<Attributes, Failure> {
    let known = |text: &str| Attribute::Known(Xtext::encode(text));
    let attributes = Attributes::default().with("ADDR", known("192.0.2.1"))?;
    Ok(attributes.with("NAME", known("client.interop.test"))?)
}

/// Once: the server may not trust the client that the first XCLIENT speaks of.
async fn xclient(trial: &Trial<'_>) -> Done {
    let mut connection = trial.connect().await?;
    offers(&connection, Extension::Xclient)?;
    trial.send_one(&mut connection).await?;
    connection.xclient(&attributes()?).await?;
    trial.send_one(&mut connection).await?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

async fn after_login(trial: &Trial<'_>) -> Done {
    let server = trial.target.endpoints.login.as_ref();
    let server = server.ok_or_else(|| Failure::skip("the server is not set up for logins"))?;
    let (user, password) = ACCOUNTS[0];
    let credentials = smtp_client::Credentials::password(user, password)?;
    let connector = trial.anonymous_to(server).login(smtp_client::Login::new(credentials));
    let mut connection = connector.connect().await?;
    match connection.rehlo().await {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let draft = trial.draft("After EHLO.\r\n");
    accepted(trial.send(&mut connection, &draft, &[alice()]).await?)?;
    connection.quit().await?;
    Ok(())
}
