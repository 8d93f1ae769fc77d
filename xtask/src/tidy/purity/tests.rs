//! I/O, clocks and awaiting, in every place and every spelling.

use super::super::tests::finds;
use super::*;

const LAYER: &str = "crates/smtp-caps/src/plan.rs";

#[track_caller]
fn impure(source: &str) {
    finds(purity, &[(LAYER, source)], &[&format!("{LAYER}:1")]);
}

#[track_caller]
fn pure(source: &str) {
    finds(purity, &[(LAYER, source)], &[]);
}

#[test]
fn io_clocks_and_runtimes_are_found() {
    impure("use tokio::io::AsyncRead;");
    impure("use tokio_rustls::TlsConnector;");
    impure("extern crate tokio as t;");
    impure("async fn f() {}");
    impure("let f = async move {};");
    impure("let f = async || ();");
    impure("let f = g().await;");
    impure("use std::net::TcpStream;");
    impure("let s = std::os::unix::net::UnixStream::pair();");
    impure("fn f(now: Instant) {}");
    impure("let now = std::time::SystemTime::now();");
    impure("let age = std::time::UNIX_EPOCH.elapsed();");
    impure("std::thread::sleep(pause);");
    impure("let text = std::fs::read(path);");
    impure("let text = fs::read(path);");
    impure("include!(\"../drive.rs\");");
    impure("#[path = \"../drive.rs\"] mod drive;");
}

#[test]
fn grouped_and_renamed_imports_are_found() {
    impure("use std::{time::{Duration, Instant}};");
    impure("use std::time::Instant as Moment;");
    impure("use std::{thread, fmt};");
    impure("use std::{fmt, fs as files};");
    impure("use {std::{io, net::{IpAddr, UdpSocket}}};");
    impure("use r#tokio::io;");
    finds(
        purity,
        &[(LAYER, "use std::{\n    time::{\n        Instant,\n    },\n};")],
        &[&format!("{LAYER}:3")],
    );
}

#[test]
fn the_session_of_the_server_is_pure_and_its_driver_is_not() {
    let io = "use tokio::io::AsyncRead;";
    let session = "crates/smtp-server/src/session.rs";
    let driver = "crates/smtp-server/src/serve/wire.rs";
    finds(purity, &[(LAYER, ""), (session, io), (driver, io)], &[&format!("{session}:1")]);
}

#[test]
fn what_only_looks_like_it_is_left_alone() {
    pure("// use tokio::io;\n/* async fn f() {} */\n/// `Instant`\nfn f() {}");
    pure("#[cfg(feature = \"tokio\")] const S: &str = \"use std::fs;\";");
    pure("let s = r#\"std::thread \"Instant\" \"#; let c = '\"'; let d = b'\"';");
    pure("use std::time::Duration; use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};");
    pure("let fs = thread(path); let [path, fs] = [path, thread]; path = fs;");
    pure("struct Place { thread: u8, path: u8 }");
}

#[test]
fn every_pure_file_is_read() {
    let code = "use std::time::Instant;";
    let clean = [
        ("crates/smtp-client/src/connection.rs", code),
        ("crates/smtp-client/src/sessions.rs", code),
        ("crates/smtp-codec/tests/it/main.rs", code),
        ("crates/smtp-testkit/src/server.rs", code),
    ];
    finds(purity, &clean, &[]);
    let broken = [
        ("crates/smtp-caps/src/plan.rs", code),
        ("crates/smtp-caps/src/plan/framing.rs", code),
        ("crates/smtp-codec/src/reply.rs", code),
        ("crates/smtp-error/src/deep/code.rs", code),
    ];
    finds(
        purity,
        &broken,
        &[
            "crates/smtp-caps/src/plan.rs:1",
            "crates/smtp-caps/src/plan/framing.rs:1",
            "crates/smtp-codec/src/reply.rs:1",
            "crates/smtp-error/src/deep/code.rs:1",
        ],
    );
}

#[test]
fn an_await_outside_the_loop_is_found() {
    let code = "async fn f() {\n    g()\n        .await\n}";
    let files = [
        ("crates/smtp-client/src/asynchronous/drive.rs", code),
        ("crates/smtp-client/src/pool/drive.rs", code),
        ("crates/smtp-client/src/pool.rs", code),
        ("crates/smtp-client/src/config.rs", "// .await\nconst S: &str = \".await\";"),
        ("crates/smtp-client/tests/it/main.rs", code),
        ("crates/smtp-testkit/src/server.rs", code),
    ];
    finds(
        awaits,
        &files,
        &["crates/smtp-client/src/pool.rs:3", "crates/smtp-client/src/pool/drive.rs:3"],
    );
}

#[test]
fn a_layer_is_pure_because_the_client_depends_on_it() {
    use super::super::tests::{package, places};
    use crate::metadata::Purpose;

    let code = "use std::time::Instant;";
    let file = ("crates/smtp-session/src/lib.rs", code);
    finds(purity, &[file], &[]);
    let used = |purpose| {
        let client =
            package("smtp-client", &[("smtp-caps", Purpose::Crate), ("smtp-session", purpose)]);
        [package("smtp-caps", &[]), package("smtp-session", &[]), client]
    };
    let tree = Tree::of(&[file], &used(Purpose::Crate));
    assert_eq!(places(&purity(&tree)), ["crates/smtp-session/src/lib.rs:1"]);
    assert!(purity(&Tree::of(&[file], &used(Purpose::Tests))).is_empty());
}

#[test]
fn a_workspace_without_layers_is_found() {
    assert_eq!(purity(&Tree::of(&[], &[])).len(), 1);
}
