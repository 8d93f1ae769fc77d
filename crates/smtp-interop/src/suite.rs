//! The suite: cases by name, in the order of the table. They use the public API of the client only.

mod commands;
mod content;
mod endings;
mod large;
mod login;
mod mailer;
mod many;
mod parameters;
mod recipients;
mod transport;

use std::{future::Future, pin::Pin, time::Duration};

use crate::trial::{Done, Failure, Trial};

/// The longest time that a case may take.
const CASE: Duration = Duration::from_secs(120);

/// A case: what is tried, and what has to hold.
pub(crate) struct Case {
    pub(crate) name: String,
    body: Box<dyn Body>,
}

trait Body {
    fn run<'t>(&'t self, trial: &'t Trial<'_>) -> Pin<Box<dyn Future<Output = Done> + 't>>;
}

impl<F: AsyncFn(&Trial<'_>) -> Done> Body for F {
    fn run<'t>(&'t self, trial: &'t Trial<'_>) -> Pin<Box<dyn Future<Output = Done> + 't>> {
        Box::pin(self(trial))
    }
}

fn case(name: impl Into<String>, body: impl AsyncFn(&Trial<'_>) -> Done + 'static) -> Case {
    Case { name: name.into(), body: Box::new(body) }
}

/// Returns every case.
pub(crate) fn cases() -> Vec<Case> {
    let groups = [
        transport::cases(),
        login::cases(),
        commands::cases(),
        recipients::cases(),
        content::cases(),
        large::cases(),
        parameters::cases(),
        many::cases(),
        mailer::cases(),
        endings::cases(),
    ];
    groups.into_iter().flatten().collect()
}

/// The outcome of a case with one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was delivered is what was sent, and what the client claimed is true.
    Equal,
    /// The same, but for what is known of the server: these names or reasons.
    Known(String),
    /// It was not tried, for this reason.
    Skipped(String),
    /// Anything else, with the end of the dialogue.
    Fault { text: String, dialogue: Vec<String> },
}

/// Runs one case against the target of a trial.
pub(crate) async fn run(case: &Case, trial: &Trial<'_>) -> Outcome {
    trial.begin(&case.name);
    let body = tokio::time::timeout(CASE, case.body.run(trial));
    let done = body.await.unwrap_or_else(|_| Err(Failure::fault(format!("no end after {CASE:?}"))));
    // What was delivered is compared even where the case failed.
    let settled = trial.settle().await;
    let compared = match (done, settled) {
        (Err(Failure::Fault(case)), Err(Failure::Fault(delivery))) => {
            Err(Failure::Fault(format!("{case}; {delivery}")))
        }
        (Ok(()) | Err(Failure::Skip(_)), Err(failure)) | (Err(failure), _) => Err(failure),
        (Ok(()), Ok(_)) if !trial.has_claims() => Err(Failure::fault("nothing was compared")),
        (Ok(()), Ok(changes)) => Ok(changes),
    };
    match (compared, trial.target.exception(&case.name)) {
        (Ok(changes), _) if changes.is_empty() => Outcome::Equal,
        (Ok(changes), _) => Outcome::Known(changes.join(", ")),
        (Err(Failure::Skip(reason)), _) => Outcome::Skipped(reason),
        (Err(Failure::Fault(text)), Some(known)) if known.explains(&text) => {
            Outcome::Known(known.why.to_owned())
        }
        (Err(Failure::Fault(text)), _) => Outcome::Fault { text, dialogue: trial.dialogue() },
    }
}

/// Looks once more for what was delivered, after every case: nothing may have come late, twice, or
/// though it was refused.
pub(crate) async fn audit(trial: &Trial<'_>) -> Outcome {
    trial.begin("nothing else is delivered");
    match trial.settle().await {
        Ok(_) => Outcome::Equal,
        Err(Failure::Skip(text) | Failure::Fault(text)) => {
            Outcome::Fault { text, dialogue: Vec::new() }
        }
    }
}
