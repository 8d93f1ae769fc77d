//! AUTH: carries SASL exchanges through the session (RFC 4954).
use std::convert::Infallible;
use std::{collections::VecDeque, fmt};

use smtp_codec::{Command, Deviations, ReplyDecoder, ReplyLimits, SaslResponse};
use smtp_error::{
    Ended, Error, ErrorKind, Misbehaved, Obstacle, Reply, ReplyCode, SaslFault, Step, Unsupported,
};
use zeroize::Zeroizing;

use super::{
    Challenge, ClearText, Exchange, Exposure, Operation, Response, Session,
    operation::{Expected, PendingReply, Protocol},
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
    turn: Turn,
    /// The initial response, while it waits to be asked for.
    held: Option<Response>,
    challenges: usize,
    /// Why the exchange was canceled.
    fault: Option<ErrorKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Check,
    Resetting,
    Begin,
    Listen,
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
    /// is refused, but only where nobody can listen in, and not if it is the credentials that are
    /// refused.
    pub(crate) fn first_of(exchanges: VecDeque<Box<dyn Exchange>>) -> Self {
        Self {
            exchanges,
            clear_text: ClearText::Refused,
            turn: Turn::Check,
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

    /// Refuses what cannot work, before anything is said.
    fn check(&self, session: &Session) -> Result<(), Unsupported> {
        session.can_authenticate()?;
        let exchange = self.exchanges.front().ok_or_else(|| nothing_in_common(session, None))?;
        let name = exchange.mechanism();
        if !session.offers_mechanism(name.as_str()) {
            return Err(nothing_in_common(session, Some(name.as_str())));
        }
        if !session.may_expose(exchange.exposure(), self.clear_text) {
            return Err(Unsupported::ClearText);
        }
        Ok(())
    }

    fn reset(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        self.turn = Turn::Resetting;
        let owed = PendingReply::new(Step::Reset, Expected::Codes(&[250]));
        session.say(Command::Rset, Command::MAX_LINE, owed)
    }

    /// Says AUTH, with the initial response if it fits.
    fn begin(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        let Some(exchange) = self.exchanges.front_mut() else {
            return Err(nothing_in_common(session, None).into());
        };
        self.turn = Turn::Listen;
        self.challenges = 0;
        self.held = exchange.initial();
        if let Some(secret) = exchange.secret() {
            session.veil.cover(secret);
        }
        let mut limits = session.limits;
        limits.line = limits.line.max(MAX_INCOMING);
        session.listen(limits);
        let exposure = exchange.exposure();
        let encoded = self.held.as_ref().map(|response| encode(session, response, exposure));
        let initial = match &encoded {
            Some(encoded) => Some(SaslResponse::from_base64(encoded.as_str())?),
            None => None,
        };
        let mechanism = exchange.mechanism();
        let whole = Command::Auth { mechanism, initial };
        let owed = PendingReply::new(Step::Auth, Expected::Codes(&[235, 334]));
        if whole.check(Command::MAX_LINE).is_ok() {
            self.held = None;
            return session.say(whole, Command::MAX_LINE, owed);
        }
        session.say(Command::Auth { mechanism, initial: None }, Command::MAX_LINE, owed)
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
            // To a server that is not who it should be nothing more is said.
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
        let owed = PendingReply::new(Step::Auth, Expected::Codes(&[235, 334]));
        session.say(command, MAX_LINE + 2, owed)
    }

    /// Gives the exchange up, which the server must hear of before anything else.
    fn cancel(&mut self, session: &mut Session, fault: ErrorKind) -> Result<(), ErrorKind> {
        self.turn = Turn::Canceled;
        self.fault = Some(fault);
        let owed = PendingReply::new(Step::Auth, Expected::Any);
        session.say(Command::AuthCancel, Command::MAX_LINE, owed)
    }

    fn refused(&mut self, session: &Session, reply: Reply) -> Result<(), ErrorKind> {
        let again = self.exchanges.len() > 1
            && session.is_private()
            && !FINAL.contains(&reply.code().get());
        if !again {
            return Err(ErrorKind::Refused(reply));
        }
        self.exchanges.pop_front();
        self.turn = Turn::Begin;
        Ok(())
    }

    fn succeeded(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.exchanges.front() {
            Some(exchange) if exchange.may_succeed() && self.held.is_none() => {
                session.authenticated(exchange.mechanism().as_str());
                self.turn = Turn::Done;
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
    session.veil.cover_response(response.as_bytes(), encoded.as_base64().as_bytes(), opaque);
    Zeroizing::new(encoded.into_base64())
}

impl Session {
    fn authenticated(&mut self, mechanism: &str) {
        self.authenticated = Some(mechanism.to_owned());
        self.changes += 1;
        self.channel = self.channel.authenticated();
    }

    /// Takes replies within these limits from now on.
    fn listen(&mut self, limits: ReplyLimits) {
        self.decoder = ReplyDecoder::new(limits, Deviations::TOLERANT);
    }

    /// The exchange is over: what was special about it is so no more. The veil stays until
    /// something else was done, because a slow server may still repeat what was sent.
    fn leave_exchange(&mut self) {
        self.listen(self.limits);
    }
}

impl Protocol for Auth {
    fn current_step(&self) -> Step {
        Step::Auth
    }

    fn write_commands(&mut self, session: &mut Session) -> Result<(), ErrorKind> {
        match self.turn {
            Turn::Check => {
                self.check(session)?;
                if session.open.is_some() { self.reset(session) } else { self.begin(session) }
            }
            Turn::Begin => self.begin(session),
            Turn::Resetting | Turn::Listen | Turn::Canceled | Turn::Done => Ok(()),
        }
    }

    fn handle_reply(
        &mut self,
        session: &mut Session,
        _: PendingReply,
        reply: Reply,
    ) -> Result<(), ErrorKind> {
        let refused = reply.is_transient() || reply.is_permanent();
        let heard = match (self.turn, reply.code()) {
            (Turn::Canceled, _) => {
                // Whoever does not refuse what was canceled believes in something else than we do.
                if !refused {
                    session.end(Ended::Failed { step: Step::Auth });
                }
                Err(self.fault.clone().unwrap_or(ErrorKind::Refused(reply)))
            }
            (Turn::Resetting, _) if !refused => {
                session.open = None;
                self.turn = Turn::Begin;
                Ok(())
            }
            (Turn::Resetting, _) => Err(ErrorKind::Refused(reply)),
            (_, ReplyCode::CHALLENGE) => self.challenged(session, &reply),
            (_, ReplyCode::AUTHENTICATED) => self.succeeded(session),
            _ => self.refused(session, reply),
        };
        if heard.is_err() || matches!(self.turn, Turn::Begin | Turn::Done) {
            session.leave_exchange();
        }
        heard
    }

    fn is_done(&self, _: &Session) -> bool {
        self.turn == Turn::Done
    }
}

impl Operation for Auth {
    type Answer = ();

    type Request = Infallible;

    fn answer(self, _: &Session) -> Result<(), Error> {
        Ok(())
    }

    /// What was wrong first is what counts, and what the server said against the credentials is
    /// told with it.
    fn failed(self, error: Error) -> Result<(), Error> {
        let error = match (self.fault, error.excerpt()) {
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
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}
