//! Applies replies to the state of a connection.

use super::client_io::SessionEnd;
use super::session::Session;
use super::state::{Envelope, Hello, State, domain};
use crate::command::Command;

impl Session {
    /// Updates the state after a reply with this code.
    pub(super) async fn apply(
        &mut self,
        command: Command,
        code: Option<u16>,
    ) -> Result<(), SessionEnd> {
        let good = code.is_some_and(|code| (200..300).contains(&code));
        match command.verb() {
            "EHLO" | "LHLO" | "HELO" if good => {
                let plain = command.verb() == "HELO";
                self.state.hello = if plain { Hello::Plain } else { Hello::Extended };
                self.state.envelope = None;
            }
            "RSET" if good => self.state.envelope = None,
            "MAIL" if good => {
                self.state.mails += 1;
                self.state.envelope = Some(Envelope::new(command));
            }
            "RCPT" => {
                let Some(envelope) = &mut self.state.envelope else { return Ok(()) };
                match good {
                    true => {
                        self.state.domains.extend(domain(&command));
                        envelope.rcpts.push(command);
                    }
                    false => envelope.refused += 1,
                }
            }
            "DATA" if code == Some(354) => self.text().await?,
            "STARTTLS" if good && self.state.tls.is_none() => self.starttls().await?,
            "QUIT" if good => self.state.closing = true,
            // The client now acts for another client, and the session starts again.
            "XCLIENT" if good => {
                self.state = State { tls: self.state.tls, ..State::default() };
            }
            _ => {}
        }
        self.state.closing |= code == Some(421);
        Ok(())
    }

    pub(super) async fn starttls(&mut self) -> Result<(), SessionEnd> {
        let early = self.io.inbox.octets().len();
        if early > 0 {
            // They were sent without TLS and must not count as sent under TLS (RFC 3207, 4.2).
            self.io.take(early);
            self.io.record_event("these octets were sent without TLS and are discarded");
        }
        self.encrypt().await?;
        self.state.fresh_tls = true;
        Ok(())
    }

    pub(super) async fn encrypt(&mut self) -> Result<(), SessionEnd> {
        let tls_settings = self.tls_settings.clone().ok_or(SessionEnd::Closed)?;
        self.io.encrypt(&tls_settings).await?;
        self.state.encrypted(self.io.page.read(|page| page.tls));
        Ok(())
    }

    /// The certificate of the server.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        self.tls_settings
            .as_ref()
            .map(|tls_settings| tls_settings.identity.certificate_der().to_vec())
    }
}
