//! Asks for delivery status notifications (RFC 3461), and shows the result for each recipient.
//!
//! `SMTP_URL` is the server; the arguments are the sender and the recipients.
use std::{env, error::Error};

use smtp_client::{
    Connector, Envelope, Extension, Mail, MailData, MailParam, Notify, Rcpt, RcptParam, Ret, Xtext,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let sender = arguments.next().ok_or("usage: dsn SENDER RECIPIENT...")?;
    let mut connection = Connector::from_url(&env::var("SMTP_URL")?)?.connect().await?;
    if !connection.capabilities().has(Extension::Dsn) {
        return Err("the server does not offer DSN".into());
    }

    // The identifier comes back in every notification.
    let mail = Mail::try_from(&*sender)?
        .with(MailParam::EnvId(Xtext::encode("order-4711")))?
        .with(MailParam::Ret(Ret::Headers))?;
    let notify = Notify { success: true, failure: true, delay: false };
    let recipients =
        arguments.map(|recipient| Rcpt::try_from(&*recipient)?.with(RcptParam::Notify(notify)));
    let envelope = Envelope::new(mail, recipients.collect::<Result<Vec<_>, _>>()?)?;
    let text = MailData::new("Subject: your order\r\n\r\nIt is on its way.\r\n")?;

    let delivery = connection.send(&envelope, &text).await?;
    for (recipient, verdict) in delivery.verdicts() {
        println!("{recipient}: {verdict}");
    }
    connection.quit().await?;
    Ok(())
}
