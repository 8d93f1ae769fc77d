//! Signs a message (DKIM, RFC 6376) and delivers it to the recipients' own servers.
//!
//! The message is read from standard input, with CRLF line ends; the arguments are the sender and the
//! recipients. `HELLO` is the public name of this machine. `DKIM_KEY` is the file with the RSA key,
//! `DKIM_DOMAIN` and `DKIM_SELECTOR` say where its public key is published. `PORT` is for tests.
use std::{
    env,
    error::Error,
    io::{self, Read},
};

use mail_auth::{
    common::{
        crypto::{RsaKey, Sha256},
        headers::HeaderWriter,
    },
    dkim::DkimSigner,
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use smtp_client::{Envelope, MailData};
use smtp_delivery::Courier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let sender = arguments.next().ok_or("usage: deliver SENDER RECIPIENT...")?;
    let envelope = Envelope::new(&*sender, arguments)?;
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;

    // Signed once, before the first attempt: all hosts get the same octets.
    let key = PrivateKeyDer::from_pem_file(env::var("DKIM_KEY")?)?;
    let signer = DkimSigner::from_key(RsaKey::<Sha256>::from_key_der(key)?)
        .domain(env::var("DKIM_DOMAIN")?)
        .selector(env::var("DKIM_SELECTOR")?)
        .headers(["From", "To", "Subject", "Date", "Message-ID"]);
    let mut signed = signer.sign(&text)?.to_header().into_bytes();
    signed.append(&mut text);

    let port = env::var("PORT").map_or(Ok(25), |port| port.parse())?;
    let courier = Courier::system()?.hello_name(env::var("HELLO")?.parse()?).port(port).build();
    let report = courier.deliver(&envelope, MailData::new(signed)?).await;
    for (rcpt, outcome) in report.outcomes() {
        println!("{}: {outcome}", rcpt.path().as_str());
    }
    courier.close().await;
    // What is to be tried again, and what is in doubt, is for a queue: see `queue_worker.rs`.
    if report.all_delivered() { Ok(()) } else { Err("not delivered to every recipient".into()) }
}
