//! Gives a message from standard input to a local mail server over its Unix socket, by LMTP or
//! SMTP. A socket is safe from other hosts, so there is no TLS, and a login would be sent.
//!
//! `SMTP_URL` is the socket, such as `lmtp+unix:///run/dovecot/lmtp`; the arguments are the
//! reverse-path and the forward-paths.
use std::{env, error::Error, io::Read};

use smtp_client::{Envelope, LineEnds, MailData, blocking::Connector};

fn main() -> Result<(), Box<dyn Error>> {
    let mut addresses = env::args().skip(1);
    let sender = addresses.next().ok_or("usage: unix_socket REVERSE-PATH FORWARD-PATH...")?;
    let envelope = Envelope::new(sender, addresses)?;
    let mut octets = Vec::new();
    std::io::stdin().read_to_end(&mut octets)?;
    // Files of Unix end their lines with LF.
    let text = MailData::normalize(octets, LineEnds::Unix)?;

    let mut connection = Connector::from_url(&env::var("SMTP_URL")?)?.connect()?;
    // With LMTP, each recipient has a reply of its own after the text.
    let delivery = connection.send(&envelope, &text)?;
    for (recipient, verdict) in delivery.verdicts() {
        println!("{recipient}: {verdict}");
    }
    connection.quit()?;
    Ok(())
}
