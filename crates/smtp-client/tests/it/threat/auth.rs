//! AUTH: what the client sends to authenticate, and which server it trusts.
//!
//! Where a name begins with `a` or `t` and a number, that is the threat which it is about.
use smtp_client::{
    Error, Step,
    sasl::{ClearText, Credentials, Login, Nonce},
    session::{Auth, Hello, Next, Operation, Session},
};

use crate::stage::offer;

mod bearer;
mod choice;
mod drop;
mod errors;
mod hostile;
mod limits;
mod mechanisms;
mod own;
mod scram;
mod scram_server;
mod secrecy;
mod vectors;

/// The credentials of RFC 2195.
pub(crate) const USER: &str = "tim";
pub(crate) const PASSWORD: &str = "tanstaaftanstaaf";
/// PLAIN with them, in base64.
pub(crate) const PLAIN: &str = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm";

/// A login with them.
pub(crate) fn login() -> Login {
    Login::new(Credentials::password(USER, PASSWORD).unwrap())
}

/// The same over a connection in clear.
pub(crate) fn in_clear() -> Login {
    login().clear_text(ClearText::Allowed)
}

/// A session whose server offers these keywords, over a transport that is confined to this machine.
pub(crate) fn confined(keywords: &[&str]) -> Session {
    let mut session = exposed(keywords);
    session.confined();
    session
}

/// The same over a transport in clear.
pub(crate) fn exposed(keywords: &[&str]) -> Session {
    let mut session = Session::default();
    greet(&mut session, keywords);
    session
}

/// The greeting and EHLO, which is answered with these keywords.
pub(crate) fn greet(session: &mut Session, keywords: &[&str]) {
    let reply = offer(keywords).replace("S: ", "").replace('\n', "\r\n");
    let (greeted, _) = drive(session, Hello::after_greeting(), |line| match line {
        "" => "220 mx.example\r\n".into(),
        _ => reply.clone(),
    });
    greeted.unwrap();
}

/// The login's operation for this session, with a nonce that is no secret.
pub(crate) fn auth(login: &Login, session: &Session) -> Result<Auth, Error> {
    login.auth(session, Nonce::new([7; 18]))
}

/// Drives a operation without a runtime: every line gets the octets that `answer` makes of it,
/// and a server that has nothing to say when it is its turn closes. The lines are what was said.
pub(crate) fn drive<C: Operation>(
    session: &mut Session,
    operation: C,
    mut answer: impl FnMut(&str) -> String,
) -> (Result<C::Answer, Error>, Vec<String>) {
    let mut run = match session.run(operation) {
        Ok(run) => run,
        Err(error) => return (Err(error), Vec::new()),
    };
    let mut said = Vec::new();
    let mut incoming = String::new();
    loop {
        match run.next() {
            Next::Done => return (run.finish(), said),
            Next::Request(_) => panic!("no recipient is accepted here"),
            Next::Write => {
                let line = String::from_utf8(run.output().first().to_vec()).unwrap();
                run.wrote(line.len());
                for line in line.split_terminator("\r\n") {
                    incoming += &answer(line);
                    said.push(line.to_owned());
                }
            }
            Next::Read => {
                if incoming.is_empty() && run.step() == Step::Greeting {
                    incoming = answer("");
                }
                match std::mem::take(&mut incoming) {
                    nothing if nothing.is_empty() => run.closed(),
                    octets => run.receive(octets.as_bytes()),
                }
            }
        }
    }
}

/// Authenticates, against a server that gives these answers one after the other, and says nothing
/// more than these lines.
#[track_caller]
pub(crate) fn exchange(
    session: &mut Session,
    login: &Login,
    dialogue: &[(&str, &str)],
) -> Result<(), Error> {
    let auth = auth(login, session)?;
    let mut answers = dialogue.iter();
    let (outcome, said) =
        drive(session, auth, |_| answers.next().map_or(String::new(), |(_, answer)| lines(answer)));
    let expected: Vec<&str> = dialogue.iter().map(|(line, _)| *line).collect();
    assert_eq!(said, expected, "{outcome:?}");
    outcome
}

/// Lines with their ends; nothing is nothing.
fn lines(text: &str) -> String {
    text.lines().map(|line| format!("{line}\r\n")).collect()
}
