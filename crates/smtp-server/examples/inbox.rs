//! The smallest server: it shows what it receives for `example.org`.
#![allow(clippy::print_stdout, reason = "it shows what it receives")]

use smtp_server::{
    Accept, Context, Data, Decision, Envelope, Handler, Outcome, Rcpt, Refuse, Server,
};

struct Inbox;

impl Handler for Inbox {
    type State = ();

    async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
        match rcpt.path().as_str().to_ascii_lowercase().ends_with("@example.org") {
            true => Ok(Accept::usual()),
            false => Err(Refuse::no_such_mailbox()),
        }
    }

    async fn message(
        &self,
        _: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let text = data.read_all().await?;
        println!("For {} recipients:\n{}", envelope.rcpts().len(), String::from_utf8_lossy(&text));
        Ok(Outcome::accepted())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:2525");
    Ok(Server::new(Inbox).listen(address)?.run().await?)
}
