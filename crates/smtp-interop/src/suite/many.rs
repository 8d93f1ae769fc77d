//! 200 messages on one connection, four of which are refused: one after the other and ahead, after
//! DATA and in chunks.
use smtp_client::{Ahead, FirstChunk, Framing, Sending};

use super::{
    Case, case,
    recipients::{framed, unknown},
};
use crate::{
    target::recipient,
    trial::{Done, Failure, Trial, ensure},
};

const COUNT: usize = 200;
const REFUSED: [usize; 4] = [0, 77, 78, 199];

pub(super) fn cases() -> Vec<Case> {
    let many = |ahead, framing, early| {
        async move |trial: &Trial<'_>| {
            let mut sending = Sending::default();
            (sending.framing, sending.first_chunk) = (framing, early);
            sending.ahead = if ahead { Some(Ahead::default()) } else { None };
            many(trial, sending).await
        }
    };
    let (late, early) = (FirstChunk::AfterRecipients, FirstChunk::WithCommands);
    vec![
        case("200 messages", many(false, Framing::Data, late)),
        case("200 messages, chunks", many(false, Framing::Chunks, late)),
        case("200 messages, ahead", many(true, Framing::Data, late)),
        case("200 messages, ahead, chunks", many(true, Framing::Chunks, late)),
        case("200 messages, ahead, early chunks", many(true, Framing::Chunks, early)),
    ]
}

async fn many(trial: &Trial<'_>, sending: Sending) -> Done {
    let mut connection = framed(trial, sending.framing).await?;
    *connection.sending_mut() = sending;
    let refused: &[usize] = if trial.target.rules.accepts_any { &[] } else { &REFUSED };
    let mut given = Vec::new();
    let mut messages = Vec::new();
    for number in 0..COUNT {
        let to = if refused.contains(&number) { unknown(number) } else { recipient(number) };
        let (draft, message) = trial.message(&to, &format!("Number {number}.\r\n.\r\n"))?;
        given.push((draft, to));
        messages.push(message);
    }
    let mut results = Vec::new();
    let mut running = connection.send_many(messages).await?;
    while let Some((index, result)) = running.next().await {
        if index != results.len() {
            return Err(Failure::fault(format!("result {} has the index {index}", results.len())));
        }
        results.push(result);
    }
    drop(running);
    for ((draft, to), result) in given.iter().zip(&results) {
        trial.record(draft, std::slice::from_ref(to), result);
    }
    // What was not begun was not sent.
    for (draft, to) in &given[results.len().min(given.len())..] {
        trial.record_claims(draft, vec![(to.clone(), crate::ledger::Claim::NotAccepted)]);
    }
    if results.len() != COUNT {
        let last = match results.last() {
            Some(Ok(delivery)) => delivery[0].to_string(),
            Some(Err(error)) => error.to_string(),
            None => "none".to_owned(),
        };
        let count = results.len();
        return Err(Failure::fault(format!(
            "{count} results of {COUNT} messages, the last: {last}"
        )));
    }
    for (number, result) in results.into_iter().enumerate() {
        let delivery = result?;
        let verdict = &delivery[0];
        let is_right = if refused.contains(&number) {
            verdict.reply().is_permanent()
        } else {
            verdict.is_accepted()
        };
        ensure(is_right, format!("message {number}: {verdict}"))?;
    }
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    Ok(())
}
