//! AUTH: carries SASL exchanges through the session (RFC 4954).
use std::convert::Infallible;
use std::{collections::VecDeque, fmt};

use smtp_codec::{Command, SaslResponse};
use smtp_error::{
    Ended, Error, ErrorKind, Misbehaved, Obstacle, Reply, ReplyCode, SaslFault, Step, Unsupported,
};
use zeroize::Zeroizing;

use super::{
    Challenge, ClearText, Exchange, Exposure, Operation, Response, Session,
    operation::Protocol,
    replies::{Expected, PendingReply, refused},
};

/// Authenticates the session, which is possible once. If a mail transaction may be open on the
/// server's side, RSET closes it first.
///
/// No mechanism here negotiates a security layer, so what the server offers stays known; some
/// servers refuse EHLO afterwards.
pub struct Auth {
    /// The one at work, and those to try if it is refused.
    exchanges: VecDeque<Box<dyn Exchange>>,
    clear_text: ClearText,
    state: State,
    /// The initial response, while it waits to be asked for.
    held: Option<Response>,
    challenges: usize,
    /// Why the exchange was canceled.
    fault: Option<ErrorKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Check,
    Resetting,
    Begin,
    AwaitReply,
    Canceled,
    Done,
}

/// The longest line of an exchange, without CRLF (RFC 4954, 4), and what is taken of one that
/// comes in.
const MAX_LINE: usize = 12_288;
const MAX_INCOMING: usize = 16 * 1024;
/// How many challenges any exchange may take; those of this crate know better.
const MAX_CHALLENGES: usize = 32;
/// After these nothing else is tried: the credentials are wrong, the account is disabled, or the
/// server shuts down.
const FINAL: &[u16] = &[535, 525, 421];

impl Auth {
    /// Authenticates by this exchange.
    pub fn new(exchange: impl Exchange + 'static) -> Self {
        Self::first_of(VecDeque::from([Box::new(exchange) as _]))
    }

    /// Authenticates by the first of these exchanges. The others are tried in their order if it
    /// is refused, but only over a private connection, and not if it is the credentials that are
    /// refused.
    pub(crate) fn first_of(exchanges: VecDeque<Box<dyn Exchange>>) -> Self {
        Self {
            exchanges,
            clear_text: ClearText::Refused,
            state: State::Check,
            held: None,
            challenges: 0,
            fault: None,
        }
    }

    /// Whether the secret may go over a connection in clear.
    #[must_use]
    pub fn clear_text(mut self, clear_text: ClearText) -> Self {
        self.clear_text = clear_text;
        self
    }

    /// Refuses what cannot work, before anything is written.
    fn check(&self, session: &Session) -> Result<(), Unsupported> {
        session.can_authenticate()?;
        let exchange = self.exchanges.front().ok_or_else(|| nothing_in_common(session, None))?;
        let name = exchange.mechanism();
        if !session.offers_mechanism(name.as_str()) {
            return Err(nothing_in_common(session, Some(name.as_str())));
        }
        if !session.may_expose(exchange.exposure(), self.clear_text) {
            return Err(session.exposed());
        }
        Ok(())
    }

    fn reset(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        self.state = State::Resetting;
        let reply = PendingReply::new(Step::Reset);
        session.command(Command::Rset, Command::MAX_LINE, reply)
    }

    /// Sends AUTH, with the initial response if it fits.
    fn begin(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let Some(exchange) = self.exchanges.front_mut() else {
            return Err(nothing_in_common(session, None).into());
        };
        self.state = State::AwaitReply;
        self.challenges = 0;
        self.held = exchange.initial();
        if let Some(secret) = exchange.secret() {
            session.protection.redaction.hide_secret(secret);
        }
        session.replies.accept_lines_of(MAX_INCOMING);
        let exposure = exchange.exposure();
        let encoded = self.held.as_ref().map(|response| encode(session, response, exposure));
        let initial = match &encoded {
            Some(encoded) => Some(SaslResponse::from_base64(encoded.as_str())?),
            None => None,
        };
        let mechanism = exchange.mechanism();
        let whole = Command::Auth { mechanism, initial };
        let reply = PendingReply::new(Step::Auth);
        if whole.check(Command::MAX_LINE).is_ok() {
            self.held = None;
            return session.command(whole, Command::MAX_LINE, reply);
        }
        session.command(Command::Auth { mechanism, initial: None }, Command::MAX_LINE, reply)
    }

    fn challenged(&mut self, session: &mut Session, reply: &Reply) -> Result<(), ErrorKind> {
        self.challenges += 1;
        let response = match (self.held.take(), self.exchanges.front_mut()) {
            (Some(initial), _) => Ok(initial),
            (None, Some(exchange)) if self.challenges <= MAX_CHALLENGES => {
                exchange.respond(Challenge::new(reply.as_bytes()))
            }
            _ => Err(SaslFault::SurplusChallenge),
        };
        match response {
            Ok(response) => self.respond(session, &response),
            // Nothing more is sent to an impostor.
            Err(fault @ (SaslFault::Signature | SaslFault::Reported)) => {
                Err(Misbehaved::Sasl(fault).into())
            }
            Err(fault) => self.cancel(session, Misbehaved::Sasl(fault).into()),
        }
    }

