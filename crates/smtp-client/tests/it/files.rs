//! Contents that are files, with both clients.
use std::{env, fs, io, path::PathBuf, process};

use smtp_client::{
    Content, Envelope, Error, ErrorKind, Field, Flaw, Invalid, LineEnds, Message, Step,
};

use crate::{blocking, send::ACCEPTED, stage::play_on};

/// A file that is removed after its test.
struct Letter(PathBuf);

impl Letter {
    fn new(name: &str, octets: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("smtp-client-{}-{name}.eml", process::id()));
        fs::write(&path, octets).unwrap();
        Self(path)
    }

    fn content(&self) -> Content<'static> {
        Content::file(&self.0).unwrap()
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn envelope() -> Envelope {
    Envelope::new("a@example.org", ["b@example.org"]).unwrap()
}

/// The script of one message of which this size is declared.
fn accepted(size: &str) -> String {
    ACCEPTED.replace("<a@example.org>", &format!("<a@example.org>{size}"))
}

/// Both clients send this content, with this parameter, and the server receives these octets.
#[track_caller]
fn check(content: impl Fn() -> Content<'static>, size: &str, expected: &[u8]) {
    let (_, report) = play_on(&["SIZE"], &accepted(size), async |mut connection| {
        assert!(connection.send(&envelope(), content()).await.unwrap().all_accepted());
    });
    assert_eq!(report.messages()[0].text(), expected);
    // The other client writes the same, as the script demands.
    blocking::play_on(&["SIZE"], &accepted(size), |connection| {
        assert!(connection.send(&envelope(), content()).unwrap().all_accepted());
    });
}

#[test]
fn a_file_is_sent_with_its_size() {
    let whole = Letter::new("whole", b"Subject: a\r\n\r\n.b\r\n");
    check(|| whole.content(), " SIZE=18", b"Subject: a\r\n\r\n.b\r\n");
    let open = Letter::new("open", b"Subject: a\r\n\r\n.b");
    check(|| open.content(), " SIZE=18", b"Subject: a\r\n\r\n.b\r\n");
}

#[test]
fn line_ends_are_converted_and_the_size_is_not_declared() {
    let unix = Letter::new("unix", b"Subject: a\n\n.b\n");
    let content = || unix.content().line_ends(LineEnds::Unix);
    check(content, "", b"Subject: a\r\n\r\n.b\r\n");
    check(|| content().size(18), " SIZE=18", b"Subject: a\r\n\r\n.b\r\n");
}

#[test]
fn a_file_of_many_messages_is_read_too() {
    let letter = Letter::new("many", b"Subject: a\r\n\r\nb\r\n");
    let (_, report) = play_on(&[], &ACCEPTED.repeat(2), async |mut connection| {
        let messages = [(); 2].map(|()| Message::new(envelope(), letter.content()));
        let mut results = connection.send_many(messages).await.unwrap();
        for _ in 0..2 {
            assert!(results.next().await.unwrap().1.unwrap().all_accepted());
        }
    });
    assert_eq!(report.messages()[1].text(), b"Subject: a\r\n\r\nb\r\n");
}

#[test]
fn a_bare_lf_aborts_the_message() {
    let unix = Letter::new("bare", b"Subject: a\n\nb\n");
    let begun = accepted("").split("[text]").next().unwrap().to_owned() + "[expect-close]";
    let aborted = |error: Error| {
        let flaw = Flaw::BareLf { offset: 10 };
        let ErrorKind::Invalid(invalid) = error.kind() else { panic!("{error:?}") };
        assert_eq!(*invalid, Invalid::new(Field::Text, flaw));
        assert_eq!((error.step(), error.in_doubt()), (Step::Text, false));
    };
    play_on(&[], &begun, async |mut connection| {
        aborted(connection.send(&envelope(), unix.content()).await.unwrap_err());
    });
    blocking::play_on(&[], &begun, |connection| {
        aborted(connection.send(&envelope(), unix.content()).unwrap_err());
    });
}

#[test]
fn a_missing_file_is_found_before_anything_is_sent() {
    let missing = Content::file("no such file").unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}
