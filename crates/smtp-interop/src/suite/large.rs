//! 30 MB, and more than the server takes.
use std::{io::Cursor, sync::LazyLock};

use smtp_client::{Content, Envelope, ErrorKind, Extension, Framing, Security, Unsupported};

use super::{Case, case, recipients::framed};
use crate::{
    target::SIZE_LIMIT,
    trial::{Done, Failure, SENDER, Trial, accepted, alice, ensure, offers},
};

const LARGE: usize = 30_000_000;
/// Over the limit also for a server that counts each line end as one octet.
const TOO_LARGE: usize = SIZE_LIMIT / 10 * 11;

pub(super) fn cases() -> Vec<Case> {
    let large = |framing, from| async move |trial: &Trial<'_>| large(trial, framing, from).await;
    vec![
        case("30 MB from memory", large(Framing::Data, From::Memory)),
        case("30 MB from a reader", large(Framing::Data, From::Reader)),
        case("30 MB from memory, chunks", large(Framing::Chunks, From::Memory)),
        case("30 MB from a reader, chunks", large(Framing::Chunks, From::Reader)),
        case("30 MB inside TLS", inside_tls),
        case("over-size, declared", declared),
        case("over-size, undeclared", undeclared),
    ]
}

#[derive(Clone, Copy)]
enum From {
    Memory,
    Reader,
}

/// Lines of all lengths, many of which begin with a dot: at least so many octets.
fn body(octets: usize) -> Vec<u8> {
    static BLOCK: LazyLock<Vec<u8>> = LazyLock::new(block);
    BLOCK.repeat(octets / BLOCK.len() + 1)
}

fn block() -> Vec<u8> {
    let mut block = Vec::new();
    let mut state = 1_u32;
    while block.len() < 100_000 {
        // The constants of Numerical Recipes: any sequence does, if it is the same each time.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (state >> 24) as usize % 78;
        block.extend(std::iter::repeat_n(b".abc xyz"[(state >> 8) as usize % 8], length));
        block.extend_from_slice(b"\r\n");
    }
    block
}

async fn large(trial: &Trial<'_>, framing: Framing, from: From) -> Done {
    let mut connection = framed(trial, framing).await?;
    let draft = trial.draft(body(LARGE));
    match from {
        From::Memory => accepted(trial.send(&mut connection, &draft, &[alice()]).await?)?,
        From::Reader => {
            let envelope = Envelope::new(SENDER, [alice()])?;
            let reader = Content::read(Cursor::new(draft.octets.clone()));
            let result = connection.send(&envelope, reader).await;
            trial.record(&draft, &[alice()], &result);
            accepted(result)?;
        }
    }
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

async fn inside_tls(trial: &Trial<'_>) -> Done {
    let ends = &trial.target.endpoints;
    let server = ends.tls.as_ref().or(ends.starttls.as_ref());
    let server = server.filter(|server| server.security != Security::Plain);
    let server = server.ok_or_else(|| Failure::skip("the server is not set up for it"))?;
    let mut connection = trial.connector_to(server)?.connect().await?;
    let draft = trial.draft(body(LARGE));
    accepted(trial.send(&mut connection, &draft, &[alice()]).await?)?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

/// The client knows the limit, and writes nothing.
async fn declared(trial: &Trial<'_>) -> Done {
    let mut connection = trial.connect().await?;
    offers(&connection, Extension::Size)?;
    let limit = connection.capabilities().size_limit();
    let limit = limit.ok_or_else(|| Failure::skip("SIZE is offered without a limit"))?;
    ensure(limit <= SIZE_LIMIT as u64, format!("the server states a limit of {limit}"))?;
    let draft = trial.draft(body(TOO_LARGE));
    let result = trial.send(&mut connection, &draft, &[alice()]).await?;
    match &result {
        Err(error) if !error.in_doubt() => match error.kind() {
            ErrorKind::Unsupported(Unsupported::TooBig { .. }) => {}
            _ => return Err(Failure::fault(format!("not refused for its size: {error}"))),
        },
        _ => return Err(Failure::fault("the client sent what is too large")),
    }
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

/// The client cannot know the size. The server refuses the message, and this is not in doubt.
async fn undeclared(trial: &Trial<'_>) -> Done {
    let mut connection = trial.connect().await?;
    offers(&connection, Extension::Size)?;
    let draft = trial.draft(body(TOO_LARGE));
    let envelope = Envelope::new(SENDER, [alice()])?;
    let reader = Content::read(Cursor::new(draft.octets.clone()));
    let result = connection.send(&envelope, reader).await;
    trial.record(&draft, &[alice()], &result);
    match &result {
        Ok(delivery) => ensure(!delivery.any_accepted(), "the server took what is too large")?,
        Err(error) => ensure(!error.in_doubt(), format!("in doubt: {error}"))?,
    }
    if connection.ended().is_some() {
        connection = trial.connect().await?;
    }
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}
