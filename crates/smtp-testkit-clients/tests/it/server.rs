//! The same clients with `smtp-server` in place of the testkit.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mail_send::SmtpClientBuilder;
use mail_send::smtp::message::Message;
use smtp_server::{
    Accept, Certificates, Context, Data, Decision, Envelope, Handler, Identity, Listener, Login,
    Mechanism, Outcome, Rcpt, Refuse, Server, Settings, SettingsBuilder, StartTls, Timeouts,
    Verify,
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
        let listener = Listener::tcp("127.0.0.1:0").unwrap();
        let port = listener.address().unwrap().port();
        self.serve_at(listener, settings, certificates);
        port
    }

    fn serve_at(
        &self,
        listener: Listener,
        settings: SettingsBuilder,
        certificates: Option<&Certificates>,
    ) {
        let settings = settings.build().unwrap();
        let mut server = Server::new(self.clone()).verifier(Users).settings(settings);
        if let Some(certificates) = certificates {
            server = server.tls(certificates.config().unwrap());
        }
        tokio::spawn(server.listener(listener).run());
    }

    #[track_caller]
    fn received(&self, login: Option<&str>) {
        self.received_by("b@example.org", login);
    }

    #[track_caller]
    fn received_by(&self, rcpt: &str, login: Option<&str>) {
        let expected = (login.map(str::to_owned), vec![rcpt.into()], crate::RECEIVED.to_owned());
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
    let (chain, certificates) = certificates();
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

/// A certificate for `localhost`, as PEM and for a server.
fn certificates() -> (String, Certificates) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (chain, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let certificates = Certificates::pem(chain.as_bytes(), key.as_bytes()).unwrap();
    (chain, certificates)
}

/// A file of a test. It is removed when it is dropped.
struct File(PathBuf);

impl File {
    /// A path at which nothing is.
    fn absent(name: &str) -> Self {
        let name = format!("smtp-testkit-clients-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn with(name: &str, text: &str) -> Self {
        let file = Self::absent(name);
        std::fs::write(&file.0, text).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs a program with this input, in another thread, so that the server can serve it. `None` if it is
/// not installed.
async fn output(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().ok()?;
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Some(child.wait_with_output().unwrap())
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    if output.is_none() {
        println!("{program} is not here: nothing was tried");
    }
    output
}

/// Runs a program, which has to succeed.
async fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let output = output(program, arguments, input).await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Runs a program of Python.
async fn python(program: &str) -> Option<String> {
    run("python3", &["-c", &format!("import smtplib, ssl\n{program}")], "").await
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
            "client = smtplib.{class}('127.0.0.1', {port})\n{log_in}\n\
             refused = client.sendmail('a@example.org', ['b@example.org', 'nobody@example.org'], \
             {:?})\nassert list(refused) == ['nobody@example.org'], refused\nclient.quit()",
            crate::TEXT,
        );
        if python(&program).await.is_some() {
            inbox.received(login);
        }
    }
}

#[tokio::test]
async fn python_sends_to_an_address_in_utf8_and_to_a_unix_socket() {
    let inbox = Inbox::default();
    let port = inbox.serve(Settings::smtp("localhost"), None);
    let program = format!(
        "client = smtplib.SMTP('127.0.0.1', {port})\n\
         client.sendmail('ä@example.org', ['ü@example.org'], {:?}, ['SMTPUTF8', 'BODY=8BITMIME'])\n\
         client.quit()",
        crate::TEXT,
    );
    if python(&program).await.is_some() {
        inbox.received_by("ü@example.org", None);
    }

    let inbox = Inbox::default();
    let socket = File::absent("lmtp");
    let listener = Listener::unix(&socket.0).unwrap();
    inbox.serve_at(listener, Settings::lmtp("localhost"), None);
    let program = format!(
        "client = smtplib.LMTP({:?})\nclient.sendmail('a@example.org', ['b@example.org'], {:?})\n\
         client.quit()",
        socket.path(),
        crate::TEXT,
    );
    if python(&program).await.is_some() {
        inbox.received(None);
    }
}

/// The settings of a server with STARTTLS, or with TLS from the first octet.
fn with_tls(starttls: bool) -> SettingsBuilder {
    let settings = Settings::smtp("localhost").auth([Mechanism::PLAIN]).require_login();
    if starttls { settings.starttls(StartTls::Required) } else { settings.implicit_tls() }
}

#[tokio::test]
async fn python_sends_inside_tls() {
    for starttls in [true, false] {
        let inbox = Inbox::default();
        let (chain, certificates) = certificates();
        let port = inbox.serve(with_tls(starttls), Some(&certificates));
        let (begin, then) = match starttls {
            true => {
                (format!("smtplib.SMTP('localhost', {port})"), "client.starttls(context=tls)\n")
            }
            false => (format!("smtplib.SMTP_SSL('localhost', {port}, context=tls)"), ""),
        };
        let program = format!(
            "tls = ssl.create_default_context(cadata={chain:?})\nclient = {begin}\n{then}\
             client.login('tim', 'secret')\n\
             client.sendmail('a@example.org', ['b@example.org'], {:?})\nclient.quit()",
            crate::TEXT,
        );
        if python(&program).await.is_some() {
            inbox.received(Some("tim"));
        }
    }
}

#[tokio::test]
async fn curl_sends_in_clear_and_inside_tls() {
    let (chain, certificates) = certificates();
    let trusted = File::with("curl.pem", &chain);
    let options = [
        "--silent --show-error --upload-file - --user tim:secret --cacert",
        trusted.path(),
        "--mail-from a@example.org --mail-rcpt b@example.org",
    ];
    for (scheme, more, settings) in [
        ("smtp", "", with_logins(Mechanism::CRAM_MD5)),
        ("smtp", "--ssl-reqd", with_tls(true)),
        ("smtps", "", with_tls(false)),
    ] {
        let inbox = Inbox::default();
        let port = inbox.serve(settings, Some(&certificates));
        let url = format!("{scheme}://localhost:{port}/client.example");
        let words = options.iter().flat_map(|options| options.split(' '));
        let words = words.chain(more.split_whitespace()).chain([&*url]);
        if run("curl", &words.collect::<Vec<_>>(), crate::TEXT).await.is_some() {
            inbox.received(Some("tim"));
        }
    }
}

/// What a person types. The base64 is of `\0tim\0secret`.
const TYPED: &str = "EHLO client.example\nAUTH PLAIN AHRpbQBzZWNyZXQ=\nMAIL FROM:<a@example.org>\n\
                     RCPT TO:<b@example.org>\nDATA\nSubject: hi\n\n..A dot leads this line.\n.\nQUIT\n";

#[tokio::test]
async fn openssl_sends_inside_tls() {
    for version in ["-tls1_2", "-tls1_3"] {
        for starttls in [true, false] {
            let inbox = Inbox::default();
            let (chain, certificates) = certificates();
            let port = inbox.serve(with_tls(starttls), Some(&certificates));
            let trusted = File::with(&format!("openssl{version}{starttls}.pem"), &chain);
            let server = format!("localhost:{port}");
            let mut options = vec!["s_client", "-connect", &server, version, "-quiet", "-crlf"];
            options.extend(["-CAfile", trusted.path(), "-verify_return_error"]);
            if starttls {
                options.extend(["-starttls", "smtp"]);
            }
            if let Some(replies) = run("openssl", &options, TYPED).await {
                assert!(replies.ends_with("221 2.0.0 Bye\r\n"), "{replies}");
                inbox.received(Some("tim"));
            }
        }
    }
}

#[tokio::test]
async fn a_renegotiation_is_not_made() {
    let (_, certificates) = certificates();
    let mut timeouts = Timeouts::default();
    timeouts.command = Duration::from_secs(1);
    let server = Server::new(Inbox::default()).verifier(Users).timeouts(timeouts);
    let server = server.settings(with_tls(false).build().unwrap());
    let server = server.tls(certificates.config().unwrap()).listen("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", server.addresses()[0].port());
    tokio::spawn(server.run());
    // A line that begins with R asks s_client for it.
    let options = ["s_client", "-connect", &address, "-tls1_2", "-crlf"];
    if let Some(output) = output("openssl", &options, "R\n").await {
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(shown.contains("RENEGOTIATING"), "{shown}");
        assert!(!output.status.success(), "{shown}");
    }
}
