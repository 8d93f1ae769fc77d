//! Sends what is queued in a table of PostgreSQL. Any number of these programs may run, on several
//! machines: `FOR UPDATE SKIP LOCKED` gives each message to one of them.
//!
//! A recipient is `sending` in the database before anything is written to the mail server. A
//! program that dies in between leaves it so: nothing knows then whether the message was accepted,
//! so no other program takes it up, and after `LEASE` it is `in doubt`, for a person to decide.
//!
//! `DATABASE_URL` is the database, `SMTP_URL` the server. With the argument `once` the program ends
//! when nothing is due.
use std::{env, error::Error, time::Duration};

use smtp_client::{Delivery, Envelope, LineEnds, MailData, Mailer};
use tokio_postgres::{Client, NoTls};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS message (
    id      bigserial PRIMARY KEY,
    sender  text NOT NULL,
    content bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS recipient (
    message  bigint NOT NULL REFERENCES message,
    address  text NOT NULL,
    state    text NOT NULL DEFAULT 'waiting'
             CHECK (state IN ('waiting', 'sending', 'accepted', 'refused', 'in doubt')),
    attempts int NOT NULL DEFAULT 0,
    due      timestamptz NOT NULL DEFAULT now(),
    reply    text,
    PRIMARY KEY (message, address)
);
CREATE INDEX IF NOT EXISTS recipient_due ON recipient (due) WHERE state = 'waiting';
";

/// Takes the recipients of one message that are due. The lock on the message keeps other programs
/// from them until the commit; from then on their state does.
const TAKE: &str = "
WITH chosen AS (
    SELECT id FROM message
    WHERE EXISTS (
        SELECT FROM recipient
        WHERE message = id AND state = 'waiting' AND due <= now()
    )
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE recipient SET state = 'sending', attempts = attempts + 1, due = now()
FROM chosen WHERE message = chosen.id AND state = 'waiting' AND due <= now()
RETURNING message, address
";

/// What a program that died has left.
const EXPIRE: &str = "
UPDATE recipient SET state = 'in doubt', reply = 'the program that sent it did not come back'
WHERE state = 'sending' AND due < now() - $1::bigint * interval '1 second'
";

/// Longer than any message takes: the timeouts of all its steps together.
const LEASE: Duration = Duration::from_secs(3600);
const MAX_ATTEMPTS: i32 = 5;

/// Sends one message, if one is due.
async fn work(database: &Client, mailer: &Mailer) -> Result<bool, Box<dyn Error>> {
    let lease = i64::try_from(LEASE.as_secs())?;
    database.execute(EXPIRE, &[&lease]).await?;
    // One statement is one transaction: it is committed before anything is sent.
    let taken = database.query(TAKE, &[]).await?;
    let Some(first) = taken.first() else { return Ok(false) };
    let id: i64 = first.get("message");
    let addresses: Vec<String> = taken.iter().map(|row| row.get("address")).collect();
    let row = "SELECT sender, content FROM message WHERE id = $1";
    let row = database.query_one(row, &[&id]).await?;
    let (sender, content): (String, Vec<u8>) = (row.get("sender"), row.get("content"));

    let sent = match prepared(&sender, &addresses, content) {
        Ok((envelope, text)) => mailer.send(envelope, text).await.map_err(Failure::from),
        // Nothing was sent, and nothing will change: it cannot be sent.
        Err(error) => Err(Failure { state: "refused", reply: error.to_string() }),
    };
    for (address, (state, reply)) in addresses.iter().zip(results(sent, addresses.len())) {
        let record = "
            UPDATE recipient SET reply = $4,
                state = CASE WHEN $3 = 'waiting' AND attempts >= $5 THEN 'refused' ELSE $3 END,
                due = now() + interval '1 minute' * power(2, attempts)
            WHERE message = $1 AND address = $2";
        database.execute(record, &[&id, address, &state, &reply, &MAX_ATTEMPTS]).await?;
    }
    Ok(true)
}

fn prepared(
    sender: &str,
    addresses: &[String],
    content: Vec<u8>,
) -> Result<(Envelope, MailData), Box<dyn Error>> {
    let envelope = Envelope::new(sender, addresses)?;
    Ok((envelope, MailData::normalize(content, LineEnds::Unix)?))
}

/// Why there is no delivery.
struct Failure {
    state: &'static str,
    reply: String,
}

impl From<smtp_client::Error> for Failure {
    fn from(error: smtp_client::Error) -> Self {
        let state = match error.in_doubt() {
            true => "in doubt",
            false if error.is_transient() => "waiting",
            false => "refused",
        };
        Self { state, reply: error.to_string() }
    }
}

/// The new state and the reply of each recipient.
fn results(sent: Result<Delivery, Failure>, count: usize) -> Vec<(&'static str, String)> {
    match sent {
        Err(Failure { state, reply }) => vec![(state, reply); count],
        Ok(delivery) => {
            let verdicts = delivery.verdicts().map(|(_, verdict)| {
                let state = match verdict.is_accepted() {
                    true => "accepted",
                    false if verdict.is_transient() => "waiting",
                    false => "refused",
                };
                (state, verdict.to_string())
            });
            verdicts.collect()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (database, connection) = tokio_postgres::connect(&env::var("DATABASE_URL")?, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("database: {error}");
        }
    });
    database.batch_execute(SCHEMA).await?;
    let mailer = Mailer::from_url(&env::var("SMTP_URL")?)?;
    let once = env::args().any(|argument| argument == "once");
    loop {
        if !work(&database, &mailer).await? {
            if once {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    mailer.close().await;
    Ok(())
}
