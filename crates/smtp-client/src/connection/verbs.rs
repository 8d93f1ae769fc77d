//! The verbs that extensions add, and those that have no name here.
use std::borrow::Cow;

use smtp_codec::{Domain, Word};
use smtp_error::{Error, Field, Step};

/// The verbs that extensions add. `$stream` is what ATRN gives away.
macro_rules! verbs {
    ([$($async:tt)*], [$($await:tt)*], $stream:ty) => {
        impl Connection {
            /// ETRN: asks that the mail that waits for a node be sent to it (RFC 1985), where `@`
            /// before the node stands for all below it too and `#` for a queue. 250 and 252 say
            /// that it begins, 251 that nothing waits, 253 how much does. A domain outside ASCII is
            /// sent with A-labels.
            ///
            /// # Errors
            /// A refusal is one, such as 458 (it cannot) and 459 (not for this node); and so is
            /// that the server does not offer it.
            pub $($async)* fn etrn(&mut self, node: &str) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::Step::Etrn)$($await)*?;
                let node = $crate::connection::nodes(node, $crate::Step::Etrn)?;
                let node = $crate::connection::word(&node, $crate::Step::Etrn)?;
                self.ask($crate::session::SimpleCommand::etrn(node))$($await)*
            }

            /// XCLIENT: speaks for another client from here on, as far as the server lets this one
            /// (Postfix). The session is restarted: the greeting and the capabilities are replaced,
            /// by what an EHLO or LHLO in the same call learns.
            ///
            /// # Errors
            /// A refusal is one. An attribute that the server does not list, or more of them than
            /// fit into one line, are refused before anything is written. If the server takes the
            /// attributes and refuses the EHLO, the session has ended.
            pub $($async)* fn xclient(
                &mut self,
                attributes: &$crate::Attributes,
            ) -> Result<&$crate::Capabilities, $crate::Error> {
                self.check($crate::Step::Xclient)$($await)*?;
                self.drive($crate::session::Xclient::new(attributes))$($await)*?;
                Ok(self.capabilities())
            }

            /// XFORWARD: passes on what is known of the client that the next message came from
            /// (Postfix). It counts for the next [`send`](Self::send), and [`reset`](Self::reset)
            /// takes it back. What does not fit into one line goes out in several; the reply is the
            /// last one.
            ///
            /// # Errors
            /// A refusal is one, and then nothing counts. An attribute that the server does not
            /// list is refused before anything is written.
            pub $($async)* fn xforward(
                &mut self,
                attributes: &$crate::Attributes,
            ) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::Step::Xforward)$($await)*?;
                self.drive($crate::session::Xforward::new(attributes))$($await)*
            }

            /// ATRN: turns the roles around, so that the other side sends the mail that waits for
            /// these domains (parted by commas), or for all that are this client's if `None` (RFC
            /// 2645). The connection ends with it and gives its stream away: the next octets on it
            /// have to be a 220 greeting of this side. Servers ask for AUTH before it.
            ///
            /// # Errors
            /// A refusal is one, such as 453 (no mail waits), and leaves the connection as it was.
            pub $($async)* fn atrn<'a>(
                &mut self,
                domains: impl Into<Option<&'a str>>,
            ) -> Result<$stream, $crate::Error> {
                self.check($crate::Step::Atrn)$($await)*?;
                let step = $crate::Step::Atrn;
                let nodes = |domains| $crate::connection::nodes(domains, step);
                let domains = domains.into().map(nodes).transpose()?;
                let word = |domains| $crate::connection::word(domains, step);
                let word = domains.as_deref().map(word).transpose()?;
                let answer = self.ask($crate::session::SimpleCommand::atrn(word))$($await)*;
                let driver = match self.ended() {
                    Some(_) => self.driver.take(),
                    None => None,
                };
                answer?;
                match driver {
                    Some(driver) => Ok(driver.into_stream()),
                    None => Err($crate::Error::new(step, $crate::Ended::Closed)),
                }
            }

            /// A command that has no name here, with its arguments or an empty text. The reply is
            /// the answer, whatever its code. Its line goes out as it is given, and the trace of
            /// the dialogue shows it so: it is no place for a secret.
            ///
            /// # Errors
            /// What is no answer: 421, a 3yz reply, a broken line. A verb that this crate knows is
            /// refused, since only its own method knows what it does to the session; so are control
            /// characters, and text outside ASCII where SMTPUTF8 is not offered. Nothing is written
            /// then.
            pub $($async)* fn command(
                &mut self,
                verb: &str,
                arguments: &str,
            ) -> Result<$crate::Reply, $crate::Error> {
                self.check($crate::Step::Command)$($await)*?;
                let ask = $crate::session::SimpleCommand::command(verb, arguments);
                let invalid = |invalid| $crate::Error::new($crate::Step::Command, invalid);
                self.ask(ask.map_err(invalid)?)$($await)*
            }
        }
    };
}

pub(crate) use verbs;

/// Domains with commas between them, each of which `@` may precede, in ASCII.
pub(crate) fn nodes(text: &str, step: Step) -> Result<Cow<'_, str>, Error> {
    if text.is_ascii() {
        return Ok(Cow::Borrowed(text));
    }
    let ascii = |node: &str| {
        let domain = node.strip_prefix('@').unwrap_or(node);
        let prefix = &node[..node.len() - domain.len()];
        Domain::new(domain).map(|domain| format!("{prefix}{}", domain.to_ascii()))
    };
    let nodes = text.split(',').map(ascii).collect::<Result<Vec<_>, _>>();
    let nodes = nodes.map_err(|invalid| Error::new(step, invalid.in_field(Field::Node)))?;
    Ok(Cow::Owned(nodes.join(",")))
}

/// A word of a command, in ASCII.
pub(crate) fn word(text: &str, step: Step) -> Result<Word<&str>, Error> {
    Word::new(text).map_err(|invalid| Error::new(step, invalid.in_field(Field::Node)))
}
