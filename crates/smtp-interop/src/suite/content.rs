//! Texts that are easily changed on the way, after DATA and in chunks.
use smtp_client::{ErrorKind, Framing, Unsupported};

use super::{Case, case, recipients::framed};
use crate::{
    target::DOMAIN,
    trial::{Done, Draft, Failure, Trial, accepted, alice},
};

/// Names, and bodies. A body need not end with a line end.
const BODIES: &[(&str, &str)] = &[
    ("dots", ".\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n\r\n.\r\n.\r\n"),
    ("no final line end", "The last line has no end"),
    ("no final line end after a dot", "one\r\n."),
    ("empty body", ""),
    ("8 bit", "Grüße ☃ 𝄞\r\n.é\r\n\u{a0}\r\n"),
    ("trailing blanks", "space \r\ntab\t\r\n \r\n\t\r\n\r\n\r\nafter blanks\r\n\r\n\r\n"),
    (
        "From lines",
        "From here to there\r\n>From quoted\r\n\r\nFrom me Mon Nov 23 10:00:00 2026\r\n",
    ),
    ("control characters", "\u{1}\u{8}\u{b}\u{c}\u{1b}[0m\u{7f}\r\n"),
];

pub(super) fn cases() -> Vec<Case> {
    let framings = [(Framing::Data, ""), (Framing::Chunks, ", chunks")];
    let mut cases = Vec::new();
    for &(name, body) in BODIES {
        for (framing, suffix) in framings {
            cases.push(case(format!("{name}{suffix}"), async move |trial: &Trial<'_>| {
                check(trial, framing, trial.draft(body), &alice()).await
            }));
        }
    }
    for (framing, suffix) in framings {
        cases.push(case(format!("998-octet lines{suffix}"), async move |trial: &Trial<'_>| {
            check(trial, framing, trial.draft(long_lines()), &alice()).await
        }));
        cases.push(case(
            format!("every octet of Latin-1{suffix}"),
            async move |trial: &Trial<'_>| {
                let mut body: Vec<u8> = (0x80..=0xff).collect();
                body.extend_from_slice(b"\r\n");
                check(trial, framing, trial.draft(body), &alice()).await
            },
        ));
        cases.push(case(format!("UTF-8 header field{suffix}"), async move |trial: &Trial<'_>| {
            let draft = trial.draft_with("Subject: Grüße ☃\r\n", "Text.\r\n");
            check(trial, framing, draft, &alice()).await
        }));
        cases.push(case(format!("UTF-8 address{suffix}"), async move |trial: &Trial<'_>| {
            check(trial, framing, trial.draft("Text.\r\n"), &format!("ünï@{DOMAIN}")).await
        }));
        cases.push(case(
            format!("folded header fields{suffix}"),
            async move |trial: &Trial<'_>| {
                let fields = "X-Fold: a\r\n\tb\r\n   c\r\nX-Odd:no-space\r\nX-Trail: t  \r\n";
                check(trial, framing, trial.draft_with(fields, "Text.\r\n"), &alice()).await
            },
        ));
    }
    cases
}

/// Lines of the longest length, one of which grows by a dot on its way.
fn long_lines() -> String {
    format!("{}\r\n.{}\r\n{}\r\n", "a".repeat(998), "b".repeat(997), ".".repeat(998))
}

async fn check(trial: &Trial<'_>, framing: Framing, mut draft: Draft, to: &str) -> Done {
    let mut connection = framed(trial, framing).await?;
    let data = draft.data()?;
    // A text on the wire ends with a line end.
    if !draft.octets.ends_with(b"\r\n") {
        draft.octets.extend_from_slice(b"\r\n");
    }
    let recipients = [to.to_owned()];
    let envelope = smtp_client::Envelope::new(crate::trial::SENDER, &recipients)?;
    let result = connection.send(&envelope, &data).await;
    trial.record(&draft, &recipients, &result);
    let missing = match &result {
        Err(error) => match error.kind() {
            ErrorKind::Unsupported(Unsupported::Extension(extension)) => {
                Some(extension.to_string())
            }
            _ => None,
        },
        Ok(_) => None,
    };
    trial.send_one(&mut connection).await?;
    connection.quit().await?;
    match missing {
        Some(extension) => Err(Failure::skip(format!("{extension} is not offered"))),
        None => accepted(result),
    }
}
