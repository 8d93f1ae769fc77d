//! `probe`: what is shown of a server, what deserves attention, and exit statuses.
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use smtp_testkit::{
    CertificateKind, Greeting, Protocol, Rule, Script, Server, ServerBuilder, TlsVersions, When,
};

use crate::program::{Run, command, smtpkit};

fn host() -> ServerBuilder {
    Server::builder().own_thread().offer("PIPELINING").offer("SIZE 1000000")
}

/// Writes the certificate of a server's authority into a file.
fn authority(server: &Server) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = path.join(format!("probe-ca-{}.pem", server.addr().port()));
    fs::write(&path, server.authority_pem()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Probes a server, which is trusted, with JSON.
fn probe(scheme: &str, server: &Server, options: &[&str]) -> Run {
    let target = format!("{scheme}{}", server.addr());
    let ca = authority(server);
    smtpkit(&[&["probe", &target, "--json", "--ca", &ca], options].concat())
}

/// The one object of the type `probe`.
#[track_caller]
fn record(run: &Run) -> Value {
    let mut records = run.of_type("probe");
    assert_eq!(records.len(), 1, "{run:?}");
    assert_eq!(records[0]["schema"], 1);
    records.remove(0)
}

/// The codes of the findings at this level.
fn codes(probe: &Value, level: &str) -> BTreeSet<String> {
    let findings = probe["findings"].as_array().unwrap().iter();
    let of_level = findings.filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// Checks the problems that a certificate has, and that the program tells of them by its status.
#[track_caller]
fn check_certificate(kind: CertificateKind, problems: &[&str], name_matches: bool) {
    let server = host().greeting(Greeting::UnderTls).certificate(kind).tcp().unwrap();
    let run = probe("smtps://", &server, &[]);
    let probe = record(&run);
    let expected: BTreeSet<String> = problems.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(codes(&probe, "problem"), expected, "{kind:?}: {probe:#}");
    assert_eq!(probe["trust"]["accepted"], problems.is_empty(), "{probe:#}");
    assert_eq!(probe["trust"]["name_matches"], name_matches);
    assert_eq!(run.status, if problems.is_empty() { 0 } else { 12 }, "{run:?}");
    assert_eq!(probe["status"], run.status);
    // Everything is shown all the same.
    assert_eq!(probe["offers"][0]["size"], 1_000_000);
    assert_eq!(probe["offers"][0]["tls"], true);
}

#[test]
fn what_is_wrong_with_a_certificate_is_shown_and_the_session_goes_on() {
    use CertificateKind as Kind;
    check_certificate(Kind::Good, &[], true);
    check_certificate(Kind::Expired, &["certificate_expired"], true);
    check_certificate(Kind::NotYetValid, &["certificate_not_yet_valid"], true);
    check_certificate(Kind::WrongName, &["name_mismatch"], false);
    check_certificate(Kind::SelfSigned, &["self_signed"], true);
    let of_authority = ["self_signed", "certificate_of_authority"];
    check_certificate(Kind::SelfSignedAuthority, &of_authority, true);
    check_certificate(Kind::UnknownAuthority, &["certificate_not_trusted"], true);
    check_certificate(Kind::ForClients, &["certificate_not_for_servers"], true);
}

#[test]
fn an_expired_certificate_of_an_unknown_authority_has_both_faults() {
    let server = host().greeting(Greeting::UnderTls).certificate(CertificateKind::Expired);
    let (server, other) = (server.tcp().unwrap(), host().tcp().unwrap());
    let ca = authority(&other);
    let run = smtpkit(&["probe", &format!("smtps://{}", server.addr()), "--json", "--ca", &ca]);
    let probe = record(&run);
    let expected = ["certificate_expired", "certificate_not_trusted"].map(str::to_owned);
    assert_eq!(codes(&probe, "problem"), BTreeSet::from(expected), "{probe:#}");
    assert_eq!(
        probe["trust"]["error"],
        "it has expired, and no trusted authority has the key of its signature"
    );
}

#[test]
fn the_facts_of_the_certificate_are_those_that_the_server_has() {
    let issuer = smtp_testkit::Authority::new();
    let identity = issuer.issue(CertificateKind::Good);
    let der = identity.certificate_der().to_vec();
    let server = host().greeting(Greeting::UnderTls).identity(identity).tcp().unwrap();
    let probe = record(&probe("smtps://", &server, &[]));
    let certificate = &probe["certificates"][0];
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&der);
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(certificate["sha256"], digest);
    let facts = &certificate["facts"];
    assert_eq!(facts["subject"], "CN=smtp-testkit server");
    assert_eq!(facts["issuer"], "CN=smtp-testkit authority");
    assert_eq!(facts["names"], serde_json::json!(["localhost", "127.0.0.1", "::1"]));
    assert_eq!(facts["key"]["curve"], "P-256");
    assert_eq!(facts["signature_algorithm"], "ecdsa-with-SHA256");
    let tlsa = format!("3 1 1 {}", facts["key_sha256"].as_str().unwrap());
    assert_eq!(facts["tlsa"], tlsa);
}

#[test]
fn an_opportunistic_session_goes_on_with_any_certificate() {
    let server = host().offer("STARTTLS").certificate(CertificateKind::SelfSigned).tcp().unwrap();
    let run = probe("", &server, &[]);
    let probe = record(&run);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(codes(&probe, "problem").contains("self_signed"), "{probe:#}");
    assert_eq!(probe["tls"]["version"], "TLSv1_3");
    let steps = probe["steps"].as_array().unwrap().iter();
    let steps: Vec<&str> = steps.map(|step| step["step"].as_str().unwrap()).collect();
    let expected = ["connect", "greeting", "EHLO", "STARTTLS", "TLS handshake", "EHLO", "QUIT"];
    assert_eq!(steps, expected);
    assert!(probe["steps"].as_array().unwrap().iter().all(|step| step["ms"].is_number()));
}

#[test]
fn no_message_is_begun_and_the_session_ends_with_quit() {
    let server = host().offer("STARTTLS").tcp().unwrap();
    assert_eq!(probe("", &server, &["--tls-versions"]).status, 0);
    let report = server.finish().wait().unwrap();
    assert_eq!(report.connections().len(), 3);
    for connection in report.connections() {
        let lines = connection.dialogue().iter();
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(&line.octets)).collect();
        assert!(!lines.iter().any(|line| line.starts_with("MAIL")), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("QUIT")), "{lines:?}");
    }
}

