//! `deliver`: what became of each recipient, what was tried, notifications, and exit statuses.
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use smtp_testkit::{CertificateKind, Rule, ServerBuilder};

use crate::program::{Run, command};
use crate::zone::Zone;
use crate::zone::mx::MxHost;

const HOSTS: &[MxHost] = &[
    MxHost {
        name: "mx.dane.example",
        address: "127.0.0.2",
        behavior: |server| {
            offers(server)
                .certificate(CertificateKind::Expired)
                .rule(Rule::on("RCPT TO:<nobody@*").reply("550 5.1.1 No such mailbox here"))
                .rule(Rule::on("RCPT TO:<full@*").reply("452 4.2.2 Mailbox full"))
        },
    },
    MxHost { name: "mx.broken.example", address: "127.0.0.3", behavior: offers },
    MxHost {
        name: "mx.plain.example",
        address: "127.0.0.4",
        behavior: |server| {
            server
                .offer("PIPELINING")
                .rule(Rule::on("RCPT TO:<slow@*").answer("[stall]".parse().unwrap()))
                .rule(Rule::text().times(1).answer("[close]".parse().unwrap()))
                .rule(Rule::text().answer("[stall]".parse().unwrap()))
        },
    },
];

fn offers(server: ServerBuilder) -> ServerBuilder {
    server.offer("PIPELINING").offer("ENHANCEDSTATUSCODES").offer("STARTTLS")
}

async fn zone(name: &str) -> Zone {
    Zone::start(name, HOSTS, |mx, [digest, _], content| {
        content
            .insecure("plain.example")
            .mx("dane.example", 10, "mx.dane.example")
            .tlsa("mx.dane.example", mx.port(), [3, 1, 1], digest)
            .mx("broken.example", 10, "mx.broken.example")
            .tlsa("mx.broken.example", mx.port(), [3, 1, 1], &[0x77; 32])
            .mx("plain.example", 10, "mx.plain.example")
            .null_mx("null.example")
            .mx("closed.example", 10, "mx.closed.example")
            .address("mx.closed.example", Ipv4Addr::new(127, 0, 0, 99))
    })
    .await
}

/// Delivers a message to these recipients, which have spaces between them.
async fn deliver(zone: &Zone, to: &str, options: &[&str]) -> Run {
    let mut arguments = vec!["deliver", "--json", "-f", "anna@sender.example"];
    arguments.extend(to.split(' ').flat_map(|to| ["-t", to]));
    arguments.extend(options);
    zone.run(&arguments).await
}

/// The outcomes of the recipients.
fn outcomes(run: &Run) -> Vec<Value> {
    let delivery = run.of_type("delivery").remove(0);
    assert_eq!(delivery["status"], run.status, "{run:?}");
    let recipients = delivery["recipients"].as_array().unwrap().iter();
    recipients.map(|recipient| recipient["outcome"].clone()).collect()
}

#[track_caller]
fn check(run: &Run, status: i32, expected: &[&str]) {
    assert_eq!(outcomes(run), expected, "{run:?}");
    assert_eq!(run.status, status, "{run:?}");
}

