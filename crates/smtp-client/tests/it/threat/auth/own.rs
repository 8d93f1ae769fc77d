//! Mechanisms that a caller implements.
use smtp_client::{
    ErrorKind, Misbehaved, NoMechanism, Obstacle, OfferedMechanism, SaslFault, Unsupported,
    sasl::{Credentials, Login, Mechanism},
    session::{Auth, Challenge, ClearText, Exchange, Exposure, Response},
};

use super::{confined, drive, exchange, exposed};

/// One that adds one to a number.
struct Successor {
    exposure: Exposure,
    heard: usize,
}

impl Exchange for Successor {
    fn mechanism(&self) -> Mechanism<&str> {
        Mechanism::new("X-SUCCESSOR").unwrap()
    }

    fn exposure(&self) -> Exposure {
        self.exposure
    }

    fn initial(&mut self) -> Option<Response> {
        Some(Response::from(b"0".as_slice()))
    }

    fn respond(&mut self, challenge: Challenge<'_>) -> Result<Response, SaslFault> {
        self.heard += 1;
        let number: u32 = String::from_utf8(challenge.decode()?)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(SaslFault::Syntax)?;
        Ok((number + 1).to_string().into_bytes().into())
    }

    fn may_succeed(&self) -> bool {
        self.heard > 0
    }
}

fn successor(exposure: Exposure) -> Successor {
    Successor { exposure, heard: 0 }
}

const OFFER: &[&str] = &["AUTH PLAIN X-SUCCESSOR"];

#[test]
fn a_mechanism_of_ones_own_is_used_like_every_other() {
    let login = Login::new(Credentials::own(|| successor(Exposure::Revealed)));
    let mut session = confined(OFFER);
    let dialogue =
        [("AUTH X-SUCCESSOR MA==", "334 MQ=="), ("Mg==", "334 NDE="), ("NDI=", "235 yes")];
    exchange(&mut session, &login, &dialogue).unwrap();
    assert_eq!(session.authenticated_by(), Some("X-SUCCESSOR"));
}

#[test]
fn the_conversation_takes_one_as_it_is() {
    let mut session = confined(OFFER);
    let auth = Auth::new(successor(Exposure::Hidden));
    let (outcome, _) = drive(&mut session, auth, |line| match line {
        "AUTH X-SUCCESSOR MA==" => "334 MQ==\r\n".into(),
        _ => "235 yes\r\n".into(),
    });
    outcome.unwrap();
}

#[test]
fn the_conversation_refuses_what_cannot_work() {
    let revealing = || Auth::new(successor(Exposure::Revealed));
    let plain = OfferedMechanism::new(b"PLAIN", Obstacle::Credentials);
    let none = NoMechanism::new([plain], ["X-SUCCESSOR"]);
    for (mut session, auth, lacking) in [
        (exposed(OFFER), revealing(), Some(Unsupported::ClearText)),
        (exposed(OFFER), revealing().clear_text(ClearText::Allowed), None),
        (confined(&["AUTH PLAIN"]), revealing(), Some(Unsupported::Mechanism(none))),
    ] {
        let (outcome, said) = drive(&mut session, auth, |line| match line {
            "AUTH X-SUCCESSOR MA==" => "334 MQ==\r\n".into(),
            _ => "235 yes\r\n".into(),
        });
        match (outcome, lacking) {
            (Ok(()), None) => assert_eq!(said.len(), 2),
            (Err(error), Some(lacking)) => {
                let found = matches!(error.kind(), ErrorKind::Unsupported(it) if *it == lacking);
                assert!(found, "{error:?}");
                assert!(said.is_empty());
                assert!(session.ended().is_none());
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn a_fault_that_it_finds_cancels_the_exchange() {
    let login = Login::new(Credentials::own(|| successor(Exposure::Hidden)));
    let mut session = exposed(OFFER);
    let dialogue = [("AUTH X-SUCCESSOR MA==", "334 YQ=="), ("*", "501 no")];
    let error = exchange(&mut session, &login, &dialogue).unwrap_err();
    let fault = ErrorKind::Misbehaved(Misbehaved::Sasl(SaslFault::Syntax));
    assert_eq!(format!("{:?}", error.kind()), format!("{fault:?}"));
}

#[test]
fn a5_its_challenges_are_counted_too() {
    let login = Login::new(Credentials::own(|| successor(Exposure::Hidden)));
    let mut session = exposed(OFFER);
    let auth = super::auth(&login, &session).unwrap();
    let (outcome, said) = drive(&mut session, auth, |line| match line {
        "*" => "501 no\r\n".into(),
        _ => "334 MQ==\r\n".into(),
    });
    outcome.unwrap_err();
    assert_eq!(said.len(), 34);
}