#[test]
fn what_changes_inside_tls_is_shown() {
    let inside = Rule::on("EHLO *")
        .when(When::Tls)
        .reply("250-mx\n250-SIZE 2000000\n250-LIMITS RCPTMAX=50 MAILMAX=7\n250 AUTH PLAIN LOGIN");
    let server = host().offer("STARTTLS").rule(inside).tcp().unwrap();
    let probe = record(&probe("", &server, &[]));
    let changes = probe["changes"].as_array().unwrap().iter();
    let changes: Vec<String> = changes
        .map(|one| format!("{} {} {}", one["keyword"], one["before"], one["after"]))
        .collect();
    let expected = [
        r#""PIPELINING" ["PIPELINING"] []"#,
        r#""SIZE" ["SIZE 1000000"] ["SIZE 2000000"]"#,
        r#""STARTTLS" ["STARTTLS"] []"#,
        r#""LIMITS" [] ["LIMITS RCPTMAX=50 MAILMAX=7"]"#,
        r#""AUTH" [] ["AUTH PLAIN LOGIN"]"#,
    ];
    assert_eq!(changes, expected);
    assert_eq!(probe["offers"][1]["limits"], serde_json::json!({"mail_max": 7, "rcpt_max": 50}));
    assert_eq!(probe["offers"][1]["auth"], serde_json::json!(["PLAIN", "LOGIN"]));
    assert!(codes(&probe, "notice").contains("auth_passwords_only"), "{probe:#}");
}

#[test]
fn a_removed_offer_of_tls_is_a_problem() {
    let server = host().offer("XXXXXXXA").tcp().unwrap();
    let run = probe("", &server, &[]);
    let found = record(&run);
    assert_eq!(run.status, 0);
    assert!(codes(&found, "problem").contains("no_tls"), "{found:#}");
    assert!(codes(&found, "notice").contains("offer_oddity"), "{found:#}");
    assert_eq!(probe("smtp+starttls://", &server, &[]).status, 12);
}

#[test]
fn logins_in_clear_are_a_problem() {
    let server = host().offer("AUTH PLAIN CRAM-MD5").user("tim", "secret").tcp().unwrap();
    let probe = record(&probe("smtp://", &server, &[]));
    assert!(codes(&probe, "problem").contains("auth_in_clear"), "{probe:#}");
    assert!(codes(&probe, "notice").contains("auth_outdated"), "{probe:#}");
}

