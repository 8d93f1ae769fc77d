//! XCLIENT and XFORWARD: their lines, their effects, and incomplete ones.
use smtp_client::{
    Attribute, Attributes, Capabilities, Ended, Error, ErrorKind, Extension, Step, Unsupported,
    Xtext, session::Dialect,
};
use smtp_error::{Field, Flaw};

use crate::{
    operation::attributes,
    session_commands::check_ended,
    stage::{hello, play_in, play_on},
    verbs::{MESSAGE, OFFER, check_invalid, goes_on, send},
};

#[test]
fn xclient_restarts_the_session() {
    let client = attributes([("name", "spike.example"), ("ADDR", "IPv6:2001:db8::1")]);
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        let again = hello(dialect, &["SIZE 20"]);
        let script = format!(
            "C: XCLIENT name=spike.example ADDR=IPv6:2001:db8::1\nS: 220 other.example\n{again}"
        );
        play_in(dialect, &OFFER, &script, async |mut connection| {
            let fresh = connection.xclient(&client).await.unwrap();
            assert_eq!(fresh.size_limit(), Some(20));
            assert!(!connection.capabilities().has(Extension::Xclient));
            assert_eq!(connection.greeting().unwrap().as_bytes(), b"other.example");
        });
    }
}

#[test]
fn a_refused_xclient_changes_nothing() {
    let client = attributes([("LOGIN", "me")]);
    for code in [501, 503, 550] {
        let script = format!("C: XCLIENT LOGIN=me\nS: {code} no");
        let (error, offered) = play_on(&OFFER, &script, async |mut connection| {
            let error = connection.xclient(&client).await.unwrap_err();
            (error, connection.capabilities().has(Extension::Xclient))
        })
        .0;
        assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
        assert!(offered);
    }
}

#[test]
fn a_refused_ehlo_after_xclient_ends_the_session() {
    let client = attributes([("LOGIN", "me")]);
    let script = "C: XCLIENT LOGIN=me\nS: 220 again\nC: EHLO client.example\nS: 502 no";
    play_on(&OFFER, script, async |mut connection| {
        let error = connection.xclient(&client).await.unwrap_err();
        assert_eq!(error.step(), Step::Hello);
        assert_eq!(connection.capabilities(), &Capabilities::none());
        check_ended(&mut connection, &Ended::Failed { step: Step::Hello }).await;
    });
}

#[test]
fn another_2yz_to_xclient_is_the_wrong_code() {
    let client = attributes([("LOGIN", "me")]);
    play_on(&OFFER, "C: XCLIENT LOGIN=me\nS: 250 ok", async |mut connection| {
        let error = connection.xclient(&client).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Misbehaved(_)), "{error:?}");
        check_ended(&mut connection, &Ended::Failed { step: Step::Xclient }).await;
    });
}

#[test]
fn an_attribute_that_is_not_listed_is_not_sent() {
    let client = attributes([("NAME", "x"), ("PORT", "25"), ("ADDR", "y")]);
    let expect = |outcome: Result<(), Error>, expected| match outcome.unwrap_err().kind() {
        ErrorKind::Unsupported(unsupported) => {
            assert_eq!(*unsupported, Unsupported::Attribute { extension: expected, number: 2 });
        }
        other => panic!("{other:?}"),
    };
    let xclient = goes_on(&OFFER, "", async |one| one.xclient(&client).await.map(drop));
    expect(xclient, Extension::Xclient);
    let xforward = goes_on(&OFFER, "", async |one| one.xforward(&client).await.map(drop));
    expect(xforward, Extension::Xforward);
}

#[test]
fn no_attributes_are_no_command() {
    let none = Attributes::default();
    let xclient = goes_on(&OFFER, "", async |one| one.xclient(&none).await.map(drop));
    check_invalid(&xclient.unwrap_err(), Field::ClientAttributes, Flaw::Empty);
    let xforward = goes_on(&OFFER, "", async |one| one.xforward(&none).await.map(drop));
    check_invalid(&xforward.unwrap_err(), Field::ClientAttributes, Flaw::Empty);
}

