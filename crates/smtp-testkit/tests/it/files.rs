//! Scripts in files: errors name the file and the line.

use std::fs;
use std::path::PathBuf;

use smtp_testkit::{Script, ScriptErrorKind, Server};

use crate::client::Client;

/// Writes this script to a file that no other test uses.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("smtp-testkit-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let path = file("wrong.txt", "S: 220 ready\n\nX: what\n");
    let error = Script::read(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    assert_eq!((error.file(), error.line()), (Some(path.as_path()), 3));
    assert!(error.to_string().starts_with(&format!("{}:3: `X: what`: ", path.display())));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Script::read("no/such/file.txt").unwrap_err();
    assert!(matches!(error.kind(), ScriptErrorKind::Unreadable { .. }));
    assert!(error.to_string().starts_with("no/such/file.txt: "));
}

#[test]
fn an_error_in_the_program_names_its_place() {
    let error = Script::parse("[dance]").unwrap_err();
    assert!(error.to_string().contains("tests/it/files.rs:"), "{error}");
}

#[tokio::test]
async fn a_mismatch_names_the_file_and_the_line() {
    let path = file("played.txt", "# a comment\nC: QUIT\n");
    let (server, pipe) = Server::pipe(Script::read(&path).unwrap());
    fs::remove_file(&path).unwrap();
    let mut client = Client(pipe);
    client.send("HELP\r\n").await;
    drop(client);
    let shown = server.finish().await.unwrap_err().to_string();
    let place = format!("connection 1 of 1, {}:2: the client sent another line", path.display());
    assert!(shown.starts_with(&place), "{shown}");
}
