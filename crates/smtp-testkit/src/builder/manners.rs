//! What can be settled about a server that keeps to rules.

use std::borrow::Borrow;

use super::ServerBuilder;
use crate::answer::Answer;
use crate::asked::Asked;
use crate::host::{Greeting, Protocol};
use crate::lint::Lint;
use crate::login::{Account, Secret};
use crate::rule::Rule;

/// The well-behaved server; of these, a server with scripts takes notice of
/// [`deny`](Self::deny) only.
impl ServerBuilder {
    /// Which protocol it speaks; by default, SMTP.
    ///
    /// LMTP offers PIPELINING and ENHANCEDSTATUSCODES, as it must.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.parts.manners.protocol = protocol;
        match protocol {
            Protocol::Smtp => self,
            Protocol::Lmtp => self.offer("PIPELINING").offer("ENHANCEDSTATUSCODES"),
        }
    }

    /// Whether TLS comes first; by default, the connection begins in clear.
    pub fn greeting(mut self, greeting: Greeting) -> Self {
        self.parts.manners.greeting = greeting;
        self
    }

    /// Adds a line to the EHLO reply, such as `PIPELINING`, `SIZE 1000000` or `AUTH PLAIN LOGIN`;
    /// by default, nothing is offered.
    ///
    /// The server keeps to what it offers: limits, parameters, verbs and mechanisms that it knows
    /// work as their RFCs say, and everything else is refused. A keyword that it does not know
    /// makes a parameter of the same name welcome.
    pub fn offer(mut self, line: &str) -> Self {
        self.parts.manners.offers.push(line.to_owned());
        self
    }

    /// Somebody who can log in with a password.
    ///
    /// SCRAM and PLAIN compare both after SASLprep (RFC 4013), so that `"I\u{AD}X"` and
    /// `"\u{2168}"` are the password `"IX"`. A password that SASLprep refuses, such as one with a
    /// control character, is refused by SCRAM.
    pub fn user(mut self, user: &str, password: &str) -> Self {
        let secret = Secret::Password(password.to_owned());
        self.parts.manners.accounts.push(Account { user: user.to_owned(), secret });
        self
    }

    /// Somebody who can log in with a token, by XOAUTH2 or OAUTHBEARER.
    pub fn token(mut self, user: &str, token: &str) -> Self {
        let secret = Secret::Token(token.to_owned());
        self.parts.manners.accounts.push(Account { user: user.to_owned(), secret });
        self
    }

    /// Adds an exception; the first whose turn it is decides.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.parts.manners.rules.push(rule);
        self
    }

    /// Asks the test for each command, and at the end of each text, before any rule: an answer
    /// takes the place of the usual reply, and `None` leaves the reply to the rules.
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
        self.parts.manners.responder = Some(Box::new(respond));
        self
    }

    /// Takes what a strict server refuses for this mistake. It is noted in the
    /// [findings](crate::Report::findings) all the same, but is no fault even where it is
    /// [denied](Self::deny): `deny(Lint::ALL)` with one that is tolerated denies all the others.
    ///
    /// | Lint | What is taken |
    /// |---|---|
    /// | [`Lint::BadSyntax`] | blanks and tabs before a command, and more than one between words |
    /// | | `MAIL FROM: <a@example.org>`, `RCPT TO :<b@example.org>`, `< b@example.org >`: blanks about the colon and inside of the brackets |
    /// | | `MAIL FROM:a@example.org SIZE=3`: an address without its brackets |
    /// | | `<bob>`, `<b..b.@example.org>`, `<b@foo_bar.example.>`: no domain, dots anywhere in the local part, underscores and a final dot in the domain |
    /// | | `EHLO my computer`, `QUIT now`: extra words after EHLO, HELO, LHLO, DATA, RSET and QUIT |
    /// | [`Lint::BareLf`] | LF as the end of a command line; in a text |
    /// | [`Lint::OverLongLine`] | in commands and in a text |
    /// | [`Lint::BareCr`], [`Lint::EightBitWithoutBody`], [`Lint::Utf8WithoutSmtpUtf8`] | in a text |
    ///
    /// What cannot be understood is refused as before: a line without a verb, an unknown verb, no
    /// address, a parameter without a name or given twice. Verbs in lower case and blanks at the end
    /// of a line are no mistakes. Of the other lints, a server takes what it can take anyway.
    ///
    /// ```
    /// use smtp_testkit::{Lint, Server};
    ///
    /// let server = Server::builder().tolerate(Lint::BadSyntax).tcp().unwrap();
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(server.addr()).unwrap();
    /// # let mut say = |line: &str| {
    /// #     client.read(&mut [0; 512]).unwrap();
    /// #     client.write_all(line.as_bytes()).unwrap();
    /// # };
    /// # say("EHLO client.example\r\n");
    /// // A client sends `MAIL FROM: <a@example.org>`, and then `RCPT TO:b@example.org`.
    /// # say("MAIL FROM: <a@example.org>\r\n");
    /// # say("RCPT TO:b@example.org\r\n");
    /// # say("DATA\r\n");
    /// # say(".\r\n");
    /// # say("QUIT\r\n");
    /// # drop(client);
    /// let report = server.finish().wait().unwrap();
    /// assert_eq!(report.messages()[0].sender().as_deref(), Some("a@example.org"));
    /// assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    /// ```
    pub fn tolerate(mut self, lint: Lint) -> Self {
        self.parts.manners.tolerated.insert(lint);
        self
    }

    /// Makes these mistakes of the client a [`Mismatch`](crate::Mismatch), except those that are
    /// [tolerated](Self::tolerate); by default, they are noted in the report.
    pub fn deny(mut self, lints: impl IntoIterator<Item = impl Borrow<Lint>>) -> Self {
        self.parts.manners.denied.extend(lints.into_iter().map(|lint| *lint.borrow()));
        self
    }
}
