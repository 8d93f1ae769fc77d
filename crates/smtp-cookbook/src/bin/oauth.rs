//! Sends with OAuth, as Gmail and Microsoft 365 want it: a refresh token gives access tokens, and
//! each of them is used until shortly before it expires.
//!
//! `SMTP_URL` is the server without a login, such as `smtp+starttls://smtp.office365.com` or
//! `smtps://smtp.gmail.com`; `MAILBOX` the user; `TOKEN_URL` the token endpoint, such as
//! `https://login.microsoftonline.com/common/oauth2/v2.0/token` or
//! `https://oauth2.googleapis.com/token`; `CLIENT_ID`, `CLIENT_SECRET` and `REFRESH_TOKEN` are
//! those of the application.
use std::{
    env,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use smtp_client::{
    Connector, Credentials, Envelope, Login, MailData, Mailer,
    sasl::{Secret, Token},
};
use tokio::sync::Mutex;

/// Gives access tokens.
struct Provider {
    http: reqwest::Client,
    url: String,
    form: [(&'static str, String); 4],
    current: Mutex<Option<(String, Instant)>>,
}

/// The reply of the endpoint (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Provider {
    /// Returns an access token that is valid for another minute at least. Several connections that
    /// log in at once wait for one request.
    async fn access_token(&self) -> Result<Secret, reqwest::Error> {
        let mut current = self.current.lock().await;
        if let Some((token, expires)) = &*current
            && *expires > Instant::now() + Duration::from_secs(60)
        {
            return Ok(Secret::from(&**token));
        }
        let reply = self.http.post(&self.url).form(&self.form).send().await?;
        let granted: Granted = reply.error_for_status()?.json().await?;
        let expires = Instant::now() + Duration::from_secs(granted.expires_in);
        *current = Some((granted.access_token.clone(), expires));
        Ok(Secret::from(granted.access_token))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mailbox = env::var("MAILBOX")?;
    let provider = Arc::new(Provider {
        http: reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?,
        url: env::var("TOKEN_URL")?,
        form: [
            ("grant_type", "refresh_token".into()),
            ("client_id", env::var("CLIENT_ID")?),
            ("client_secret", env::var("CLIENT_SECRET")?),
            ("refresh_token", env::var("REFRESH_TOKEN")?),
        ],
        current: Mutex::default(),
    });
    // The token is fetched at every login, once the server is known to accept one.
    let token = Token::fetched(move || {
        let provider = Arc::clone(&provider);
        async move { provider.access_token().await }
    });
    let login = Login::new(Credentials::bearer(&*mailbox, token)?);
    let mailer = Mailer::new(Connector::from_url(&env::var("SMTP_URL")?)?.login(login));

    let envelope = Envelope::new(&*mailbox, [&*mailbox])?;
    let text =
        format!("From: <{mailbox}>\r\nTo: <{mailbox}>\r\nSubject: OAuth\r\n\r\nIt works.\r\n");
    let delivery = mailer.send(envelope, MailData::new(text)?).await?;
    for (recipient, verdict) in delivery.verdicts() {
        println!("{recipient}: {verdict}");
    }
    mailer.close().await;
    Ok(())
}
