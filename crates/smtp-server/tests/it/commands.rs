//! Commands and their order (RFC 5321, 4.1 and 4.3; appendix D).
use smtp_codec::Dialect;
use smtp_error::{Extension, ReplyCode};
use smtp_server::{Accept, Closing, Event, Settings};

use crate::host::{Answer, Fate, Host, accept, refuse, usual};

#[test]
fn a_typical_transaction() {
    let journal = Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO bar.com
        S: 250-*
        C: MAIL FROM:<Smith@bar.com>
        S: 250 2.1.0 Ok
        C: RCPT TO:<Jones@foo.com>
        S: 250 2.1.5 Ok
        C: RCPT TO:<NoGreen@foo.com>
        S: 250 2.1.5 Ok
        C: RCPT TO:<no-Green@foo.com>
        S: 550 5.1.1 No such mailbox
        C: DATA
        S: 354 Send the message, and end it with a dot
        C: Blah blah blah...
        C: ...etc. etc. etc.
        C: .
        S: 250 2.0.0 Message accepted
        C: QUIT
        S: 221 2.0.0 Bye",
    );
    let message = &journal.messages[0];
    assert_eq!(message.from, "Smith@bar.com");
    assert_eq!(message.to, ["Jones@foo.com", "NoGreen@foo.com"]);
    assert_eq!(message.content, b"Blah blah blah...\r\n..etc. etc. etc.\r\n");
    assert_eq!(message.fate, Fate::Ended);
    assert_eq!(journal.closing, Some(Closing::Quit));
}

#[test]
fn an_aborted_transaction_and_helo() {
    let journal = Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: HELO bar.com
        S: 250 mx.example.org
        C: MAIL FROM:<Smith@bar.com>
        S: 250 2.1.0 Ok
        C: RCPT TO:<Jones@foo.com>
        S: 250 2.1.5 Ok
        C: RSET
        S: 250 2.0.0 Ok
        C: RCPT TO:<Jones@foo.com>
        S: 503 5.5.1 MAIL first
        C: QUIT
        S: 221 2.0.0 Bye",
    );
    assert!(journal.messages.is_empty());
    assert_eq!(journal.events[4], "Reset");
    assert_eq!(journal.client.protocol(false), "SMTP");
}

#[test]
fn commands_out_of_order() {
    Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: MAIL FROM:<a@example.org>
        S: 503 5.5.1 EHLO or HELO first
        C: NOOP
        S: 250 2.0.0 Ok
        C: RSET
        S: 250 2.0.0 Ok
        C: EHLO client.example.org
        S: 250-*
        C: DATA
        S: 503 5.5.1 MAIL first
        C: RCPT TO:<b@example.org>
        S: 503 5.5.1 MAIL first
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Ok
        C: MAIL FROM:<a@example.org>
        S: 503 5.5.1 MAIL was given before
        C: DATA
        S: 503 5.5.1 No valid recipients
        C: RCPT TO:<b@example.org>
        S: 250 2.1.5 Ok
        C: EHLO again.example.org
        S: 250-*
        C: DATA
        S: 503 5.5.1 MAIL first
        C: QUIT
        S: 221 2.0.0 Bye",
    );
}

#[test]
fn a_second_greeting_ends_the_transaction() {
    let journal = Host::smtp().receive(
        b"EHLO a.example\r\nMAIL FROM:<>\r\nHELO b.example\r\nMAIL FROM:<>\r\nEHLO c.example\r\n",
    );
    let resets = journal.events.iter().filter(|event| *event == "Reset").count();
    assert_eq!(resets, 2);
    assert_eq!(journal.client.hello().unwrap().name().as_str(), "c.example");
}

#[test]
fn what_is_no_command() {
    Host::smtp().play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: XYZ
        S: 500 5.5.1 Command not recognized
        C:
        S: 500 5.5.2 Syntax error at octet 0
        C| \0abc\r\n
        S: 500 5.5.2 Syntax error at octet 0
        C: LHLO client.example.org
        S: 500 5.5.1 Command not recognized
        C: TURN
        S: 500 5.5.1 Command not recognized
        C: ATRN example.org
        S: 502 5.5.1 Command not implemented
        C: BURL imap://example.org LAST
        S: 502 5.5.1 Command not implemented
        C: ETRN example.org
        S: 502 5.5.1 Command not implemented
        C: STARTTLS
        S: 502 5.5.1 Command not implemented
        C: AUTH PLAIN
        S: 502 5.5.1 Command not implemented
        C: XCLIENT NAME=a
        S: 502 5.5.1 Command not implemented
        C: XFORWARD NAME=a
        S: 502 5.5.1 Command not implemented
        C: DATA now
        S: 501 5.5.4 No argument is taken here
        C: MAIL FROM:a
        S: 501 5.1.7 Bad address: no @ between local-part and domain
        C: MAIL FROM:<a@example.org> X=1
        S: 555 5.5.4 Parameter not offered
        C: noop whatever this is
        S: 250 2.0.0 Ok
        C| RSET  \r\n
        S: 250 2.0.0 Ok
        C: quit
        S: 221 2.0.0 Bye",
    );
}

