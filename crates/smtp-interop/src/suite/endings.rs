//! Connections that the server ends: idle, restarted between messages and during one.
use std::time::Duration;

use smtp_client::{Content, Envelope, Framing, Mailer, Server};
use tokio::io::AsyncWriteExt;

use super::{Case, case, recipients::framed};
use crate::trial::{Done, Failure, SENDER, Trial, accepted, alice, ensure};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("idle disconnect, connection", idle_connection),
        case("idle disconnect, mailer", idle_mailer),
        case("restart between messages, connection", between_on_connection),
        case("restart between messages, mailer", between_in_mailer),
        case("restart during a message", async |trial: &Trial<'_>| {
            during(trial, Framing::Data).await
        }),
        case("restart during a message, chunks", async |trial: &Trial<'_>| {
            during(trial, Framing::Chunks).await
        }),
    ]
}

fn idle<'t>(trial: &'t Trial<'_>) -> Result<(&'t Server, Duration), Failure> {
    let idle = trial.target.endpoints.idle.as_ref();
    let idle = idle.ok_or_else(|| Failure::skip("the server has no short idle time"))?;
    Ok((&idle.0, idle.1 + Duration::from_secs(2)))
}

async fn restart(trial: &Trial<'_>) -> Done {
    trial.kill();
    trial.service.start().await.map_err(|why| Failure::fault(format!("restart: {why}")))
}

/// A message on a connection that has ended is not sent, and this is not in doubt.
async fn not_sent(trial: &Trial<'_>, connection: &mut smtp_client::Connection) -> Done {
    let draft = trial.draft("Too late.\r\n");
    match trial.send(connection, &draft, &[alice()]).await? {
        Ok(_) => Err(Failure::fault("a message was sent on a connection that has ended")),
        Err(error) => {
            ensure(!error.in_doubt(), format!("in doubt: {error}"))?;
            ensure(error.is_transient(), format!("not transient: {error}"))
        }
    }
}

async fn idle_connection(trial: &Trial<'_>) -> Done {
    let (server, time) = idle(trial)?;
    let mut connection = trial.connector_to(server)?.connect().await?;
    trial.send_one(&mut connection).await?;
    tokio::time::sleep(time).await;
    not_sent(trial, &mut connection).await
}

async fn through(trial: &Trial<'_>, mailer: &Mailer) -> Done {
    let draft = trial.draft("Through the mailer.\r\n");
    let result = mailer.send(Envelope::new(SENDER, [alice()])?, draft.data()?).await;
    trial.record(&draft, &[alice()], &result);
    accepted(result)
}

async fn idle_mailer(trial: &Trial<'_>) -> Done {
    let (server, time) = idle(trial)?;
    let mailer = Mailer::new(trial.connector_to(server)?);
    through(trial, &mailer).await?;
    tokio::time::sleep(time).await;
    through(trial, &mailer).await?;
    mailer.close().await;
    Ok(())
}

async fn between_on_connection(trial: &Trial<'_>) -> Done {
    let mut connection = trial.connect().await?;
    trial.send_one(&mut connection).await?;
    trial.settle().await?;
    restart(trial).await?;
    not_sent(trial, &mut connection).await?;
    let mut connection = trial.connect().await?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

async fn between_in_mailer(trial: &Trial<'_>) -> Done {
    let mailer = Mailer::new(trial.connector()?);
    through(trial, &mailer).await?;
    trial.settle().await?;
    restart(trial).await?;
    through(trial, &mailer).await?;
    mailer.close().await;
    Ok(())
}

/// The server is killed when it has a part of a text: nothing is in doubt, and nothing is delivered,
/// also after the server has come up again.
async fn during(trial: &Trial<'_>, framing: Framing) -> Done {
    let mut connection = framed(trial, framing).await?;
    let draft = trial.draft("A line of the text.\r\n".repeat(700_000));
    // What is left is more than the buffers of the system take when the server is gone.
    let part = draft.octets.len() / 8;
    let envelope = Envelope::new(SENDER, [alice()])?;
    let (mut writer, reader) = tokio::io::duplex(64 << 10);
    let feed = async {
        let (first, second) = draft.octets.split_at(part);
        // Whether the client reads on is its own affair.
        let _ = writer.write_all(first).await;
        trial.kill();
        let _ = writer.write_all(second).await;
        drop(writer);
    };
    let (result, ()) = tokio::join!(connection.send(&envelope, Content::read(reader)), feed);
    trial.record(&draft, &[alice()], &result);
    trial.service.start().await.map_err(|why| Failure::fault(format!("restart: {why}")))?;
    let error = match result {
        Ok(delivery) if delivery.any_accepted() => {
            return Err(Failure::fault("a part of a message was accepted"));
        }
        Ok(delivery) => return Err(Failure::fault(&delivery[0])),
        Err(error) => error,
    };
    ensure(!error.in_doubt(), format!("in doubt: {error}"))?;
    let mut connection = trial.connect().await?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}
