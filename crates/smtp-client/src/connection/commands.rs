//! The session commands of RFC 5321.
use smtp_codec::Argument;
use smtp_error::{Error, Field, Invalid, Step};

/// The session commands of RFC 5321.
macro_rules! session_commands {
    ([$($async:tt)*], [$($await:tt)*]) => {
        impl Connection {
            /// RSET: aborts the mail transaction, if one is open.
            ///
            /// # Errors
            /// A refusal is one; and any 2yz reply but 250 is a misbehavior.
            pub $($async)* fn reset(&mut self) -> Result<$crate::Reply, $crate::Error> {
                self.ask($crate::session::SimpleCommand::reset())$($await)*
            }

            /// NOOP: keeps the connection alive. There is no need for it before another operation,
            /// which looks for itself whether the server has closed the connection.
            ///
            /// # Errors
            /// A refusal is one; and any 2yz reply but 250 is a misbehavior.
            pub $($async)* fn noop(&mut self) -> Result<$crate::Reply, $crate::Error> {
                self.ask($crate::session::SimpleCommand::noop())$($await)*
            }

            /// VRFY: asks who a user name or mailbox is (RFC 5321, 3.5). The reply is the answer,
            /// whatever its code: 250 and 251 verified, 252 cannot verify but will try, 550
            /// unknown, 553 ambiguous, 502 not implemented.
            ///
            /// Text that is no atom is quoted; a [`Mailbox`](crate::Mailbox) is sent as it is.
            /// Outside ASCII it needs SMTPUTF8 (RFC 6531, 3.7.4.2).
            ///
            /// # Errors
            /// Only what is no answer: a bad argument, 421, a broken line.
            pub $($async)* fn verify<A>(&mut self, who: A) -> Result<$crate::Reply, $crate::Error>
            where
                A: TryInto<$crate::Argument, Error: Into<$crate::Invalid>>,
            {
                self.check($crate::Step::Verify)$($await)*?;
                let field = $crate::Field::VerifyArgument;
                let argument = $crate::connection::argument(who, $crate::Step::Verify, field)?;
                self.ask($crate::session::SimpleCommand::verify(&argument))$($await)*
            }

            /// EXPN: asks who is on a list (RFC 5321, 3.5). The reply is the answer, whatever its
            /// code; its [`lines`](crate::Reply::lines) are the members.
            ///
            /// Arguments are treated as by [`verify`](Self::verify).
            ///
            /// # Errors
            /// Only what is no answer: a bad argument, 421, a broken line.
            pub $($async)* fn expand<A>(&mut self, list: A) -> Result<$crate::Reply, $crate::Error>
            where
                A: TryInto<$crate::Argument, Error: Into<$crate::Invalid>>,
            {
                self.check($crate::Step::Expand)$($await)*?;
                let field = $crate::Field::ExpandArgument;
                let argument = $crate::connection::argument(list, $crate::Step::Expand, field)?;
                self.ask($crate::session::SimpleCommand::expand(&argument))$($await)*
            }

            /// MAIL and RCPT without a content: asks which recipients the server would accept. Nothing
            /// is delivered. The replies are the answer, whatever their codes.
            ///
            /// The transaction is left open, which the next message ends with RSET, and QUIT too.
            /// With [`CalloutEnd::Data`](crate::CalloutEnd::Data) a 354 ends the session.
            ///
            /// # Errors
            /// The server does not offer what the envelope needs, or limits the recipients to
            /// fewer: nothing was sent. What is no answer: 421, a refused RSET, a broken line.
            pub $($async)* fn callout(
                &mut self,
                envelope: &$crate::Envelope,
                end: $crate::CalloutEnd,
            ) -> Result<$crate::CalloutReplies, $crate::Error> {
                self.check($crate::Step::Mail)$($await)*?;
                let callout = $crate::session::Callout::new(envelope).end(end);
                self.drive(callout.sending(self.sending))$($await)*
            }

            /// HELP, with a topic or `None`. The reply is the answer, whatever its code.
            ///
            /// # Errors
            /// Only what is no answer: a bad topic, 421, a broken line.
            pub $($async)* fn help<'a>(
                &mut self,
                topic: impl Into<Option<&'a str>>,
            ) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::Step::Help)$($await)*?;
                let (step, field) = ($crate::Step::Help, $crate::Field::HelpTopic);
                let argument = |topic| $crate::connection::argument(topic, step, field);
                let topic = topic.into().map(argument).transpose()?;
                self.ask($crate::session::SimpleCommand::help(topic.as_ref()))$($await)*
            }

            /// EHLO or LHLO again, or HELO if the session fell back to it: the fresh capabilities
            /// replace the old ones. It aborts the mail transaction, if one is open.
            ///
            /// # Errors
            /// A refusal is one; the capabilities stay as they were then.
            pub $($async)* fn rehlo(&mut self) -> Result<&$crate::Capabilities, $crate::Error> {
                self.check($crate::Step::Hello)$($await)*?;
                let fallback = $crate::session::HelloFallback::Forbidden;
                self.drive($crate::session::Hello::again().fallback(fallback))$($await)*?;
                Ok(self.session.capabilities())
            }

            /// QUIT: ends the session and closes the connection in both directions, with
            /// close_notify if TLS protects it. Every call afterwards says that the session has
            /// ended.
            ///
            /// # Errors
            /// The server did not answer with 221, or not in time. The connection is closed all the
            /// same.
            pub $($async)* fn quit(&mut self) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::Step::Quit)$($await)*?;
                let mut clock = $crate::clock::Clock::start(self.timeouts);
                let answer = self.ask($crate::session::SimpleCommand::quit())$($await)*;
                if let (Some(driver), Ok(_)) = (self.driver.take(), &answer) {
                    driver.close(clock.begin_to_close())$($await)*;
                }
                answer
            }
        }
    };
}

pub(crate) use session_commands;

/// An argument of this field, given in whatever form.
pub(crate) fn argument<A>(given: A, step: Step, field: Field) -> Result<Argument, Error>
where
    A: TryInto<Argument, Error: Into<Invalid>>,
{
    given.try_into().map_err(|invalid| Error::new(step, invalid.into().in_field(field)))
}
