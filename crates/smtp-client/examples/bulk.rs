//! Sends a text to every address of a list, over eight connections. The journal has the state of
//! each address: a program that was interrupted goes on where it was, and sends nothing twice.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{
    collections::HashMap,
    env,
    error::Error,
    fs::{self, OpenOptions},
    io::Write,
};

use smtp_client::{Connector, Envelope, LineEnds, MailData, Mailer, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [server, from, text, list, journal] = &arguments[..] else {
        return Err("usage: bulk SERVER FROM TEXT LIST JOURNAL".into());
    };
    let text = MailData::normalize(fs::read(text)?, LineEnds::Any)?;
    let list = fs::read_to_string(list)?;

    // The last line about an address counts. `begun` without a result is in doubt: the program was
    // interrupted while the message was on its way. Only what certainly was not accepted is sent.
    let done = fs::read_to_string(journal).unwrap_or_default();
    let done: HashMap<_, _> = done.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let again = |to: &&str| matches!(done.get(to), None | Some(&"unsent"));
    let mut to_send: Vec<(&str, Envelope)> = Vec::new();
    for to in list.lines().filter(again) {
        to_send.push((to, Envelope::new(from.as_str(), [to])?));
    }

    let mut journal = OpenOptions::new().create(true).append(true).open(journal)?;
    let mut begun = journal.try_clone()?;
    let mut counts = HashMap::new();
    let mailer = Mailer::builder(Connector::new(server.parse()?)).connections(8).build();
    let messages = to_send.into_iter().map_while(|(to, envelope)| {
        // Nothing is sent that is not in the journal.
        writeln!(begun, "{to} begun").ok()?;
        Some((to, Message::new(envelope, &text)))
    });
    let mut results = mailer.send_all(messages);
    while let Some((to, result)) = results.next().await {
        let state = match result {
            Ok(delivery) if delivery.all_accepted() => "sent",
            Ok(delivery) if delivery[0].is_transient() => "unsent",
            Ok(_) => "refused",
            Err(error) if error.in_doubt() => "in-doubt",
            Err(_) => "unsent",
        };
        writeln!(journal, "{to} {state}")?;
        *counts.entry(state).or_insert(0) += 1;
    }
    mailer.close().await;
    println!("{counts:?}");
    Ok(())
}
