//! No server outlives the value that stands for it, and a failing one says why.
use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::{Launch, run};
use crate::view::View;

/// A folder for one test, whose name stands in the command line of what the test starts.
fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("interop-process-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder can be made");
    folder
}

/// Returns how many processes have this text in their command lines.
fn running(text: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc is there").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.filter(|line| line.contains(text) && line.contains("tail")).count()
}

/// A server with a child, which reports when it runs by writing into a pipe.
fn launch(folder: &Path) -> Launch {
    let script = format!(
        "touch {0}/file; tail -f {0}/file & echo up >{0}/ready; exec tail -f {0}/file",
        folder.display()
    );
    run("mkfifo", [folder.join("ready")]).expect("mkfifo works");
    Launch::new(folder, ["sh", "-c", &script])
}

fn check(folder: &Path, launch: &Launch) {
    let text = folder.display().to_string();
    let server = launch.start().expect("it starts");
    // The pipe can be read when the server has written to it.
    assert_eq!(fs::read_to_string(folder.join("ready")).expect("it is ready"), "up\n");
    assert!(running(&text) > 0, "the server does not run");
    drop(server);
    assert_eq!(running(&text), 0, "the server runs on");
    fs::remove_dir_all(folder).expect("the folder can be removed");
}

#[test]
fn a_server_and_its_children_end_with_their_value() {
    let folder = folder("group");
    check(&folder, &launch(&folder));
}

#[test]
fn a_server_in_a_view_ends_with_its_daemons() {
    if run("id", ["-u"]).expect("id works").trim() != "0" {
        println!("a view needs root: nothing was tried");
        return;
    }
    let folder = folder("view");
    let view = View::new(&folder.join("root"), &folder.join("state"), &[]).expect("it can be made");
    let view = view.writable("/var/interop", 0).expect("it can be made");
    let script = format!(
        "touch /var/interop/file; setsid tail -f {0}/log & echo up >{0}/ready; exec tail -f {0}/log",
        folder.display()
    );
    run("mkfifo", [folder.join("ready")]).expect("mkfifo works");
    let launch = Launch::new(&folder, ["sh", "-c", &script]).inside(view);
    assert!(!Path::new("/var/interop").exists());
    let written = folder.join("state/writable/var/interop/file");
    assert!(!written.exists());
    let text = folder.display().to_string();
    let server = launch.start().expect("it starts");
    assert_eq!(fs::read_to_string(folder.join("ready")).expect("it is ready"), "up\n");
    assert!(written.exists(), "the view has no writable folder");
    assert!(!Path::new("/var/interop").exists(), "the machine was changed");
    drop(server);
    assert_eq!(running(&text), 0, "a daemon runs on");
    fs::remove_dir_all(folder).expect("the folder can be removed");
}

/// Servers such as Postfix close what they did not open, so that the end of the output tells nothing.
#[test]
fn daemons_in_a_view_that_have_closed_its_output_end_with_it() {
    if run("id", ["-u"]).expect("id works").trim() != "0" {
        println!("a view needs root: nothing was tried");
        return;
    }
    let folder = folder("closed");
    let view = View::new(&folder.join("root"), &folder.join("state"), &[]).expect("it can be made");
    let script = format!(
        "exec 3>&- >{0}/daemons 2>&1; for each in $(seq 200); do setsid tail -f {0}/log & done; \
         echo up >{0}/ready; exec tail -f {0}/log",
        folder.display()
    );
    run("mkfifo", [folder.join("ready")]).expect("mkfifo works");
    let launch = Launch::new(&folder, ["sh", "-c", &script]).inside(view);
    let text = folder.display().to_string();
    for _ in 0..5 {
        let server = launch.start().expect("it starts");
        assert_eq!(fs::read_to_string(folder.join("ready")).expect("it is ready"), "up\n");
        drop(server);
        assert_eq!(running(&text), 0, "a daemon runs on");
    }
    fs::remove_dir_all(folder).expect("the folder can be removed");
}

#[test]
fn a_command_that_fails_says_why() {
    let why = run("sh", ["-c", "echo first >&2; echo last >&2; exit 4"]);
    assert_eq!(why, Err("sh: last (exit status: 4)".to_owned()));
}