#[test]
fn verification_and_help() {
    fn knows(event: &Event<'_>) -> Answer {
        match event {
            Event::Verify("alice") => {
                Answer::Decide(Ok(accept(250, "2.1.5 Alice <alice@example.org>")))
            }
            Event::Verify("bob") => Answer::Decide(Err(refuse(550, "5.1.1 No such user"))),
            Event::Expand("list") => {
                let lines = ["2.1.5 <a@example.org>", "<b@example.org>"];
                let accept = Accept::lines(ReplyCode::OK, lines);
                Answer::Decide(Ok(accept.unwrap()))
            }
            Event::Help(Some("me")) => Answer::Decide(Ok(accept(214, "With what?"))),
            Event::Etrn("example.org") => Answer::Decide(Ok(accept(250, "Started"))),
            Event::Other { verb: "XTEST", arguments: "a b" } => {
                Answer::Decide(Ok(accept(250, "Tested")))
            }
            other => usual(other),
        }
    }
    let offer = Settings::smtp("mx.example.org").offer(|offer| offer.extensions([Extension::Etrn]));
    Host::of(offer).decides(knows).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: VRFY alice
        S: 250 2.1.5 Alice <alice@example.org>
        C: VRFY bob
        S: 550 5.1.1 No such user
        C: VRFY carol
        S: 252 2.1.5 Send mail to find out
        C: EXPN list
        S: 250-2.1.5 <a@example.org>
        S: 250 2.0.0 <b@example.org>
        C: EXPN other
        S: 502 5.5.1 Command not implemented
        C: HELP
        S: 214 2.0.0 The reply to EHLO has what this server offers; see RFC 5321
        C: HELP me
        S: 214 2.0.0 With what?
        C: ETRN example.org
        S: 250 2.0.0 Started
        C: ETRN other.example
        S: 458 4.5.0 Unable to queue messages
        C: XTEST a b
        S: 250 2.0.0 Tested
        C: MAIL FROM:<>
        S: 250 2.1.0 Ok
        C: ETRN example.org
        S: 503 5.5.1 Not inside a mail transaction
        C: VRFY
        S: 501 5.5.4 An argument is missing",
    );
}

#[test]
fn what_is_not_decided_is_refused_for_now() {
    fn nothing(event: &Event<'_>) -> Answer {
        match event {
            Event::Rcpt(rcpt) if rcpt.path().as_str().starts_with("yes") => Answer::Usual,
            Event::Mail(mail) if mail.path().as_str().starts_with("yes") => Answer::Usual,
            _ => Answer::Nothing,
        }
    }
    Host::smtp().decides(nothing).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<no@example.org>
        S: 451 4.3.0 Try again later
        C: MAIL FROM:<yes@example.org>
        S: 250 2.1.0 Ok
        C: RCPT TO:<no@example.org>
        S: 451 4.3.0 Try again later
        C: RCPT TO:<yes@example.org>
        S: 250 2.1.5 Ok
        C: DATA
        S: 451 4.3.0 Try again later
        C: XYZ
        S: 500 5.5.1 Command not recognized
        C: VRFY a
        S: 252 2.1.5 Send mail to find out",
    );
}

#[test]
fn the_end_of_a_message_that_is_not_decided_is_refused_for_now() {
    fn no_end(event: &Event<'_>) -> Answer {
        if let Event::End(_) = event { Answer::Nothing } else { Answer::Usual }
    }
    for host in [Host::smtp(), Host::lmtp()] {
        let is_lmtp = host.settings.dialect() == Dialect::Lmtp;
        let lhlo = if is_lmtp { "LHLO" } else { "EHLO" };
        let journal = host.decides(no_end).receive(
            format!("{lhlo} a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n.\r\n")
                .as_bytes(),
        );
        assert!(journal.output.ends_with("dot\n451 4.3.0 Try again later\n"), "{journal:?}");
    }
}

#[test]
fn a_reply_of_the_server_takes_the_place_of_the_usual_one() {
    fn own(event: &Event<'_>) -> Answer {
        match event {
            Event::Mail(_) => Answer::Decide(Ok(accept(250, "2.1.0 Sender"))),
            Event::Rcpt(_) => Answer::Decide(Ok(accept(251, "2.1.5 Will forward"))),
            Event::End(_) => Answer::Decide(Ok(accept(250, "2.0.0 Queued as 17"))),
            _ => Answer::Usual,
        }
    }
    Host::smtp().decides(own).play(
        r"S: 220 mx.example.org ESMTP
        C: EHLO client.example.org
        S: 250-*
        C: MAIL FROM:<a@example.org>
        S: 250 2.1.0 Sender
        C: RCPT TO:<b@example.org>
        S: 251 2.1.5 Will forward
        C: DATA
        S: 354 Send the message, and end it with a dot
        C: .
        S: 250 2.0.0 Queued as 17",
    );
}