#[test]
fn oddities_of_replies_are_shown() {
    let script =
        "[raw \"220 hi\\n\"]\nC~ EHLO *\nS: 502 5.5.1 no\nC~ HELO *\nS: 250 \nC: QUIT\nS: 221\n";
    let server = Server::builder().own_thread().script(script.parse().unwrap()).tcp().unwrap();
    let run = probe("smtp://", &server, &[]);
    let probe = record(&run);
    assert_eq!(run.status, 0, "{run:?}");
    let notices = codes(&probe, "notice");
    assert!(notices.contains("bare_lf") && notices.contains("empty_text"), "{probe:#}");
    assert!(codes(&probe, "problem").contains("helo_only"), "{probe:#}");
    assert_eq!(probe["offers"][0]["verb"], "HELO");
}

#[test]
fn a_missing_enhanced_code_is_shown() {
    let bye = Rule::on("QUIT").reply("221 bye");
    let server = host().offer("ENHANCEDSTATUSCODES").rule(bye).tcp().unwrap();
    let probe = record(&probe("smtp://", &server, &[]));
    assert!(codes(&probe, "notice").contains("enhanced_code_missing"), "{probe:#}");
}

#[test]
fn each_version_of_tls_is_tried_on_its_own() {
    for (versions, expected) in [
        (TlsVersions::Both, [true, true]),
        (TlsVersions::Only12, [true, false]),
        (TlsVersions::Only13, [false, true]),
    ] {
        let server = host().offer("STARTTLS").tls_versions(versions).tcp().unwrap();
        let probe = record(&probe("", &server, &["--tls-versions"]));
        let tried = probe["tls_versions"].as_array().unwrap().iter();
        let accepted: Vec<bool> = tried.map(|one| one["accepted"].as_bool().unwrap()).collect();
        assert_eq!(accepted, expected, "{probe:#}");
        let only_12 = codes(&probe, "notice").contains("tls_1_2");
        assert_eq!(only_12, versions == TlsVersions::Only12);
    }
}

/// Checks what is known of a server that ends the session, and the status.
#[track_caller]
fn check_failure(scheme: &str, server: ServerBuilder, status: i32, has_greeting: bool) -> Value {
    let server = server.tcp().unwrap();
    let run = probe(scheme, &server, &["--timeout", "2s"]);
    assert_eq!(run.status, status, "{run:?}");
    let probe = record(&run);
    assert_eq!(probe["greeting"].is_object(), has_greeting, "{probe:#}");
    let last = run.objects().pop().unwrap();
    assert_eq!((&last["type"], &last["error"]), (&Value::from("error"), &probe["error"]));
    assert_eq!(last["status"], status);
    probe
}

#[test]
fn what_was_seen_until_a_failure_is_shown_with_its_status() {
    let refuses = host().rule(Rule::greeting().reply("554 5.7.1 no"));
    let probe = check_failure("smtp://", refuses, 13, true);
    assert_eq!(probe["greeting"]["code"], 554);
    let stalls = host().rule(Rule::greeting().answer("[stall]".parse().unwrap()));
    check_failure("smtp://", stalls, 13, false);
    let aborts = host().offer("STARTTLS");
    let aborts =
        aborts.rule(Rule::on("STARTTLS").answer("S: 220 go\n[tls-abort]".parse().unwrap()));
    let probe = check_failure("", aborts, 12, true);
    assert_eq!(probe["offers"][0]["lines"][2], "STARTTLS");
    let leaves = host().greeting(Greeting::UnderTls);
    let leaves = leaves.rule(Rule::greeting().reply("421 4.7.1 no client certificate"));
    let probe = check_failure("smtps://", leaves, 13, true);
    assert_eq!(probe["tls"]["version"], "TLSv1_3");
    assert_eq!(probe["certificates"].as_array().unwrap().len(), 1);
    let babbles = host().rule(Rule::on("EHLO *").answer(r#"[raw "ho\r\n"]"#.parse().unwrap()));
    check_failure("smtp://", babbles, 19, true);
}

#[test]
fn a_server_that_is_not_there_has_its_status() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let run = smtpkit(&["probe", &address.to_string(), "--json"]);
    assert_eq!(run.status, 11, "{run:?}");
    let probe = record(&run);
    assert_eq!(probe["tried"][0]["address"], address.to_string());
    assert!(probe["tried"][0]["error"].is_string());
    assert_eq!(smtpkit(&["probe", "name.invalid"]).status, 10);
    let run = smtpkit(&["probe", &address.to_string(), "-6"]);
    assert_eq!(run.status, 11);
    assert!(run.errors.contains("-6 leaves out"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn lmtp_and_unix_sockets_are_probed_too() {
    let server = Server::builder().own_thread().protocol(Protocol::Lmtp).tcp().unwrap();
    let found = record(&probe("lmtp://", &server, &[]));
    assert_eq!(found["offers"][0]["verb"], "LHLO");

    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("probe.sock");
    let _ = fs::remove_file(&path);
    let _server = host().unix(&path).unwrap();
    let run = smtpkit(&["probe", path.to_str().unwrap(), "--json"]);
    assert_eq!(run.status, 0, "{run:?}");
    let found = record(&run);
    assert_eq!(found["offers"][0]["size"], 1_000_000);
    // What stays on this machine needs no TLS.
    assert!(codes(&found, "problem").is_empty(), "{found:#}");
}

/// A proxy for one connection, to this server whatever the client asks for. Returns its address.
fn proxy(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            client.read_exact(&mut octet).unwrap();
            request.extend(octet);
        }
        assert!(request.starts_with(b"CONNECT mx.invalid:25 "), "{request:?}");
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(server).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let upwards = thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut server, &mut client);
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = upwards.join();
    });
    address
}

