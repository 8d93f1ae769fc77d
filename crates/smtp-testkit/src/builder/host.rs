//! The settings of a server with rules.

use std::borrow::Borrow;

use super::ServerBuilder;
use crate::answer::Answer;
use crate::asked::Asked;
use crate::host::{Greeting, Logins, Protocol};
use crate::keep::Keep;
use crate::lint::Lint;
use crate::login::{Account, Secret};
use crate::message::Message;
use crate::rule::Rule;

/// Settings of a server with rules. A server with scripts uses only [`deny`](Self::deny) of these.
impl ServerBuilder {
    /// Sets the protocol; by default, SMTP.
    ///
    /// LMTP always offers PIPELINING and ENHANCEDSTATUSCODES (RFC 2033).
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.parts.host.protocol = protocol;
        match protocol {
            Protocol::Smtp => self,
            Protocol::Lmtp => self.offer("PIPELINING").offer("ENHANCEDSTATUSCODES"),
        }
    }

    /// Sets whether the connection begins with TLS; by default, it begins in clear.
    pub fn greeting(mut self, greeting: Greeting) -> Self {
        self.parts.host.greeting = greeting;
        self
    }

    /// Adds a line to the EHLO reply, such as `PIPELINING`, `SIZE 1000000` or `AUTH PLAIN LOGIN`;
    /// by default, the server offers nothing.
    ///
    /// The server implements the extensions that it knows as their RFCs specify, and refuses what
    /// it does not offer: limits, parameters, verbs and mechanisms. For an unknown keyword, it
    /// accepts a parameter of the same name.
    pub fn offer(mut self, line: &str) -> Self {
        self.parts.host.offers.push(line.to_owned());
        self
    }

    /// Adds a user who can log in with a password.
    ///
    /// SCRAM and PLAIN compare both after SASLprep (RFC 4013), so `"I\u{AD}X"` and `"\u{2168}"`
    /// equal the password `"IX"`. SCRAM refuses a password that SASLprep refuses, such as one with
    /// a control character.
    pub fn user(mut self, user: &str, password: &str) -> Self {
        let secret = Secret::Password(password.to_owned());
        self.parts.host.accounts.push(Account { user: user.to_owned(), secret });
        self
    }

    /// Adds a user who can log in with a token, by XOAUTH2 or OAUTHBEARER.
    pub fn token(mut self, user: &str, token: &str) -> Self {
        let secret = Secret::Token(token.to_owned());
        self.parts.host.accounts.push(Account { user: user.to_owned(), secret });
        self
    }

    /// Lets every user log in, with any password or token, by PLAIN, LOGIN, CRAM-MD5, XOAUTH2 and
    /// OAUTHBEARER. SCRAM needs a password that the server knows, so it still admits only the
    /// users that were added.
    pub fn any_login(mut self) -> Self {
        self.parts.host.logins = Logins::Any;
        self
    }

    /// Adds a rule; the first rule that applies determines the answer.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.parts.host.rules.push(rule);
        self
    }

    /// Sets a closure that is called for each command and at the end of each message text, before
    /// the rules are checked. An answer replaces the usual reply; `None` leaves the reply to the
    /// rules.
    ///
    /// ```
    /// use smtp_testkit::{Answer, Server};
    ///
    /// let mut pings = 0;
    /// let server = Server::builder().respond(move |asked| {
    ///     if asked.verb() == "XPING" {
    ///         pings += 1;
    ///         return Some(Answer::reply(&format!("250 pong {pings}")));
    ///     }
    ///     let infected = asked.message()?.text().ends_with(b"virus\r\n");
    ///     infected.then(|| Answer::reply("554 5.7.1 a virus"))
    /// });
    /// # drop(server);
    /// ```
    pub fn respond(
        mut self,
        respond: impl FnMut(&Asked<'_>) -> Option<Answer> + Send + 'static,
    ) -> Self {
        self.parts.host.responder = Some(Box::new(respond));
        self
    }

    /// Sets a closure that takes each message which the server is about to accept, before its reply
    /// is written. It is for the recipients whose reply is about to accept it; the report has it with
    /// all that RCPT has named. With `None`, the reply stays; an answer replaces it, or each reply that accepts
    /// the message if each recipient has one. A message that is refused by the answer is not in the
    /// report.
    ///
    /// The closure is called for one message at a time, and the server waits for it.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use smtp_testkit::{Keep, Server};
    ///
    /// let (send, messages) = channel();
    /// // The messages go to the channel only.
    /// let server = Server::builder().keep(Keep::everything().messages(0)).on_message(move |message| {
    ///     send.send(message.clone()).ok();
    ///     None
    /// });
    /// # drop(server);
    /// ```
    pub fn on_message(
        mut self,
        take: impl FnMut(&Message) -> Option<Answer> + Send + 'static,
    ) -> Self {
        self.parts.host.taker = Some(Box::new(take));
        self
    }

    /// Sets how much the server keeps of what it receives; by default, everything.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.parts.host.keep = keep;
        self
    }

    /// Sets how many octets a client may send as one line or one message text, with its added dots
    /// or in all its chunks. For more, the server replies 552 and closes the connection. By default,
    /// there is no limit; SIZE refuses a text only after it has arrived.
    pub fn input_limit(mut self, octets: usize) -> Self {
        self.parts.host.input_limit = octets;
        self
    }

    /// Accepts what the server otherwise refuses for this mistake. The mistake is still in the
    /// [findings](crate::Report::findings), but it never fails the test, even if it is
    /// [denied](Self::deny): `deny(Lint::ALL)` with one tolerated lint denies all others.
    ///
    /// | Lint | What the server accepts |
    /// |---|---|
    /// | [`Lint::BadSyntax`] | spaces and tabs before a command, and more than one between words |
    /// | | `MAIL FROM: <a@example.org>`, `RCPT TO :<b@example.org>`, `< b@example.org >`: spaces around the colon and inside of the brackets |
    /// | | `MAIL FROM:a@example.org SIZE=3`: an address without brackets |
    /// | | `<bob>`, `<b..b.@example.org>`, `<b@foo_bar.example.>`: no domain, dots anywhere in the local part, underscores and a final dot in the domain |
    /// | | `EHLO my computer`, `QUIT now`: extra words after EHLO, HELO, LHLO, DATA, RSET and QUIT |
    /// | [`Lint::BareLf`] | LF as the end of a command line, and in a text |
    /// | [`Lint::OverLongLine`] | in commands and in a text |
    /// | [`Lint::BareCr`], [`Lint::EightBitWithoutBody`], [`Lint::Utf8WithoutSmtpUtf8`] | in a text |
    ///
    /// Lines that cannot be understood are refused as before: a line without a verb, an unknown
    /// verb, a missing address, a parameter without a name or given twice. Verbs in lower case and
    /// spaces at the end of a line are not mistakes. Tolerating any other lint changes nothing,
    /// because the server accepts those mistakes anyway.
    ///
    /// ```
    /// use smtp_testkit::{Lint, Server};
    ///
    /// let server = Server::builder().tolerate(Lint::BadSyntax).tcp().unwrap();
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
    /// # let mut send = |line: &str| {
    /// #     client.read(&mut [0; 512]).unwrap();
    /// #     client.write_all(line.as_bytes()).unwrap();
    /// # };
    /// # send("EHLO client.example\r\n");
    /// // A client sends `MAIL FROM: <a@example.org>`, and then `RCPT TO:b@example.org`.
    /// # send("MAIL FROM: <a@example.org>\r\n");
    /// # send("RCPT TO:b@example.org\r\n");
    /// # send("DATA\r\n");
    /// # send(".\r\n");
    /// # send("QUIT\r\n");
    /// # drop(client);
    /// let report = server.finish().wait().unwrap();
    /// assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    /// assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    /// ```
    pub fn tolerate(mut self, lint: Lint) -> Self {
        self.parts.host.tolerated.insert(lint);
        self
    }

    /// Makes [`finish`](crate::Server::finish) fail for these mistakes of the client, except those
    /// that are [tolerated](Self::tolerate); by default, they are only in the report.
    pub fn deny(mut self, lints: impl IntoIterator<Item = impl Borrow<Lint>>) -> Self {
        self.parts.host.denied.extend(lints.into_iter().map(|lint| *lint.borrow()));
        self
    }
}
