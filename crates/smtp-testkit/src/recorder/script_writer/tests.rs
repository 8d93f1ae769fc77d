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
fn a_response_after_the_initial_one_does_not_wait_either() {
    check(
        &[
            (Client, "AUTH LOGIN dGlt\r\naHVudGVyMg==\r\n"),
            (Server, "334 UGFzc3dvcmQ6\r\n235 in\r\n"),
            (Client, "NOOP\r\n"),
        ],
        "C~ AUTH LOGIN *\nC~ *\nS: 334 UGFzc3dvcmQ6\nS: 235 in\nC: NOOP\n",
    );
}

#[test]
fn responses_that_do_not_wait_are_stars() {
    check(
        &[
            (Client, "AUTH LOGIN\r\ndGlt\r\nc2VjcmV0\r\n"),
            (Server, "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 welcome\r\n"),
            (Client, " auth plain AHRpbQBzZWNyZXQ=\r\n"),
            (Server, "503 once\r\n"),
            (Client, "QUIT\r\n"),
        ],
        "C: AUTH LOGIN\nC~ *\nC~ *\nS: 334 VXNlcm5hbWU6\nS: 334 UGFzc3dvcmQ6\nS: 235 welcome\n\
         C~  auth plain *\nS: 503 once\nC: QUIT\n",
    );
}

#[test]
fn secrets_that_the_server_repeats_are_stars() {
    check(
        &[
            (Client, "AUTH PLAIN AHRpbQBzZWNyZXQ=\r\n"),
            (Server, "535-no AHRpbQBzZWNyZXQ= here\r\n535 tim, not <secret>\r\n"),
            (Client, "AUTH LOGIN\r\n"),
            (Server, "334 VXNlcm5hbWU6\r\n"),
            (Client, "dGlt\r\n"),
            (Server, "334 UGFzc3dvcmQ6\r\n"),
            (Client, "aHVudGVyMg==\r\n"),
            (Server, "535 tim hunter2 \x07hunter2\r\n"),
            (Client, "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n"),
            (Server, "535 not the token\r\n"),
        ],
        "C~ AUTH PLAIN *\nS: 535-no *** here\nS: 535 tim, not <***>\nC: AUTH LOGIN\n\
         S: 334 VXNlcm5hbWU6\nC~ *\nS: 334 UGFzc3dvcmQ6\nC~ *\n\
         [raw \"535 tim *** \\x07***\\r\\n\"]\nC~ AUTH XOAUTH2 *\nS: 535 not the ***\n",
    );
}

#[test]
fn what_scram_proves_is_a_star() {
    check(
        &[
            (Client, "AUTH SCRAM-SHA-1 biwsbj10aW0scj1hYmM=\r\n"),
            (Server, "334 cj1hYmNkZWYscz1jMkZzZEE9PSxpPTQwOTY=\r\n"),
            (Client, "Yz1iaXdzLHI9YWJjZGVmLHA9cHJvb2Y=\r\n"),
            (Server, "235 2.7.0 dj1zaWduYXR1cmU=\r\n"),
        ],
        "C~ AUTH SCRAM-SHA-1 *\nS: 334 cj1hYmNkZWYscz1jMkZzZEE9PSxpPTQwOTY=\nC~ *\n\
         S: 235 2.7.0 ***\n",
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
