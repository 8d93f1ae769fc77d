//! A web application that sends a message for each form that is posted.
//!
//! `SMTP_URL` is the server, such as `smtps://user:password@mail.example.org?connections=4`, and
//! `SUPPORT` the mailbox that gets the questions.
use std::{env, error::Error, sync::Arc};

use axum::{Form, Router, extract::State, http::StatusCode, routing::post};
use mail_builder::MessageBuilder;
use serde::Deserialize;
use smtp_client::{Envelope, LineEnds, MailData, Mailbox, Mailer};
use tokio::net::TcpListener;

struct App {
    mailer: Mailer,
    support: String,
}

#[derive(Deserialize)]
struct Contact {
    email: String,
    question: String,
}

/// Passes a question on to the support desk.
async fn contact(State(app): State<Arc<App>>, Form(form): Form<Contact>) -> (StatusCode, String) {
    match send(&app, form).await {
        Ok(()) => (StatusCode::OK, "thank you".into()),
        Err((code, text)) => (code, text),
    }
}

async fn send(app: &App, form: Contact) -> Result<(), (StatusCode, String)> {
    let wrong = |error| (StatusCode::UNPROCESSABLE_ENTITY, format!("your address: {error}"));
    let reply_to: Mailbox = form.email.parse().map_err(wrong)?;
    let message = MessageBuilder::new()
        .from(("Website", &*app.support))
        .reply_to(reply_to.to_string())
        .to(&*app.support)
        .subject("A question from the website")
        .text_body(form.question);
    let failed = |error: &dyn Error| {
        eprintln!("contact form: {error}");
        (StatusCode::SERVICE_UNAVAILABLE, "please try again in a few minutes".to_owned())
    };
    let octets = message.write_to_vec().map_err(|error| failed(&error))?;
    let text = MailData::normalize(octets, LineEnds::Unix).map_err(|error| failed(&error))?;
    let envelope = Envelope::new(&*app.support, [&*app.support]).map_err(|error| failed(&error))?;
    match app.mailer.send(envelope, text).await {
        Ok(delivery) if delivery.all_accepted() => Ok(()),
        Ok(delivery) => {
            for (recipient, verdict) in delivery.refused() {
                eprintln!("contact form: {recipient}: {verdict}");
            }
            Err((StatusCode::BAD_GATEWAY, "the mail server refused the message".into()))
        }
        // It may have arrived: who posts the form again would send it twice.
        Err(error) if error.in_doubt() => {
            eprintln!("contact form: {error}");
            Err((StatusCode::GATEWAY_TIMEOUT, "your question may have arrived".into()))
        }
        Err(error) => Err(failed(&error)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mailer = Mailer::from_url(&env::var("SMTP_URL")?)?;
    let app = Arc::new(App { mailer: mailer.clone(), support: env::var("SUPPORT")? });
    let router = Router::new().route("/contact", post(contact)).with_state(app);
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into())).await?;
    println!("listening on {}", listener.local_addr()?);
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = tokio::signal::ctrl_c().await;
    });
    served.await?;
    // What is queued is sent before the program ends.
    mailer.close().await;
    Ok(())
}
