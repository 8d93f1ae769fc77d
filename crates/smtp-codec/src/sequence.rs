//! The order of commands in a session (RFC 5321, 4.1.4).
use smtp_error::{Reply, ReplyCode};

use crate::{Body, Command, MailParam};

/// The state of a session in a server. It decides which commands are legal, and has the replies of
/// the RFCs for those that are not.
///
/// Call [`check`](Self::check) before a command is executed, [`accepted`](Self::accepted) after the
/// reply to it was 2yz (or 354 to DATA), and [`end_of_text`](Self::end_of_text) after the reply to
/// a message, whether that is accepted or refused.
#[derive(Clone, Debug)]
pub struct Sequence {
    lmtp: bool,
    greeted: bool,
    secured: bool,
    authenticated: bool,
    /// What the client has to do before a transaction.
    tls_required: bool,
    authentication_required: bool,
    transaction: Option<Transaction>,
}

/// A mail transaction that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Transaction {
    rcpts: usize,
    binary: bool,
    /// Whether a chunk was received.
    chunked: bool,
}

impl Sequence {
    /// Creates the state at the beginning of an SMTP session.
    pub fn smtp() -> Self {
        Self {
            lmtp: false,
            greeted: false,
            secured: false,
            authenticated: false,
            tls_required: false,
            authentication_required: false,
            transaction: None,
        }
    }

    /// Creates the state at the beginning of an LMTP session (RFC 2033).
    pub fn lmtp() -> Self {
        Self { lmtp: true, ..Self::smtp() }
    }

    /// Requires TLS before AUTH and MAIL.
    #[must_use]
    pub fn require_tls(mut self) -> Self {
        self.tls_required = true;
        self
    }

    /// Requires authentication before MAIL.
    #[must_use]
    pub fn require_authentication(mut self) -> Self {
        self.authentication_required = true;
        self
    }

    /// Returns the number of recipients in the open transaction.
    pub fn rcpts(&self) -> usize {
        self.transaction.map_or(0, |transaction| transaction.rcpts)
    }

    /// Returns the number of replies to the end of the mail data: one with SMTP, one for each
    /// recipient with LMTP (RFC 2033, 4.2).
    pub fn final_replies(&self) -> usize {
        if self.lmtp { self.rcpts() } else { 1 }
    }

    /// Checks whether the command is legal now.
    ///
    /// # Errors
    /// The reply to an illegal command. The chunk after an illegal BDAT has to be read and dropped
    /// before it is sent.
    pub fn check(&self, command: &Command<'_>) -> Result<(), Reply> {
        match command {
            Command::Ehlo(_) | Command::Helo(_) if self.lmtp => unrecognized(),
            Command::Lhlo(_) if !self.lmtp => unrecognized(),
            Command::Other { .. } => unrecognized(),
            Command::Mail(_) if self.transaction.is_some() => bad("MAIL was given before"),
            Command::Mail(_) => self.check_greeted().and_then(|()| self.check_required()),
            Command::Rcpt(_) => match self.transaction {
                None => bad("MAIL first"),
                Some(transaction) if transaction.chunked => bad("No RCPT after BDAT"),
                Some(_) => Ok(()),
            },
            Command::Data => match self.transaction {
                Some(transaction) if transaction.chunked => bad("No DATA after BDAT"),
                Some(transaction) if transaction.binary => bad("BINARYMIME needs BDAT"),
                transaction => check_rcpts(transaction),
            },
            Command::Bdat { .. } | Command::Burl { .. } => check_rcpts(self.transaction),
            Command::StartTls if self.secured => bad("TLS is in use"),
            Command::StartTls => self.check_greeted(),
            Command::Auth { .. } if self.authenticated => bad("Authenticated before"),
            Command::Auth { .. } => self.check_outside().and_then(|()| self.check_tls()),
            Command::Etrn(_) => self.check_outside(),
            Command::Xclient(_) | Command::Xforward(_) => self.check_no_transaction(),
            Command::Atrn(_) if !self.authenticated => {
                refuse(ReplyCode::AUTHENTICATION_REQUIRED, "5.7.0 Authentication required")
            }
            Command::Atrn(_) => self.check_outside(),
            _ => Ok(()),
        }
    }

    /// Records that the command was executed.
    pub fn accepted(&mut self, command: &Command<'_>) {
        match command {
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => {
                self.greeted = true;
                self.transaction = None;
            }
            Command::Rset => self.transaction = None,
            Command::Mail(mail) => {
                let is_binary = |param| matches!(param, MailParam::Body(Body::BinaryMime));
                let binary = mail.params().any(is_binary);
                self.transaction = Some(Transaction { binary, ..Transaction::default() });
            }
            Command::Rcpt(_) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.rcpts += 1;
                }
            }
            Command::Bdat { .. } | Command::Burl { .. } => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.chunked = true;
                }
            }
            Command::StartTls => {
                let Self { lmtp, tls_required, authentication_required, .. } = *self;
                let secured = true;
                *self =
                    Self { lmtp, secured, tls_required, authentication_required, ..Self::smtp() };
            }
            Command::Auth { .. } => self.authenticated = true,
            // The attributes describe another client. Only TLS is still in place.
            Command::Xclient(_) => (self.greeted, self.authenticated) = (false, false),
            _ => {}
        }
    }

    /// Records that the reply to a message was sent, or that a chunk of it was refused. Either ends
    /// the transaction.
    pub fn end_of_text(&mut self) {
        self.transaction = None;
    }

    fn check_greeted(&self) -> Result<(), Reply> {
        match (self.greeted, self.lmtp) {
            (true, _) => Ok(()),
            (false, false) => bad("EHLO or HELO first"),
            (false, true) => bad("LHLO first"),
        }
    }

    fn check_outside(&self) -> Result<(), Reply> {
        self.check_greeted().and_then(|()| self.check_no_transaction())
    }

    fn check_no_transaction(&self) -> Result<(), Reply> {
        if self.transaction.is_some() { bad("Not inside a mail transaction") } else { Ok(()) }
    }

    fn check_tls(&self) -> Result<(), Reply> {
        if self.tls_required && !self.secured {
            return refuse(ReplyCode::AUTHENTICATION_REQUIRED, "5.7.0 STARTTLS first");
        }
        Ok(())
    }

    fn check_required(&self) -> Result<(), Reply> {
        self.check_tls()?;
        if self.authentication_required && !self.authenticated {
            return refuse(ReplyCode::AUTHENTICATION_REQUIRED, "5.7.0 Authentication required");
        }
        Ok(())
    }
}

fn check_rcpts(transaction: Option<Transaction>) -> Result<(), Reply> {
    match transaction {
        None => bad("MAIL first"),
        Some(Transaction { rcpts: 0, .. }) => bad("No valid recipients"),
        Some(_) => Ok(()),
    }
}

fn bad(why: &str) -> Result<(), Reply> {
    Err(Reply::new(ReplyCode::BAD_SEQUENCE, [b"5.5.1 ", why.as_bytes()].concat()))
}

fn unrecognized() -> Result<(), Reply> {
    refuse(ReplyCode::UNRECOGNIZED, "5.5.1 Command not recognized")
}

fn refuse(code: ReplyCode, text: &str) -> Result<(), Reply> {
    Err(Reply::new(code, text))
}
