//! Processes that never outlive this one: servers, and what installs and prepares them.
//!
//! A server is started by a shell that waits for the end of its standard input, a pipe whose other
//! end only this process holds. However this process ends, by a panic or SIGKILL too, the pipe is
//! closed, the shell ends the server, and nothing has to be cleaned up by its name.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::view::View;

/// Runs a server in the background until the end of standard input, and then kills the process
/// group, the shell included. The arguments are the log, the file for the exit status, and the
/// command of the server.
///
/// What it starts has its standard output as descriptor 3, so that the end of that output is the end
/// of all of them.
const HOLD: &str = r#"
log=$1; status=$2; shift 2
exec 3>&1
{ "$@" >"$log" 2>&1; echo "$?" >"$status"; } &
read -r _
kill -KILL 0
"#;

/// The same for the first process of a PID namespace, which kills every other one in there and ends.
/// `unshare`, which is not killed, ends when the kernel has ended all of them: the end of the output
/// does not tell that of daemons that have closed it, such as those of Postfix, and a server that was
/// started before they are gone found their locks and their ports.
const HOLD_INSIDE: &str = r#"
log=$1; status=$2; shift 2
exec 3>&1
{ "$@" >"$log" 2>&1; echo "$?" >"$status"; } &
read -r _
kill -KILL -1
"#;

/// A server to be started, any number of times.
pub(crate) struct Launch {
    command: Vec<OsString>,
    view: Option<View>,
    log: PathBuf,
    status: PathBuf,
}

impl Launch {
    /// A server whose output goes to `log` in this folder.
    pub(crate) fn new<S: Into<OsString>>(
        folder: &Path,
        command: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            view: None,
            log: folder.join("log"),
            status: folder.join("status"),
        }
    }

    /// Starts it in this view of the file system, and in a PID namespace, which the kernel ends with
    /// its first process: no daemon can leave it.
    pub(crate) fn inside(mut self, view: View) -> Self {
        self.view = Some(view);
        self
    }

    /// Starts it.
    pub(crate) fn start(&self) -> io::Result<Running> {
        match fs::remove_file(&self.status) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut command = match &self.view {
            None => {
                let mut command = Command::new("sh");
                command.args(["-c", HOLD]);
                command
            }
            Some(view) => {
                view.begin()?;
                view.command(&["--pid", "--fork", "--mount-proc"], HOLD_INSIDE)
            }
        };
        command.arg("sh").args(view_arguments(self.view.as_ref()));
        command.arg(&self.log).arg(&self.status).args(&self.command);
        command.process_group(0).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(File::create(&self.log)?);
        Ok(Running { child: command.spawn()?, status: self.status.clone() })
    }

    /// Returns the last line that the server has written, to say why it does not run.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("it has printed nothing").trim().chars().take(300).collect()
    }
}

fn view_arguments(view: Option<&View>) -> Vec<&OsStr> {
    view.map(View::arguments).unwrap_or_default()
}

/// A server that runs, until this is dropped.
pub(crate) struct Running {
    child: Child,
    status: PathBuf,
}

impl Running {
    /// Returns the exit status of the server, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status.to_string());
        }
        let status = fs::read_to_string(&self.status).ok()?;
        Some(format!("exit status: {}", status.trim()))
    }
}

impl Drop for Running {
    /// Kills the server, as a power failure does, and waits until it is gone.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Some(mut output) = self.child.stdout.take() {
            let _ = io::copy(&mut output, &mut io::sink());
        }
        let _ = self.child.wait();
    }
}

/// Runs a command to its end, and returns what it has printed. The command ends with this process.
///
/// # Errors
/// It cannot be started or it fails: the text is the last line of its output.
pub(crate) fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String, String> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).args(arguments);
    output(command, program, "")
}

/// Runs a command in a view of the file system, with this text as its standard input.
pub(crate) fn run_inside<S: AsRef<OsStr>>(
    view: &View,
    program: &str,
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Result<String, String> {
    let mut command = view.command(&[], r#"exec "$@""#);
    command.arg("sh").args(view.arguments()).arg(program).args(arguments);
    output(command, program, input)
}

fn output(mut command: Command, program: &str, input: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("{program}: {error}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!("{program}: {} ({})", last.unwrap_or("no output").trim(), output.status))
}

#[cfg(test)]
mod tests;
