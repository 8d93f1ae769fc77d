//! The session commands as data, for the families that try each of them.
use smtp_client::{
    Attribute, Attributes, Connection, Error, Reply, ReplyCode, Step, Xtext, blocking,
};

/// A session command with a fixed argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Reset,
    Noop,
    Verify,
    Expand,
    Help,
    HelpOn,
    Etrn,
    Xforward,
    Custom,
    Quit,
    Rehlo,
}

/// What a server has to offer for all of them.
pub(crate) const OFFER: [&str; 2] = ["ETRN", "XFORWARD NAME ADDR"];

/// How it is performed, by either client.
macro_rules! perform {
    ($name:ident, $connection:ty, [$($async:tt)*], [$($await:tt)*]) => {
        /// Does it, and gives the reply; to EHLO, the one that the capabilities came in.
        pub(crate) $($async)* fn $name(self, connection: &mut $connection) -> Result<Reply, Error> {
            match self {
                Self::Reset => connection.reset()$($await)*,
                Self::Noop => connection.noop()$($await)*,
                Self::Verify => connection.verify("Crispin")$($await)*,
                Self::Expand => connection.expand("Example-People")$($await)*,
                Self::Help => connection.help(None)$($await)*,
                Self::HelpOn => connection.help("MAIL")$($await)*,
                Self::Etrn => connection.etrn("@example.org")$($await)*,
                Self::Xforward => connection.xforward(&attributes([("ADDR", "192.0.2.1")]))$($await)*,
                Self::Custom => connection.command("XPING", "one two")$($await)*,
                Self::Quit => connection.quit()$($await)*,
                Self::Rehlo => {
                    let capabilities = connection.rehlo()$($await)*?;
                    let helo = || Reply::new(ReplyCode::OK, "");
                    Ok(capabilities.reply().cloned().unwrap_or_else(helo))
                }
            }
        }
    };
}

impl Operation {
    pub(crate) const ALL: [Self; 11] = [
        Self::Reset,
        Self::Noop,
        Self::Verify,
        Self::Expand,
        Self::Help,
        Self::HelpOn,
        Self::Etrn,
        Self::Xforward,
        Self::Custom,
        Self::Quit,
        Self::Rehlo,
    ];

    /// The line that it sends to an SMTP server.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Self::Reset => "RSET",
            Self::Noop => "NOOP",
            Self::Verify => "VRFY Crispin",
            Self::Expand => "EXPN Example-People",
            Self::Help => "HELP",
            Self::HelpOn => "HELP MAIL",
            Self::Etrn => "ETRN @example.org",
            Self::Xforward => "XFORWARD ADDR=192.0.2.1",
            Self::Custom => "XPING one two",
            Self::Quit => "QUIT",
            Self::Rehlo => "EHLO client.example",
        }
    }

    pub(crate) fn step(self) -> Step {
        match self {
            Self::Reset => Step::Reset,
            Self::Noop => Step::Noop,
            Self::Verify => Step::Verify,
            Self::Expand => Step::Expand,
            Self::Help | Self::HelpOn => Step::Help,
            Self::Etrn => Step::Etrn,
            Self::Xforward => Step::Xforward,
            Self::Custom => Step::Command,
            Self::Quit => Step::Quit,
            Self::Rehlo => Step::Hello,
        }
    }

    /// The code of success.
    pub(crate) fn good(self) -> u16 {
        match self {
            Self::Help | Self::HelpOn => 214,
            Self::Quit => 221,
            _ => 250,
        }
    }

    /// Whether a refusal is an answer.
    pub(crate) fn takes_any(self) -> bool {
        matches!(self, Self::Verify | Self::Expand | Self::Help | Self::HelpOn | Self::Custom)
    }

    perform!(perform, Connection, [async], [.await]);
    perform!(perform_blocking, blocking::Connection, [], []);
}

/// The attributes of XCLIENT and XFORWARD.
pub(crate) fn attributes<const N: usize>(pairs: [(&str, &str); N]) -> Attributes {
    pairs.into_iter().fold(Attributes::default(), |attributes, (name, value)| {
        let value = Attribute::Known(Xtext::new(value).unwrap());
        attributes.with(name, value).unwrap()
    })
}