#[test]
fn xclient_fits_into_one_line() {
    let (name, address) = ("n".repeat(251), "a".repeat(241));
    let fits = attributes([("NAME", &name), ("ADDR", &address[..240])]);
    let again = hello(Dialect::Smtp, &OFFER);
    let script = format!("C: XCLIENT {fits}\nS: 220 again\n{again}");
    goes_on(&OFFER, &script, async |one| one.xclient(&fits).await.map(drop)).unwrap();
    let longer = attributes([("NAME", &name), ("ADDR", &address)]);
    let error = goes_on(&OFFER, "", async |one| one.xclient(&longer).await.map(drop));
    let flaw = Flaw::CommandTooLong { length: 513, limit: 512 };
    check_invalid(&error.unwrap_err(), Field::ClientAttributes, flaw);
}

#[test]
fn xforward_applies_to_the_next_message() {
    let client = attributes([("NAME", "spike.example")]);
    let client = client.with("ADDR", Attribute::<&str>::Unavailable).unwrap();
    let script = format!("C: XFORWARD NAME=spike.example ADDR=[UNAVAILABLE]\nS: 250 ok\n{MESSAGE}");
    goes_on(&OFFER, &script, async |one| {
        one.xforward(&client).await?;
        assert!(send(one).await);
        Ok(())
    })
    .unwrap();
}

#[test]
fn xforward_is_split_into_several_lines_if_needed() {
    let (name, address) = ("n".repeat(251), "a".repeat(250));
    let client = attributes([("NAME", &name), ("ADDR", &address), ("HELO", "h")]);
    let script = format!(
        "C: XFORWARD NAME={name}\nS: 250 one\nC: XFORWARD ADDR={address} HELO=h\nS: 250 two"
    );
    let reply = goes_on(&OFFER, &script, async |one| one.xforward(&client).await).unwrap();
    assert_eq!(reply.as_bytes(), b"two");
}

#[test]
fn a_refused_xforward_is_followed_by_rset() {
    let client = attributes([("ADDR", "192.0.2.1"), ("HELO", "no")]);
    let script = format!(
        "C: XFORWARD ADDR=192.0.2.1 HELO=no\nS: 501 bad HELO\nC: RSET\nS: 250 ok\n{MESSAGE}"
    );
    goes_on(&OFFER, &script, async |one| {
        one.xforward(&client).await.unwrap_err();
        assert!(send(one).await);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_incomplete_xforward_is_followed_by_rset() {
    let (name, address) = ("n".repeat(251), "a".repeat(250));
    let client = attributes([("NAME", &name), ("ADDR", &address)]);
    let script = format!(
        "C: XFORWARD NAME={name}\nS: 250 ok\nC: XFORWARD ADDR={address}\nS: 501 no\n\
         C: RSET\nS: 250 ok\n{MESSAGE}"
    );
    goes_on(&OFFER, &script, async |one| {
        let error = one.xforward(&client).await.unwrap_err();
        assert_eq!((error.step(), error.reply().unwrap().code().get()), (Step::Xforward, 501));
        assert!(send(one).await);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_attribute_that_fits_into_no_line_is_not_sent() {
    let client = attributes([("ADDR", "y"), ("NAME", &"n".repeat(498))]);
    let error = goes_on(&OFFER, "", async |one| one.xforward(&client).await.map(drop));
    let flaw = Flaw::CommandTooLong { length: 514, limit: 512 };
    check_invalid(&error.unwrap_err(), Field::ClientAttributes, flaw);
}

#[test]
fn xtext_keeps_an_attribute_in_its_line() {
    let value = Xtext::encode("spike\r\nQUIT =+");
    let client = Attributes::default().with("NAME", Attribute::Known(value)).unwrap();
    let script = "C: XFORWARD NAME=spike+0D+0AQUIT+20+3D+2B\nS: 250 ok";
    goes_on(&OFFER, script, async |one| one.xforward(&client).await).unwrap();
}
