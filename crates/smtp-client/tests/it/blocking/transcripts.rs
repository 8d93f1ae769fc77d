//! The scenarios of RFC 5321, appendix D, over a connection that blocks.
use smtp_client::{Envelope, MailData};

use super::connector;
use crate::{
    appendix_d::{ABORTED, Act, DESTINATION, RELAY, Scenario, TYPICAL, VERIFYING, codes_of},
    stage::parse,
};
use smtp_client::session::Dialect;
use smtp_testkit::Server as TestServer;

#[track_caller]
fn check(scenario: &Scenario) {
    let server = TestServer::tcp(parse(scenario.transcript)).unwrap();
    let connector = connector(server.addr(), Dialect::Smtp);
    let mut connection = connector.hello_name(scenario.name.parse().unwrap()).connect().unwrap();
    for act in scenario.acts {
        match *act {
            Act::Verify(who, answer) => {
                assert_eq!(connection.verify(who).unwrap().as_bytes(), answer.as_bytes());
            }
            Act::Send { from, to, text, codes } => {
                let envelope = Envelope::new(from, to.iter().copied()).unwrap();
                let text = MailData::new(text).unwrap();
                assert_eq!(codes_of(&connection.send(&envelope, &text).unwrap()), codes);
            }
            Act::Reset => drop(connection.reset().unwrap()),
        }
    }
    connection.quit().unwrap();
    server.finish().wait().unwrap();
}

#[test]
fn a_typical_transaction() {
    check(&TYPICAL);
}

#[test]
fn an_aborted_transaction() {
    check(&ABORTED);
}

#[test]
fn a_relayed_message() {
    check(&RELAY);
    check(&DESTINATION);
}

#[test]
fn verifying_and_sending() {
    check(&VERIFYING);
}