    fn respond(&mut self, session: &mut Session, response: &Response) -> Result<(), ErrorKind> {
        let exposure = self.exchanges.front().map_or(Exposure::Hidden, |one| one.exposure());
        let encoded = encode(session, response, exposure);
        let command = Command::AuthResponse(SaslResponse::from_base64(encoded.as_str())?);
        if let Err(invalid) = command.check(MAX_LINE + 2) {
            return self.cancel(session, invalid.into());
        }
        let reply = PendingReply::new(Step::Auth);
        session.command(command, MAX_LINE + 2, reply)
    }

    /// Cancels the exchange, which the server has to receive before any other command.
    fn cancel(&mut self, session: &mut Session, fault: ErrorKind) -> Result<(), ErrorKind> {
        self.state = State::Canceled;
        self.fault = Some(fault);
        let reply = PendingReply { expected: Expected::Any, ..PendingReply::new(Step::Auth) };
        session.command(Command::AuthCancel, Command::MAX_LINE, reply)
    }

    fn refused(&mut self, session: &Session, reply: Reply) -> Result<(), ErrorKind> {
        let again = self.exchanges.len() > 1
            && session.is_private()
            && !FINAL.contains(&reply.code().get());
        if !again {
            return Err(refused(reply));
        }
        self.exchanges.pop_front();
        self.state = State::Begin;
        Ok(())
    }

    fn succeeded(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.exchanges.front() {
            Some(exchange) if exchange.may_succeed() && self.held.is_none() => {
                session.authenticated(exchange.mechanism().as_str());
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Misbehaved::Sasl(SaslFault::UnprovenSuccess).into()),
        }
    }
}

/// The server does not offer the one mechanism that there is an exchange for.
fn nothing_in_common(session: &Session, own: Option<&str>) -> Unsupported {
    Unsupported::Mechanism(session.no_mechanism(own.into_iter(), |_| Obstacle::Credentials))
}

/// The response as it goes over the wire. No reply that repeats it is shown.
fn encode(session: &mut Session, response: &Response, exposure: Exposure) -> Zeroizing<String> {
    let encoded = SaslResponse::new(response.as_bytes());
    // What hides the secret is made of it, and could be guessed from.
    let opaque = exposure == Exposure::Hidden;
    session.protection.redaction.hide_response(
        response.as_bytes(),
        encoded.as_base64().as_bytes(),
        opaque,
    );
    Zeroizing::new(encoded.into_base64())
}

impl Protocol for Auth {
    fn current_step(&self) -> Step {
        Step::Auth
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.state {
            State::Check => {
                self.check(session)?;
                if session.mail.is_open() { self.reset(session) } else { self.begin(session) }
            }
            State::Begin => self.begin(session),
            State::Resetting | State::AwaitReply | State::Canceled | State::Done => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        _: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let is_refusal = reply.is_transient() || reply.is_permanent();
        let handled = match (self.state, reply.code()) {
            (State::Canceled, _) => {
                // A server that accepts a canceled exchange is out of step with the client.
                if !is_refusal {
                    session.end(Ended::Failed { step: Step::Auth });
                }
                Err(self.fault.clone().unwrap_or_else(|| refused(reply)))
            }
            (State::Resetting, _) if !is_refusal => {
                session.mail.reset();
                self.state = State::Begin;
                Ok(())
            }
            (State::Resetting, _) => Err(refused(reply)),
            (_, ReplyCode::CHALLENGE) => self.challenged(session, &reply),
            (_, ReplyCode::AUTHENTICATED) => self.succeeded(session),
            _ => self.refused(session, reply),
        };
        if handled.is_err() || matches!(self.state, State::Begin | State::Done) {
            // The redaction stays until another operation is finished, because a slow server may
            // still repeat what was sent.
            session.replies.restart();
        }
        handled
    }

    fn is_done(&self, _: &Session) -> bool {
        self.state == State::Done
    }
}

impl Operation for Auth {
    type Answer = ();

    type Request = Infallible;

    fn answer(&mut self, _: &Session) -> Result<(), Error> {
        Ok(())
    }

    /// The first fault is the error, and the reason that the server sent against the credentials is
    /// told with it.
    fn failed(&mut self, error: Error) -> Result<(), Error> {
        let error = match (self.fault.take(), error.excerpt()) {
            (Some(fault), Some(octets)) => {
                Error::new(Step::Auth, fault).with_excerpt(octets.clone())
            }
            (Some(fault), None) => Error::new(Step::Auth, fault),
            (None, _) => error,
        };
        match self.exchanges.front().and_then(|exchange| exchange.complaint()) {
            Some(complaint) => Err(error.with_explanation(complaint)),
            None => Err(error),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mechanisms = self.exchanges.iter().map(|one| one.mechanism().as_str().to_owned());
        f.debug_struct("Auth")
            .field("mechanisms", &mechanisms.collect::<Vec<_>>())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
