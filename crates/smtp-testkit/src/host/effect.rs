//! What a reply does to the state of a connection.

use super::session::Session;
use super::state::{Envelope, Hello, State, domain};
use super::wire::Over;
use crate::command::Command;

impl Session {
    /// What a reply with this code has done to the state.
    pub(super) async fn take_effect(
        &mut self,
        command: Command,
        code: Option<u16>,
    ) -> Result<(), Over> {
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
            "QUIT" if good => self.state.farewell = true,
            // The client speaks for another one from now on, and begins again.
            "XCLIENT" if good => {
                self.state = State { tls: self.state.tls, ..State::default() };
            }
            _ => {}
        }
        self.state.farewell |= code == Some(421);
        Ok(())
    }

    pub(super) async fn starttls(&mut self) -> Result<(), Over> {
        let early = self.wire.inbox.octets().len();
        if early > 0 {
            // They came in clear and must not count as said under TLS (RFC 3207, 4.2).
            self.wire.take(early);
            self.wire.happened("these octets came in clear and are forgotten");
        }
        self.encrypt().await?;
        self.state.fresh_tls = true;
        Ok(())
    }

    pub(super) async fn encrypt(&mut self) -> Result<(), Over> {
        let terms = self.terms.clone().ok_or(Over::Ended)?;
        self.wire.encrypt(&terms).await?;
        self.state.encrypted(self.wire.page.read(|page| page.tls));
        Ok(())
    }

    /// The certificate that the server shows.
    pub(super) fn certificate(&self) -> Option<Vec<u8>> {
        self.terms.as_ref().map(|terms| terms.identity.certificate_der().to_vec())
    }
}
