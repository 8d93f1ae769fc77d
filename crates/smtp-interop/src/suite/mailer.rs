//! A mailer with four connections.
use smtp_client::{Envelope, Mailer};

use super::{Case, case, recipients::unknown};
use crate::{
    target::recipient,
    trial::{Done, Failure, SENDER, Trial, ensure},
};

const COUNT: usize = 60;
const CONNECTIONS: usize = 4;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("mailer, 4 connections, tasks", tasks),
        case("mailer, 4 connections, send_all", all_at_once),
    ]
}

fn is_known(trial: &Trial<'_>, number: usize) -> bool {
    number % 20 != 7 || trial.target.rules.accepts_any
}

fn recipient_of(trial: &Trial<'_>, number: usize) -> String {
    if is_known(trial, number) { recipient(number) } else { unknown(number) }
}

fn check(trial: &Trial<'_>, number: usize, delivery: &smtp_client::Delivery) -> Done {
    let is_known = is_known(trial, number);
    let verdict = &delivery[0];
    ensure(verdict.is_accepted() == is_known, format!("message {number}: {verdict}"))
}

async fn tasks(trial: &Trial<'_>) -> Done {
    let mailer = Mailer::builder(trial.connector()?).connections(CONNECTIONS).build();
    let mut running = Vec::new();
    for number in 0..COUNT {
        let to = recipient_of(trial, number);
        let draft = trial.draft("From a task.\r\n");
        let (envelope, data) = (Envelope::new(SENDER, [&to])?, draft.data()?);
        let mailer = mailer.clone();
        let task = tokio::spawn(async move { mailer.send(envelope, data).await });
        running.push((draft, to, task));
    }
    let mut results = Vec::new();
    for (draft, to, task) in running {
        let result = task.await.map_err(Failure::fault)?;
        trial.record(&draft, &[to], &result);
        results.push(result);
    }
    let connections = mailer.connections();
    mailer.close().await;
    ensure(connections <= CONNECTIONS, format!("{connections} connections"))?;
    for (number, result) in results.into_iter().enumerate() {
        check(trial, number, &result?)?;
    }
    Ok(())
}

async fn all_at_once(trial: &Trial<'_>) -> Done {
    let mailer = Mailer::builder(trial.connector()?).connections(CONNECTIONS).build();
    let mut given = Vec::new();
    let mut messages = Vec::new();
    for number in 0..COUNT {
        let to = recipient_of(trial, number);
        let (draft, message) = trial.message(&to, "One of many.\r\n")?;
        given.push((draft, to));
        messages.push((number, message));
    }
    let mut sending = mailer.send_all(messages);
    let mut results = Vec::new();
    while let Some((number, result)) = sending.next().await {
        let (draft, to) = &given[number];
        trial.record(draft, std::slice::from_ref(to), &result);
        results.push((number, result));
    }
    drop(sending);
    mailer.close().await;
    ensure(results.len() == COUNT, format!("{} results of {COUNT} messages", results.len()))?;
    for (number, result) in results {
        check(trial, number, &result?)?;
    }
    Ok(())
}
