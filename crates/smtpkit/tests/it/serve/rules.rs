//! Rules from the command line, from a file, and while it runs.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::running::Serve;

const GREY: &str =
    r#"on = "RCPT *", counted = "envelope", times = 1, reply = "451 4.7.1 try again later""#;

/// The replies to a message for each of these recipients, by their codes.
fn codes(serve: &Serve, recipients: &[&str]) -> Vec<String> {
    let code = |to: &&str| serve.deliver(to, "Subject: x")[..3].to_owned();
    recipients.iter().map(code).collect()
}

#[test]
fn rules_of_the_command_line_and_of_a_file_apply_in_their_order() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve-rules.toml");
    let file = "[[rule]]\non = \"RCPT TO:<full@*\"\nreply = \"452 4.2.2 mailbox full\"\n\
        [[rule]]\ntext = true\nanswer = [\"S: 250-2.0.0 by a rule\", \"S: 250 2.0.0 done\"]\n";
    fs::write(&path, file).unwrap();
    let serve = Serve::start(&["--smtp", "0", "--rule", GREY, "--rules", path.to_str().unwrap()]);
    let recipients = ["full@a.example", "full@a.example", "bob@a.example"];
    assert_eq!(codes(&serve, &recipients), ["451", "452", "451"]);
    let reply = serve.deliver("bob@a.example", "Subject: x");
    assert_eq!(reply, "250-2.0.0 by a rule\n250 2.0.0 done");
    assert_eq!(serve.ask("GET", "rules").1["rules"].as_array().unwrap().len(), 3);
}

#[test]
fn rules_are_set_added_and_removed_while_it_runs() {
    let serve = Serve::start(&["--smtp", "0"]);
    let bob = ["bob@a.example"; 2];
    let toml = format!("rules = [{{{GREY}}}]");
    let (status, rules) = serve.request("PUT", "rules", "application/toml", &toml);
    assert_eq!(status, 200);
    let grey = json!({
        "on": "RCPT *", "counted": "envelope", "times": 1, "reply": "451 4.7.1 try again later",
    });
    assert_eq!(rules["rules"], json!([grey]));
    assert_eq!(codes(&serve, &bob), ["451", "250"]);

    // Adding begins no count again; replacing does.
    let full = json!({"rules": [{"on": "RCPT TO:<full@*", "reply": "452 4.2.2 full"}]});
    let (status, rules) = serve.request("POST", "rules", "application/json", &full.to_string());
    assert_eq!((status, rules["rules"].as_array().unwrap().len()), (200, 2));
    assert_eq!(codes(&serve, &bob), ["250", "250"]);
    let (status, _) = serve.request("PUT", "rules", "application/json", &json!([grey]).to_string());
    assert_eq!(status, 200);
    assert_eq!(codes(&serve, &bob), ["451", "250"]);

    assert_eq!(serve.ask("DELETE", "rules"), (200, json!({"schema": 1, "rules": []})));
    assert_eq!(codes(&serve, &["carla@a.example"]), ["250"]);
}

#[test]
fn a_rule_applies_to_a_connection_that_is_open() {
    let serve = Serve::start(&["--smtp", "0"]);
    let mut client = serve.client("smtp");
    assert!(client.send("NOOP").starts_with("250 "));
    let rule = r#"[{"on": "NOOP", "answer": ["S: 421 4.3.2 going down", "[close]"]}]"#;
    assert_eq!(serve.request("PUT", "rules", "application/json", rule).0, 200);
    assert_eq!(client.send("NOOP"), "421 4.3.2 going down");
    assert_eq!(client.reply(), "");
}

#[test]
fn mistakes_change_nothing() {
    let serve = Serve::start(&["--smtp", "0", "--rule", r#"on = "VRFY *", reply = "252 hm""#]);
    for (kind, body, status, error) in [
        ("application/toml", "[[rule]]\non = 1\n", 400, "line 2, column 6: invalid type: integer"),
        ("application/json", "{\"rules\": [{\"on\": \"A\"}]}", 400, "rule 1: write reply, such as"),
        ("application/json", "{\"rules\": [{\"no\": 1}]}", 400, "line 1, column "),
        ("text/plain", "", 415, "the Content-Type must be application/json or application/toml"),
    ] {
        let (found, answer) = serve.request("PUT", "rules", kind, body);
        assert_eq!(found, status, "{answer}");
        assert!(answer["error"].as_str().unwrap().starts_with(error), "{answer}");
    }
    assert_eq!(serve.client("smtp").send("VRFY bob"), "252 hm");
}

#[test]
fn rules_apply_to_every_listener_and_the_login_stays_required() {
    let serve = Serve::start(&["--smtp", "0", "--submission", "0", "--any-login"]);
    let rule = r#"[{"on": "NOOP", "reply": "250 by a rule"}]"#;
    assert_eq!(serve.request("PUT", "rules", "application/json", rule).0, 200);
    for service in ["smtp", "submission"] {
        assert_eq!(serve.client(service).send("NOOP"), "250 by a rule");
    }
    let refused = serve.client("submission").deliver("bob@example.org", "Subject: x");
    assert_eq!(refused, "530 5.7.0 authentication required");
}
