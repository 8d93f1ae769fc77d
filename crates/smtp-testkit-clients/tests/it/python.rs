//! Python's smtplib, if it is installed.

use std::process::Command;

use smtp_testkit::{Lint, Protocol, Server, ServerBuilder};

/// Runs a program with the client in `client` and the text in `text`.
fn run(class: &str, builder: ServerBuilder, program: &str) -> Option<smtp_testkit::Report> {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("python3 is not here: nothing was tried");
        return None;
    }
    let server = builder.deny([Lint::BareLf, Lint::MissingDotStuffing]).tcp().unwrap();
    let head = format!(
        "import smtplib\ntext = {:?}\nclient = smtplib.{class}('127.0.0.1', {})\n",
        crate::TEXT,
        server.addr().port()
    );
    let output = Command::new("python3").args(["-c", &(head + program)]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(server.finish().wait().unwrap())
}

const SEND: &str = "client.sendmail('a@example.org', ['b@example.org'], text)\nclient.quit()";

#[test]
fn a_message_arrives() {
    let Some(report) = run("SMTP", Server::builder(), SEND) else { return };
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
    assert_eq!(report.messages()[0].text(), crate::RECEIVED.as_bytes());
}

#[test]
fn a_message_arrives_by_lmtp() {
    let builder = Server::builder().protocol(Protocol::Lmtp);
    let Some(report) = run("LMTP", builder, SEND) else { return };
    assert_eq!(report.messages()[0].recipients(), ["b@example.org"]);
}

#[test]
fn every_mechanism_lets_it_in() {
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let builder = Server::builder().offer(&format!("AUTH {mechanism}")).user("tim", "secret");
        let program = format!("client.login('tim', 'secret')\n{SEND}");
        let Some(report) = run("SMTP", builder, &program) else { return };
        let login = report.messages()[0].login().unwrap();
        assert_eq!((login.mechanism.as_str(), login.user.as_str()), (mechanism, "tim"));
    }
}

/// SCRAM-SHA-256 with SASLprep, on the Unicode 3.2 tables of Python.
const SCRAM: &str = r#"
import base64, hashlib, hmac, stringprep, unicodedata

def saslprep(text):
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c)
    )
    text = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    prohibited = [
        stringprep.in_table_a1, stringprep.in_table_c12, stringprep.in_table_c21_c22,
        stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
        stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
        stringprep.in_table_c9,
    ]
    assert not any(table(c) for c in text for table in prohibited), text
    return text

class Scram:
    def __init__(self, user, password):
        self.first = "n=%s,r=nonce" % saslprep(user)
        self.password = saslprep(password).encode()
        self.steps = iter((self.proof, self.confirm))

    def __call__(self, challenge=None):
        return "n,," + self.first if challenge is None else next(self.steps)(challenge.decode())

    def mac(self, key, text):
        return hmac.new(key, text.encode(), "sha256").digest()

    def proof(self, challenge):
        nonce, salt, rounds = (field[2:] for field in challenge.split(","))
        salt = base64.b64decode(salt)
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, int(rounds))
        last = "c=biws,r=" + nonce
        signed = ",".join((self.first, challenge, last))
        key = self.mac(salted, "Client Key")
        signature = self.mac(hashlib.sha256(key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(key, signature))
        server = self.mac(self.mac(salted, "Server Key"), signed)
        self.expected = "v=" + base64.b64encode(server).decode()
        return last + ",p=" + base64.b64encode(proof).decode()

    def confirm(self, challenge):
        assert challenge == self.expected, challenge
        return ""
"#;

#[test]
fn scram_prepares_names_and_passwords_as_python_does() {
    let passwords =
        ["pencil", "I\u{AD}X", "\u{2168}", "\u{AA}", "a\u{A0}b", "e\u{301}", "\u{FB01}"];
    for password in passwords {
        let offer = Server::builder().offer("AUTH SCRAM-SHA-256");
        let user = "ti\u{AD}m";
        let builder = offer.user(user, password);
        let escaped: String =
            password.chars().map(|char| format!("\\U{:08x}", u32::from(char))).collect();
        let program = format!(
            "{SCRAM}\nclient.ehlo()\n\
             client.auth('SCRAM-SHA-256', Scram('tim', '{escaped}'))\n{SEND}"
        );
        let Some(report) = run("SMTP", builder, &program) else { return };
        assert_eq!(report.messages()[0].login().unwrap().user, user, "{password:?}");
    }
}
