//! The same clients with `smtp-server` in place of the testkit.

use std::process::Command;
use std::sync::{Arc, Mutex};

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mail_send::SmtpClientBuilder;
use mail_send::smtp::message::Message;
use smtp_server::{
    Accept, Certificates, Context, Data, Decision, Envelope, Handler, Identity, Login,
    Mechanism, Outcome, Rcpt, Refuse, Server, Settings, SettingsBuilder, StartTls, Verify,
};
use tokio::io::AsyncReadExt;

/// Keeps what it receives, and who sent it.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<Vec<(Option<String>, Vec<String>, String)>>>);

impl Handler for Inbox {
    type State = ();

    async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
        match rcpt.path().as_str() {
            "nobody@example.org" => Err(Refuse::no_such_mailbox()),
            _ => Ok(Accept::usual()),
        }
    }

    async fn message(
        &self,
        cx: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        let mut text = String::new();
        data.read_to_string(&mut text).await?;
        let login = cx.client().login().map(str::to_owned);
        let rcpts = envelope.rcpts().iter().map(|rcpt| rcpt.path().as_str().to_owned()).collect();
        self.0.lock().unwrap().push((login, rcpts, text));
        Ok(Outcome::accepted())
    }
}

/// Knows one user.
struct Users;

impl Verify for Users {
    async fn login(&self, _: &Context, login: Login<'_>) -> Result<Identity, Refuse> {
        let is_known = match login {
            Login::Password { user, password, .. } => user == "tim" && password == "secret",
            Login::CramMd5 { user, proof } => user == "tim" && proof.verify("secret"),
            _ => false,
        };
        if is_known { Ok(Identity::as_claimed()) } else { Err(Refuse::wrong_credentials()) }
    }
}

impl Inbox {
    /// Starts a server with these settings, and returns its port.
    fn serve(&self, settings: SettingsBuilder, certificates: Option<&Certificates>) -> u16 {
        let settings = settings.build().unwrap();
        let mut server = Server::new(self.clone()).verifier(Users).settings(settings);
        if let Some(certificates) = certificates {
            server = server.tls(certificates.config().unwrap());
        }
        let server = server.listen("127.0.0.1:0").unwrap();
        let port = server.addresses()[0].port();
        tokio::spawn(server.run());
        port
    }

    #[track_caller]
    fn received(&self, login: Option<&str>) {
        let expected =
            (login.map(str::to_owned), vec!["b@example.org".into()], crate::RECEIVED.to_owned());
        assert_eq!(self.0.lock().unwrap()[..], [expected]);
    }
}

fn with_logins(mechanism: Mechanism<&'static str>) -> SettingsBuilder {
    Settings::smtp("localhost").auth([mechanism]).passwords_in_clear().require_login()
}

fn envelope() -> lettre::address::Envelope {
    let sender = Some("a@example.org".parse().unwrap());
    lettre::address::Envelope::new(sender, vec!["b@example.org".parse().unwrap()]).unwrap()
}

#[tokio::test]
async fn lettre_sends_in_clear_and_inside_tls() {
    type Mailer = AsyncSmtpTransport<Tokio1Executor>;
    let inbox = Inbox::default();
    let port = inbox.serve(Settings::smtp("localhost"), None);
    let client = Mailer::builder_dangerous("127.0.0.1").port(port).build();
    client.send_raw(&envelope(), crate::TEXT.as_bytes()).await.unwrap();
    inbox.received(None);

    let inbox = Inbox::default();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let certificates = Certificates::pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let settings = Settings::smtp("localhost").starttls(StartTls::Required);
    let settings = settings.auth([Mechanism::PLAIN]).require_login();
    let port = inbox.serve(settings, Some(&certificates));
    let trusted = Certificate::from_pem(chain.as_bytes()).unwrap();
    let tls = TlsParameters::builder("localhost".into()).add_root_certificate(trusted);
    let client = Mailer::builder_dangerous("127.0.0.1")
        .port(port)
        .tls(Tls::Required(tls.build_rustls().unwrap()))
        .credentials(Credentials::new("tim".into(), "secret".into()));
    client.build().send_raw(&envelope(), crate::TEXT.as_bytes()).await.unwrap();
    inbox.received(Some("tim"));
}

#[tokio::test]
async fn mail_send_sends_with_each_mechanism() {
    for mechanism in [Mechanism::PLAIN, Mechanism::LOGIN] {
        let inbox = Inbox::default();
        let port = inbox.serve(with_logins(mechanism), None);
        let client = SmtpClientBuilder::new("127.0.0.1", port).unwrap();
        let mut client = client.credentials(("tim", "secret")).connect_plain().await.unwrap();
        let message = Message::new("a@example.org", ["b@example.org"], crate::TEXT.as_bytes());
        client.send(message).await.unwrap();
        inbox.received(Some("tim"));
    }
}

/// Runs a program in another thread, so that the server can serve it.
async fn run(program: &str, arguments: Vec<String>) -> Option<()> {
    let program = program.to_owned();
    let run = move || Command::new(program).args(arguments).output();
    let Ok(output) = tokio::task::spawn_blocking(run).await.unwrap() else {
        println!("the program is not here: nothing was tried");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

#[tokio::test]
async fn python_sends_by_smtp_and_lmtp() {
    for (class, settings, login) in [
        ("SMTP", Settings::smtp("localhost"), None),
        ("LMTP", Settings::lmtp("localhost"), None),
        ("SMTP", with_logins(Mechanism::CRAM_MD5), Some("tim")),
    ] {
        let inbox = Inbox::default();
        let port = inbox.serve(settings, None);
        let log_in = if login.is_some() { "client.login('tim', 'secret')" } else { "" };
        let program = format!(
            "import smtplib\nclient = smtplib.{class}('127.0.0.1', {port})\n{log_in}\n\
             refused = client.sendmail('a@example.org', ['b@example.org', 'nobody@example.org'], \
             {:?})\nassert list(refused) == ['nobody@example.org'], refused\nclient.quit()",
            crate::TEXT,
        );
        if run("python3", vec!["-c".into(), program]).await.is_some() {
            inbox.received(login);
        }
    }
}
