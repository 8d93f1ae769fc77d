//! AUTH in a session (RFC 4954): its lines, and what the server decides about them.
use std::sync::Arc;

use smtp_codec::{Command, Line, Mechanism, SaslResponse};
use smtp_error::{Reply, ReplyCode};
use zeroize::Zeroizing;

use super::{Found, Notice, Question, ServerSession, State};
use crate::{
    Closing, Decision, ScramKeys,
    auth::{Exchange, Progress},
};

impl ServerSession {
    /// Accepts a login, and sets the identity of the client: that of a certificate or a token, or
    /// the canonical form of a name. It does nothing if the last event is not
    /// [`Event::Auth`](crate::Event::Auth).
    ///
    /// Without it the identity is the one that the client asks for, or else its user. A login with
    /// neither, which EXTERNAL and OAUTHBEARER have, is accepted by this method only.
    pub fn accept_login(&mut self, identity: &str) {
        let (Some(Question::Auth), State::Auth(exchange)) = (&self.question, &mut self.state)
        else {
            return;
        };
        self.question = None;
        let progress = exchange.accepted(Some(identity));
        self.progress(progress);
    }

    /// Gives the keys that [`Login::ScramKeys`](crate::Login::ScramKeys) asks for; `None` if there is
    /// no such user, which the client cannot tell from a wrong password. It does nothing if the last
    /// event does not ask for keys.
    pub fn scram_keys(&mut self, keys: Option<ScramKeys>) {
        let (Some(Question::Auth), State::Auth(exchange)) = (&self.question, &mut self.state)
        else {
            return;
        };
        if let Some(progress) = exchange.keys(keys) {
            self.question = None;
            self.progress(progress);
        }
    }

    pub(super) fn begin_auth<'i>(
        &mut self,
        mechanism: &Mechanism<&str>,
        initial: Option<Zeroizing<Vec<u8>>>,
    ) -> Option<Found<'i>> {
        if !self.settings.allows(mechanism.as_str(), &self.client) {
            let known = self
                .settings
                .mechanisms()
                .iter()
                .any(|one| one.as_str().eq_ignore_ascii_case(mechanism.as_str()));
            // RFC 4954, 6. Inside TLS it is channel binding that is absent, which TLS 1.2 has not.
            self.mistake(&match known && self.client.tls().is_none() {
                true => Reply::new(ENCRYPTION_REQUIRED, "5.7.11 Use TLS for this mechanism"),
                false => Reply::new(
                    ReplyCode::PARAMETER_NOT_IMPLEMENTED,
                    "5.5.4 This mechanism is not offered",
                ),
            });
            return None;
        }
        self.exchanges += 1;
        let seed = (self.nonce, self.exchanges);
        let started =
            Exchange::begin(mechanism.as_str(), initial, &self.settings, &self.client, seed);
        let (exchange, progress) = started?;
        self.state = State::Auth(Box::new(exchange));
        self.progress(progress)
    }

    pub(super) fn auth_line<'i>(&mut self, line: Line<'_>) -> Option<Found<'i>> {
        let response = match Command::decode_auth_response(line.content) {
            Ok(Command::AuthResponse(response)) => response.decode().ok().map(Zeroizing::new),
            Ok(_) => {
                self.leave_auth();
                self.reply(ReplyCode::SYNTAX, "5.7.0 Authentication canceled");
                return None;
            }
            Err(_) if self.would_lose_sync(line.content) => return None,
            Err(_) => None,
        };
        let (Some(response), State::Auth(exchange)) = (response, &mut self.state) else {
            return self.bad_response();
        };
        let progress = exchange.respond(response);
        self.progress(progress)
    }

    pub(super) fn bad_response<'i>(&mut self) -> Option<Found<'i>> {
        self.leave_auth();
        self.mistake(&Reply::new(ReplyCode::SYNTAX, "5.5.2 The response is not base64"));
        None
    }

    pub(super) fn leave_auth(&mut self) {
        if matches!(self.state, State::Auth(_)) {
            self.state = State::Commands;
        }
    }

    pub(super) fn decide_login(&mut self, decision: Decision) {
        let State::Auth(exchange) = &mut self.state else { return };
        let progress = match decision {
            Ok(_) => exchange.accepted(None),
            Err(refuse) => exchange.refused(refuse),
        };
        self.progress(progress);
    }

    /// Continues an AUTH exchange.
    pub(super) fn progress<'i>(&mut self, progress: Progress) -> Option<Found<'i>> {
        match progress {
            Progress::Ask => return Some(Found::Question(Question::Auth)),
            Progress::Challenge(octets) => {
                // RFC 4954, 4: a challenge has no enhanced status code.
                let challenge = SaslResponse::new(octets).into_base64();
                self.send(&Reply::new(ReplyCode::CHALLENGE, challenge));
            }
            Progress::Authenticated(identity) => {
                self.state = State::Commands;
                self.sequence.accepted(&authenticated());
                Arc::make_mut(&mut self.client).authenticated(identity);
                self.reply(ReplyCode::AUTHENTICATED, "2.7.0 Authentication succeeded");
            }
            Progress::Malformed(text) => {
                self.state = State::Commands;
                self.mistake(&Reply::new(ReplyCode::SYNTAX, text));
            }
            Progress::Failed(refuse) => {
                self.notice = Some(Notice::LoginFailed(refuse.reply().code()));
                return self.progress(Progress::Refused(refuse));
            }
            Progress::Refused(refuse) => {
                self.state = State::Commands;
                self.send(refuse.reply());
                if self.tally.failed_login() {
                    self.close(Closing::TooManyErrors, "4.7.0 Too many failed logins");
                }
            }
        }
        None
    }
}

/// Encryption is required for the mechanism (RFC 4954, 6).
const ENCRYPTION_REQUIRED: ReplyCode = ReplyCode::new(538).expect("it is a reply code");

/// What the order of commands is told after a login, however it came about.
pub(super) fn authenticated() -> Command<'static> {
    Command::Auth { mechanism: Mechanism::EXTERNAL, initial: None }
}
