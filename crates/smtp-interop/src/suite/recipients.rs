//! One recipient, fifty, more than a server takes at once; some refused, all refused.
use smtp_client::{Connection, Delivery, Excess, Extension, Framing, Partial, Sending};

use super::{Case, case};
use crate::{
    target::{DOMAIN, MANY, recipient},
    trial::{Done, Failure, Trial, accepted, alice, ensure, offers},
};

pub(super) fn cases() -> Vec<Case> {
    let some = |framing| async move |trial: &Trial<'_>| every_other(trial, framing).await;
    let none = |framing| async move |trial: &Trial<'_>| all_refused(trial, framing).await;
    let withheld = |framing| async move |trial: &Trial<'_>| withheld(trial, framing).await;
    vec![
        case("50 recipients", async |trial: &Trial<'_>| many(trial, 50).await),
        case("1,100 recipients", async |trial: &Trial<'_>| many(trial, MANY).await),
        case("every other recipient refused", some(Framing::Data)),
        case("every other recipient refused, chunks", some(Framing::Chunks)),
        case("all recipients refused", none(Framing::Data)),
        case("all recipients refused, chunks", none(Framing::Chunks)),
        case("one refused, withheld", withheld(Framing::Data)),
        case("one refused, withheld, chunks", withheld(Framing::Chunks)),
    ]
}

pub(super) fn unknown(number: usize) -> String {
    format!("nosuch{number}@{DOMAIN}")
}

/// Connects, if the server takes texts with this framing.
pub(super) async fn framed(trial: &Trial<'_>, framing: Framing) -> Result<Connection, Failure> {
    let mut connection = trial.connect().await?;
    if framing == Framing::Chunks {
        offers(&connection, Extension::Chunking)?;
    }
    connection.sending_mut().framing = framing;
    Ok(connection)
}

async fn many(trial: &Trial<'_>, count: usize) -> Done {
    let mut connection = trial.connect().await?;
    connection.sending_mut().excess = Excess::Continue;
    let recipients: Vec<String> = (0..count).map(recipient).collect();
    accepted(trial.send(&mut connection, &trial.draft("To many.\r\n"), &recipients).await?)?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

/// Requires that exactly the unknown recipients were refused, for good.
fn check_unknown(delivery: &Delivery) -> Done {
    for (recipient, verdict) in delivery.verdicts() {
        let is_unknown = recipient.starts_with("nosuch");
        let is_right =
            if is_unknown { verdict.reply().is_permanent() } else { verdict.is_accepted() };
        ensure(is_right, format!("{recipient}: {verdict}"))?;
    }
    Ok(())
}

async fn every_other(trial: &Trial<'_>, framing: Framing) -> Done {
    trial.needs_refusals()?;
    let mut connection = framed(trial, framing).await?;
    // Three at a time: servers end a session after some refusals in a row.
    for first in [0, 6] {
        let pairs = (first..first + 3).flat_map(|number| [unknown(number), recipient(number)]);
        let recipients: Vec<String> = pairs.collect();
        let draft = trial.draft("To every other.\r\n");
        let delivery = trial.send(&mut connection, &draft, &recipients).await??;
        check_unknown(&delivery)?;
    }
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

async fn all_refused(trial: &Trial<'_>, framing: Framing) -> Done {
    trial.needs_refusals()?;
    let mut connection = framed(trial, framing).await?;
    let recipients: Vec<String> = (0..3).map(unknown).collect();
    let draft = trial.draft("To nobody.\r\n");
    let delivery = trial.send(&mut connection, &draft, &recipients).await??;
    check_unknown(&delivery)?;
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}

async fn withheld(trial: &Trial<'_>, framing: Framing) -> Done {
    trial.needs_refusals()?;
    let mut connection = framed(trial, framing).await?;
    let mut sending = Sending::default();
    (sending.framing, sending.partial) = (framing, Partial::Withhold);
    *connection.sending_mut() = sending;
    let recipients = [alice(), unknown(0), recipient(0)];
    let draft = trial.draft("To all or nobody.\r\n");
    let result = trial.send(&mut connection, &draft, &recipients).await?;
    let Err(error) = result else {
        return Err(Failure::fault("a message was sent although a recipient was refused"));
    };
    ensure(!error.in_doubt(), format!("in doubt: {error}"))?;
    let everybody = [alice(), recipient(0)];
    accepted(trial.send(&mut connection, &trial.draft("To all.\r\n"), &everybody).await?)?;
    connection.quit().await?;
    Ok(())
}