#[test]
fn a_proxy_looks_up_the_name() {
    let server = host().tcp().unwrap();
    let proxy = format!("http://{}", proxy(server.addr()));
    let run = smtpkit(&["probe", "smtp://mx.invalid", "--json", "--proxy", &proxy]);
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(record(&run)["offers"][0]["size"], 1_000_000);
}

#[test]
fn the_page_fits_a_terminal_and_has_no_color_where_it_is_no_terminal() {
    let server = host()
        .offer("STARTTLS")
        .offer("ENHANCEDSTATUSCODES")
        .offer("SMTPUTF8")
        .offer("8BITMIME")
        .offer("CHUNKING")
        .certificate(CertificateKind::Expired)
        .tcp()
        .unwrap();
    let run = smtpkit(&["probe", &server.addr().to_string(), "--tls-versions"]);
    assert_eq!(run.status, 0, "{run:?}");
    for line in run.output.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!run.output.contains('\u{1b}'), "{}", run.output);
    assert!(run.output.contains("problem   the certificate of the server expired on "), "{run:?}");
    assert_eq!(smtpkit(&["probe", "-q", &server.addr().to_string()]).output, "");
}

#[test]
fn nothing_that_a_server_sends_controls_the_terminal() {
    let script =
        "S: 220 hi\u{1b}[2J\nC~ EHLO *\nS: 250-mx\nS: 250 X\u{1b}]0;x\nC: QUIT\nS: 221 bye\n";
    let script: Script = script.parse().unwrap();
    let server = Server::builder().own_thread().script(script).tcp().unwrap();
    let run = smtpkit(&["probe", "-v", &format!("smtp://{}", server.addr())]);
    assert!(run.output.contains("2J"), "{run:?}");
    assert!(!run.output.contains('\u{1b}'), "{run:?}");
}

#[cfg(unix)]
#[test]
fn an_interruption_ends_a_probe() {
    let stalls = Rule::on("EHLO *").answer("[stall]".parse().unwrap());
    let server = host().rule(stalls).tcp().unwrap();
    let url = format!("smtp://{}", server.addr());
    let mut child = command(&["probe", "-v", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("C: EHLO")));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(String::from_utf8(done.stderr).unwrap().contains("interrupted"));
}

/// Nothing is sent, and one line tells what to write instead.
#[track_caller]
fn check_usage(arguments: &[&str], expected: &str) {
    let run = smtpkit(&[&["probe"], arguments].concat());
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.errors.contains(expected), "{run:?}");
}

#[test]
fn what_cannot_be_probed_is_refused() {
    check_usage(&[], "SERVER");
    check_usage(&["smtp://user:secret@mx.example.org"], "leave out the user name");
    check_usage(&["ftp://mx.example.org"], "unknown scheme");
    check_usage(&["mx.example.org", "--port", "26"], "--port: it is for --mx only");
    check_usage(&["mx.example.org", "--mx", "example.org"], "cannot be used with");
    check_usage(&["mx.example.org", "--hello", "two words"], "--hello");
    check_usage(&["mx.example.org", "--ca", "/nonexistent.pem"], "/nonexistent.pem");
    check_usage(&["--mx", "not a domain"], "write a domain");
    check_usage(&["--mx", "example.org", "--resolver", "dns.example.org"], "--resolver");
}
