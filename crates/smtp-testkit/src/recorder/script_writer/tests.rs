//! Recorded dialogues become scripts that can be played and contain no secrets.

use super::*;
use crate::script::Script;

#[track_caller]
fn check(dialogue: &[(Side, &str)], script: &str) {
    let mut writer = ScriptWriter::default();
    for (side, octets) in dialogue {
        writer.receive(*side, octets.as_bytes());
    }
    assert_eq!(writer.script(), script);
    Script::parse(script).unwrap();
}

use Side::{Client, Server};

#[test]
fn secrets_are_stars() {
    check(
        &[
            (Client, "AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n"),
            (Server, "535 no\r\n"),
            (Client, "auth login\r\n"),
            (Server, "334 VXNlcm5hbWU6\r\n"),
            (Client, "dGlt\r\n"),
            (Server, "334 UGFzc3dvcmQ6\r\n"),
            (Client, "*\r\n"),
            (Server, "501 given up\r\n"),
        ],
        "C~ AUTH PLAIN *\nS: 535 no\nC: auth login\nS: 334 VXNlcm5hbWU6\nC~ *\n\
         S: 334 UGFzc3dvcmQ6\nC: *\nS: 501 given up\n",
    );
}

#[test]
fn texts_and_chunks_are_directions() {
    check(
        &[
            (Client, "DATA\r\n"),
            (Server, "354 go\r\n"),
            (Client, "QUIT\r\n..\r\n."),
            (Client, "\r\nBDAT 7\r\n334 \r\nxBDAT 0 LAST\r\nRSET\r\n"),
            (Server, "250 OK\r\n250 OK\r\n"),
        ],
        "C: DATA\nS: 354 go\n[text]\nC: BDAT 7\n[chunk 7]\nC: BDAT 0 LAST\n[chunk 0]\nC: RSET\n\
         S: 250 OK\nS: 250 OK\n",
    );
}

#[test]
fn what_a_script_cannot_have_is_written_otherwise() {
    check(
        &[(Client, "NOOP \u{1}x\r\n"), (Server, "250 \u{7}\r\n250 bare\n"), (Client, "HELP\n")],
        "C~ NOOP *\n[raw \"250 \\x07\\r\\n\"]\n[raw \"250 bare\\n\"]\nC~ HELP*\n",
    );
}

#[test]
fn a_refused_data_is_no_text() {
    check(
        &[(Client, "DATA\r\n"), (Server, "554 no\r\n"), (Client, "QUIT\r\n")],
        "C: DATA\nS: 554 no\nC: QUIT\n",
    );
}

#[test]
fn a_handshake_follows_the_reply_to_starttls_only() {
    let mut writer = ScriptWriter::default();
    assert!(!writer.receive(Server, b"220 ready\r\n"));
    writer.receive(Client, b"STARTTLS\r\n");
    assert!(writer.receive(Server, b"220 go\r\n"));
}