fn path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_has_its_status() {
    let zone = zone("deliver-outcomes").await;
    check(&deliver(&zone, "b@dane.example", &[]).await, 0, &["delivered"]);
    check(&deliver(&zone, "nobody@dane.example", &[]).await, 15, &["refused"]);
    check(&deliver(&zone, "full@dane.example", &[]).await, 16, &["later"]);
    let some = deliver(&zone, "b@dane.example nobody@dane.example", &[]).await;
    check(&some, 17, &["delivered", "refused"]);
    check(&deliver(&zone, "b@null.example", &[]).await, 15, &["no_route"]);
    check(&deliver(&zone, "b@unknown.plain.example", &[]).await, 10, &["no_route"]);
    check(&deliver(&zone, "b@closed.example", &[]).await, 11, &["later"]);
    check(&deliver(&zone, "b@broken.example", &[]).await, 12, &["later"]);
    check(&deliver(&zone, "b@dane.example", &["-6"]).await, 10, &["later"]);
    let floor = ["--floor", "encrypted"];
    check(&deliver(&zone, "b@plain.example", &floor).await, 12, &["later"]);
    let required = deliver(&zone, "b@plain.example", &["--require-tls"]).await;
    check(&required, 20, &["later"]);
    check(&deliver(&zone, "b@plain.example", &[]).await, 18, &["in_doubt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_tried_is_told() {
    let zone = zone("deliver-attempts").await;
    let run = deliver(&zone, "b@dane.example c@closed.example", &[]).await;
    assert_eq!(run.status, 17, "{run:?}");
    let delivery = &run.of_type("delivery")[0];
    let attempts = delivery["attempts"].as_array().unwrap();
    let at = |host: &str| attempts.iter().find(|one| one["host"] == host).unwrap();
    assert_eq!(at("mx.dane.example")["achieved"], "dane");
    assert_eq!(at("mx.dane.example")["recipients"], json!(["b@dane.example"]));
    assert!(at("mx.closed.example")["failure"].is_string());
    assert_eq!(delivery["recipients"][0]["host"], "mx.dane.example");
    assert_eq!(delivery["recipients"][0]["reply"]["code"], 250);
    assert!(delivery["recipients"][1]["retry_after"].is_number());
    let messages = zone.mx.server("mx.dane.example").messages(1).await.unwrap();
    assert_eq!(messages[0].recipients(), ["b@dane.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_verbose_each_lookup_and_attempt_is_shown() {
    let zone = zone("deliver-verbose").await;
    let arguments = ["deliver", "-v", "-f", "a@sender.example", "-t", "b@dane.example"];
    let run = zone.run(&[&arguments[..], &["--source-address", "127.0.0.9"]].concat()).await;
    assert_eq!(run.status, 0, "{run:?}");
    for expected in [
        "looked up MX dane.example: 10 mx.dane.example (secure",
        "C: EHLO [127.0.0.9]",
        "C: RCPT TO:<b@dane.example>",
        "tried     mx.dane.example (127.0.0.2:",
        "protection: dane",
        "delivered <b@dane.example>, to mx.dane.example, at end of mail data: 250 2.0.0",
    ] {
        assert!(run.output.contains(expected), "{expected}: {}", run.output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notification_and_the_report_of_tls_are_written() {
    let zone = zone("deliver-files").await;
    let (bounce, report) = (path("bounce.eml"), path("tls.json"));
    let files = ["--bounce", bounce.to_str().unwrap(), "--tls-report", report.to_str().unwrap()];
    let named = [&files[..], &["--hello", "mail.sender.example"]].concat();
    let run = deliver(&zone, "nobody@dane.example b@broken.example", &named).await;
    assert_eq!(run.status, 16, "{run:?}");
    let notification = fs::read_to_string(&bounce).unwrap();
    assert!(
        notification.contains("Final-Recipient: rfc822; nobody@dane.example"),
        "{notification}"
    );
    assert!(notification.contains("MAILER-DAEMON@mail.sender.example"), "{notification}");
    let reports = fs::read_to_string(&report).unwrap();
    let reports: Vec<Value> =
        reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    let failures = |report: &Value| {
        report["policies"][0]["summary"]["total-failure-session-count"].as_u64().unwrap()
    };
    assert_eq!(reports.iter().map(failures).sum::<u64>(), 1, "{reports:#?}");

    // A file that cannot be written changes no other result, and the other file is written.
    let bounce = ["--bounce", "/nonexistent/bounce", "--hello", "mail.sender.example"];
    let to = "b@dane.example nobody@dane.example";
    fs::remove_file(&report).unwrap();
    let failed = deliver(&zone, to, &[&bounce[..], &files[2..]].concat()).await;
    check(&failed, 17, &["delivered", "refused"]);
    assert!(failed.errors.contains("writing /nonexistent/bounce"), "{failed:?}");
    assert!(report.exists());
    let report = ["--tls-report", "/nonexistent/report", "--hello", "mail.sender.example"];
    let failed = deliver(&zone, "b@dane.example", &report).await;
    assert_eq!((failed.status, failed.of_type("delivery").len()), (1, 1), "{failed:?}");

    let without = deliver(&zone, "b@dane.example", &named).await;
    assert_eq!(without.status, 0);
    let unnamed = deliver(&zone, "b@dane.example", &files).await;
    assert_eq!(unnamed.status, 2, "{unnamed:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_tells_what_is_in_doubt() {
    let zone = zone("deliver-interrupted").await;
    check(&deliver(&zone, "b@plain.example", &[]).await, 18, &["in_doubt"]);
    let (status, output) = interrupted(&zone, &["b@plain.example"], "(text of ").await;
    assert_eq!(status, Some(18), "{output}");
    let expected = "IN DOUBT  <b@plain.example>, which may have been accepted by";
    assert!(output.contains(expected), "{output}");
    // Some have the message, and the whole must not be sent again.
    let to = ["b@dane.example", "slow@plain.example"];
    let (status, output) = interrupted(&zone, &to, "C: RCPT TO:<slow@").await;
    assert_eq!(status, Some(17), "{output}");
    let (status, output) = interrupted(&zone, &to[1..], "C: RCPT TO:<slow@").await;
    assert_eq!(status, Some(130), "{output}");
}

/// Delivers a message to these recipients, and interrupts that after a line with this text. Returns
/// the status and what was shown from there on.
#[cfg(unix)]
async fn interrupted(zone: &Zone, to: &[&str], after: &'static str) -> (Option<i32>, String) {
    let mut arguments = ["deliver", "-v", "-f", "a@sender.example"].map(str::to_owned).to_vec();
    arguments.extend(to.iter().flat_map(|to| ["-t".to_owned(), (*to).to_owned()]));
    arguments.extend(zone.options());
    let interrupted = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(after)));
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let rest: Vec<String> = lines.collect();
        (child.wait().unwrap().code(), rest.join("\n"))
    });
    interrupted.await.unwrap()
}
