//! The question for a password on the terminal.
use std::io;

use smtp_client::sasl::Secret;

use crate::failure::Failure;
use crate::interrupt::Interruption;

/// Asks for the password of this user. Ctrl-C ends the question, and what is typed is shown again.
pub(crate) async fn password(user: &str) -> Result<Secret, Failure> {
    let question = format!("Password of {user}: ");
    let terminal = Terminal::keep();
    let interruption = Interruption::listen();
    let asking = tokio::task::spawn_blocking(move || rpassword::prompt_password(question));
    let Ok(asked) = interruption.unless(asking).await else {
        terminal.restore();
        return Err(Failure::Interrupted("at the question for the password: nothing was sent"));
    };
    let asked = asked.map_err(io::Error::other).and_then(|asked| asked);
    asked.map(Secret::from).map_err(|error| {
        let why = format!(
            "the password cannot be asked for ({error}): write --password-file, --password-env or \
             --password-command"
        );
        Failure::option("--user", why)
    })
}

/// How the terminal was before the question, if there is one.
#[cfg(unix)]
struct Terminal(Option<(std::fs::File, rustix::termios::Termios)>);

#[cfg(unix)]
impl Terminal {
    fn keep() -> Self {
        let kept = std::fs::File::open("/dev/tty").ok().and_then(|file| {
            let modes = rustix::termios::tcgetattr(&file).ok()?;
            Some((file, modes))
        });
        Self(kept)
    }

    fn restore(&self) {
        if let Some((file, modes)) = &self.0 {
            // There is nothing else to try.
            let now = rustix::termios::OptionalActions::Now;
            let _ = rustix::termios::tcsetattr(file, now, modes);
        }
        anstream::eprintln!();
    }
}

#[cfg(not(unix))]
struct Terminal;

#[cfg(not(unix))]
impl Terminal {
    fn keep() -> Self {
        Self
    }

    fn restore(&self) {}
}
