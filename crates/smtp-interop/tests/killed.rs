//! What the program starts ends with it, however it ends. The server is a stand-in that never
//! answers, so that nothing has to be fetched.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);

struct Run {
    folder: PathBuf,
    child: Child,
}

/// Starts the program with a script in place of a server, and waits until that runs.
fn start(name: &str) -> Run {
    let folder = env::temp_dir().join(format!("interop-killed-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let text = folder.display();
    let script = format!(
        "#!/bin/sh\ntouch {text}/file\ntail -f {text}/file &\ntouch {text}/up\nexec tail -f {text}/file\n"
    );
    let child = program(&folder, &script).spawn().unwrap();
    let run = Run { folder, child };
    until("the server runs", || run.folder.join("up").exists() && run.servers() > 0);
    run
}

fn program(folder: &Path, script: &str) -> Command {
    let path = folder.join("maildir");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtp-interop"));
    command.arg("--cache").arg(folder.join("cache")).arg("--examples").arg(folder).arg("maildir");
    command.env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        // Other processes have to run, and there is nothing to wait on.
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Run {
    /// Returns how many processes of the server there are.
    fn servers(&self) -> usize {
        let text = self.folder.display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        lines.filter(|line| line.contains(&text) && !line.contains("smtp-interop\0")).count()
    }

    fn signal(&mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }

    fn workspaces(&self) -> usize {
        fs::read_dir(self.folder.join("tmp")).unwrap().count()
    }
}

#[track_caller]
fn interrupted(signal: &str, status: i32) {
    let mut run = start(signal);
    assert_eq!(run.workspaces(), 1);
    assert_eq!(run.signal(signal), Some(status));
    assert_eq!(run.servers(), 0, "a server runs on");
    assert_eq!(run.workspaces(), 0, "the temporary folder is left");
    fs::remove_dir_all(&run.folder).unwrap();
}

#[test]
fn interrupted_by_sigint() {
    interrupted("-INT", 130);
}

#[test]
fn interrupted_by_sigterm() {
    interrupted("-TERM", 143);
}

#[test]
fn killed_in_the_middle() {
    let mut run = start("-KILL");
    assert_eq!(run.signal("-KILL"), None);
    until("no server runs on", || run.servers() == 0);
    fs::remove_dir_all(&run.folder).unwrap();
}

#[test]
fn a_server_that_ends_at_once_is_in_the_table() {
    let folder = env::temp_dir().join(format!("interop-killed-ends-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let script = "#!/bin/sh\necho starting\necho address already in use >&2\nexit 7\n";
    let output = program(&folder, script).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = "**maildir**: not run: it ended (exit status: 7): address already in use";
    assert!(text.contains(line), "{text}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_unknown_server_is_wrong_usage() {
    let command = Command::new(env!("CARGO_BIN_EXE_smtp-interop")).arg("nosuch").output().unwrap();
    assert_eq!(command.status.code(), Some(2));
    let text = String::from_utf8(command.stderr).unwrap();
    assert!(text.starts_with("interop: no server `nosuch`; see --list\n"), "{text}");
}
