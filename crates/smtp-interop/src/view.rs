//! A private view of the file system: unpacked packages appear where they would be installed.
//!
//! The machine is not changed. In a mount namespace of their own, the server and what it starts see
//! the packages over `/usr`, `/etc` and `/var`, accounts that the machine does not have, and an empty
//! `/run`. It takes the rights of root.

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

/// Sets up the view. The arguments are the packages, the state, and then what `then` takes; the file
/// `binds` in the state has pairs of a folder that can be written and the place where it appears.
const MOUNT: &str = r#"
root=$1; state=$2; shift 2
mount -t overlay none -o "lowerdir=$root/usr:/usr" /usr
mount -t overlay none -o "lowerdir=$state/etc:$root/etc:/etc" /etc
mount -t overlay none -o "lowerdir=$state/var:$root/var:/var" /var
mount --bind "$state/run" /run
while read -r from to; do mount --bind "$from" "$to"; done <"$state/binds"
set +e
"#;

/// Unpacked packages, and the state of one server.
#[derive(Clone)]
pub(crate) struct View {
    root: PathBuf,
    state: PathBuf,
    binds: Vec<(PathBuf, String)>,
}

impl View {
    /// The packages in `root`, and what the server keeps in `state`, with these accounts besides
    /// those of the machine. Each account is a group too.
    ///
    /// # Errors
    /// The state cannot be written.
    pub(crate) fn new(root: &Path, state: &Path, accounts: &[(&str, u32)]) -> io::Result<Self> {
        for folder in ["usr", "etc", "var"] {
            fs::create_dir_all(root.join(folder))?;
            fs::create_dir_all(state.join(folder))?;
        }
        let mut users = fs::read_to_string("/etc/passwd")?;
        let mut groups = fs::read_to_string("/etc/group")?;
        for (name, id) in accounts {
            // An account of the machine with this name may have another number.
            users = without(&users, name);
            groups = without(&groups, name);
            users += &format!("{name}:x:{id}:{id}::/nonexistent:/bin/sh\n");
            groups += &format!("{name}:x:{id}:\n");
        }
        fs::write(state.join("etc/passwd"), users)?;
        fs::write(state.join("etc/group"), groups)?;
        let view = Self { root: root.to_owned(), state: state.to_owned(), binds: Vec::new() };
        view.begin()?;
        Ok(view)
    }

    /// Makes a folder that can be written appear at `place`, owned by this user.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(crate) fn writable(mut self, place: &str, owner: u32) -> io::Result<Self> {
        let folder = self.state.join("writable").join(place.trim_start_matches('/'));
        fs::create_dir_all(&folder)?;
        chown(&folder, Some(owner), Some(owner))?;
        // What is mounted on has to exist.
        fs::create_dir_all(self.state.join(place.trim_start_matches('/')))?;
        self.binds.push((folder, place.to_owned()));
        Ok(self)
    }

    /// Writes a file that the server sees at this place below `/etc`, and only root can read if it is
    /// a key.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&self, place: &str, text: &str) -> io::Result<()> {
        let path = self.state.join(place.trim_start_matches('/'));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        let mode = if place.contains("key") { 0o600 } else { 0o644 };
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Empties `/run`, as a start of the machine does.
    pub(super) fn begin(&self) -> io::Result<()> {
        let run = self.state.join("run");
        match fs::remove_dir_all(&run) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&run)?;
        let binds = self.binds.iter().map(|(from, to)| format!("{} {to}\n", from.display()));
        fs::write(self.state.join("binds"), binds.collect::<String>())
    }

    /// Returns the command that runs the script `then` inside, in these namespaces besides. A name
    /// and the [arguments](Self::arguments) come next.
    pub(super) fn command(&self, namespaces: &[&str], then: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]).args(namespaces);
        command.args(["sh", "-ec"]).arg(format!("{MOUNT}{then}"));
        command
    }

    /// Returns the arguments that the script takes.
    pub(super) fn arguments(&self) -> Vec<&OsStr> {
        vec![self.root.as_os_str(), self.state.as_os_str()]
    }

    /// Returns where `/run` of the server is for everybody else.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.state.join("run")
    }
}

fn without(table: &str, name: &str) -> String {
    let is_other = |line: &&str| line.split(':').next() != Some(name);
    table.lines().filter(is_other).map(|line| format!("{line}\n")).collect()
}
