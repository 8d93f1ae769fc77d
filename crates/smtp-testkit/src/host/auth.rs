//! The AUTH command: challenges and responses until the client is authenticated or refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::client_io::SessionEnd;
use super::exchange::{Channel, Denial, MechanismStep, begin};
use super::receiving::{Input, LineWait};
use super::reply::Reply;
use super::session::Session;
use crate::command::Command;
use crate::lint::Lint;
use crate::login::Login;
use crate::rule::What;

/// Mechanisms that send a secret which others on the network can read.
const REVEALING: [&str; 4] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];

impl Session {
    pub(super) async fn handle_auth(&mut self, command: &Command) -> Result<(), SessionEnd> {
        let (name, initial) = match command.argument().split_once(' ') {
            Some((name, initial)) => (name.to_ascii_uppercase(), Some(initial.to_owned())),
            None => (command.argument().to_ascii_uppercase(), None),
        };
        if self.state.tls.is_none() && REVEALING.contains(&name.as_str()) {
            self.io.record_finding(Lint::AuthInClear, format!("AUTH {name} outside of TLS"));
        }
        self.check_pipelining(true).await?;
        let exception = self.exception(What::Command(command));
        let usual = self.judge(command);
        if usual.reply.code != 334 || exception.as_ref().is_some_and(|it| !it.gives_usual()) {
            let code = self.reply(exception, &usual.reply).await?;
            if code == Some(235) {
                self.logged_in(Login { mechanism: name, user: String::new(), on_behalf_of: None });
            }
            self.state.closing |= code == Some(421);
            return Ok(());
        }
        let answer = exception.unwrap_or_default();
        let (before, after) = answer.around_usual();
        self.perform(before).await?;
        let reply = match self.exchange(&name, initial).await? {
            Ok(login) => {
                self.logged_in(login);
                Reply::new(235, "2.7.0", "welcome")
            }
            Err(denial) => denial.reply(),
        };
        self.reply(None, &reply).await?;
        self.perform(after).await
    }

    fn logged_in(&mut self, login: Login) {
        self.io.page.write(|page| page.login = Some(login.clone()));
        self.state.login = Some(login);
    }

    /// Runs the challenges and responses of a mechanism.
    async fn exchange(
        &mut self,
        name: &str,
        initial: Option<String>,
    ) -> Result<Result<Login, Denial>, SessionEnd> {
        let channel = self.channel()?;
        let Some(mut exchange) = begin(name, self.host.clone(), channel) else {
            return Ok(Err(Denial::Unsupported));
        };
        let mut response = match initial.as_deref() {
            None => None,
            Some("=") => Some(Vec::new()),
            Some(text) => match STANDARD.decode(text) {
                Ok(octets) => Some(octets),
                Err(_) => return Ok(Err(self.bad_base64())),
            },
        };
        loop {
            let challenge = match exchange.step(response.as_deref()) {
                MechanismStep::Challenge(challenge) => challenge,
                MechanismStep::Done(login) => return Ok(Ok(login)),
                MechanismStep::Denied(denial) => return Ok(Err(denial)),
            };
            let line = format!("334 {}\r\n", STANDARD.encode(challenge));
            self.io.send(line.as_bytes()).await?;
            let wait = LineWait { silence: None, may_finish: false };
            let Input::Line(line) = self.io.line(wait).await? else {
                self.io.record_end();
                return self.io.close("the server closed").await.map(|()| Err(Denial::Canceled));
            };
            let text = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(&line));
            if text == "*" {
                return Ok(Err(Denial::Canceled));
            }
            match STANDARD.decode(text.as_bytes()) {
                Ok(octets) => response = Some(octets),
                Err(_) => return Ok(Err(self.bad_base64())),
            }
        }
    }

    /// The finding does not quote the response, which may be a password.
    fn bad_base64(&self) -> Denial {
        self.io.record_finding(Lint::BadSyntax, "the response to AUTH is not base64".to_owned());
        Denial::Malformed
    }

    /// The properties of the connection that mechanisms use.
    fn channel(&mut self) -> Result<Channel, SessionEnd> {
        let connection = self.io.page.connection();
        let client_certificate = self.state.tls.is_some_and(|tls| tls.client_certificate);
        let server_certificate = self.certificate();
        let session = self.io.stream()?.session();
        let exporter = session.and_then(|session| {
            let label = b"EXPORTER-Channel-Binding";
            session.export_keying_material([0; 32], label, Some(b"")).ok()
        });
        Ok(Channel {
            connection,
            client_certificate,
            exporter: exporter.map(Vec::from),
            server_certificate: exporter.and(server_certificate),
        })
    }
}
