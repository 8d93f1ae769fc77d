//! Every parameter of an extension: how it is sent where it is offered, the error where it is not,
//! and the result of a refusal by the server.
use smtp_client::{
    Connection, Content, Delivery, EnhancedCode, Envelope, Error, ErrorKind, Extension, Framing,
    Mail, MailData, MailParam, Rcpt, RcptParam, Sending, Step, Unsupported, session::Dialect,
};

use crate::stage::{play_in, play_on};

mod beyond;
mod rows;

use rows::ROWS;

/// A message, and all that a server and its EHLO have to do with it.
struct Row {
    extension: Extension,
    /// What EHLO must offer. Without the first of it nothing is sent.
    offer: &'static [&'static str],
    message: fn() -> Message,
    /// The lines as they go out.
    mail: &'static str,
    rcpt: &'static str,
    /// A refusal, and the step that it answers.
    refusal: (Step, &'static str),
}

struct Message {
    dialect: Dialect,
    mail: Mail,
    rcpt: Rcpt,
    content: Content<'static>,
    framing: Framing,
}

const TEXT: &str = "Subject: a\r\n\r\nb\r\n";

impl Message {
    /// From `a` to `b`, with nothing that needs an extension.
    fn plain() -> Self {
        Self {
            dialect: Dialect::Smtp,
            mail: "a@example.org".try_into().unwrap(),
            rcpt: "b@example.org".try_into().unwrap(),
            content: MailData::new(TEXT).unwrap().into(),
            framing: Framing::Data,
        }
    }

    fn asking(param: MailParam) -> Self {
        Self::plain().mail(param)
    }

    fn asking_for_rcpt(param: RcptParam) -> Self {
        let plain = Self::plain();
        Self { rcpt: plain.rcpt.with(param).unwrap(), ..plain }
    }

    fn mail(self, param: MailParam) -> Self {
        Self { mail: self.mail.with(param).unwrap(), ..self }
    }

    fn of(content: impl Into<Content<'static>>) -> Self {
        Self { content: content.into(), ..Self::plain() }
    }

    fn to(rcpt: &str) -> Self {
        Self { rcpt: rcpt.try_into().unwrap(), ..Self::plain() }
    }
}

/// The line of MAIL without a parameter, and that of RCPT.
const MAIL: &str = "MAIL FROM:<a@example.org>";
const RCPT: &str = "RCPT TO:<b@example.org>";
const URI: &str = "imap://a.example/b;uid=1";

impl Row {
    /// The commands up to the text, each with its reply.
    fn commands(&self) -> [(Step, String); 2] {
        [
            (Step::Mail, format!("C: {}\nS: 250 2.1.0 Ok\n", self.mail)),
            (Step::Rcpt, format!("C: {}\nS: 250 2.1.5 Ok\n", self.rcpt)),
        ]
    }

    /// The text as it goes out.
    fn text(&self, facts: usize) -> String {
        match self.extension {
            Extension::Burl => format!("C: BURL {URI} LAST\n"),
            Extension::Chunking | Extension::BinaryMime => {
                format!("C: BDAT {facts} LAST\n[chunk {facts}]\n")
            }
            _ => "C: DATA\nS: 354 Go ahead\n[text]\n".into(),
        }
    }

    /// The dialogue in which it is refused; a NOOP shows that the connection goes on.
    fn refused(&self, octets: usize) -> String {
        let (step, reply) = self.refusal;
        let mut script = String::new();
        for (at, lines) in self.commands() {
            let command = lines.lines().next().unwrap();
            if at == step {
                return format!("{script}{command}\nS: {reply}\nC: NOOP\nS: 250 Ok");
            }
            script += &lines;
        }
        format!("{script}{}S: {reply}\nC: NOOP\nS: 250 Ok", self.text(octets))
    }
}

/// How many octets the texts in chunks have.
fn octets(row: &Row) -> usize {
    if row.extension == Extension::BinaryMime { 12 } else { TEXT.len() }
}

#[test]
fn each_is_sent_where_it_is_offered() {
    for row in ROWS {
        let commands = row.commands().map(|(_, lines)| lines).concat();
        let script = format!("{commands}{}S: 250 2.0.0 taken", row.text(octets(row)));
        let message = (row.message)();
        play_in(message.dialect, row.offer, &script, async |mut connection| {
            let delivery = send(&mut connection, message).await.unwrap();
            assert!(delivery.all_accepted(), "{}", row.extension);
        });
    }
}

#[test]
fn each_is_an_error_where_it_is_not_offered() {
    for row in ROWS {
        let message = (row.message)();
        // Something else that is on offer does not help.
        let offer = [&row.offer[1..], &["HELP", "X-OTHER"]].concat();
        let dialect = message.dialect;
        play_in(dialect, &offer, "C: QUIT\nS: 221 bye", async |mut connection| {
            let error = send(&mut connection, message).await.unwrap_err();
            check_unsupported(&error, Unsupported::Extension(row.extension));
            connection.quit().await.unwrap();
        });
    }
}

#[test]
fn each_can_be_refused_by_the_server() {
    for row in ROWS {
        let message = (row.message)();
        let (step, reply) = row.refusal;
        let (dialect, script) = (message.dialect, row.refused(octets(row)));
        play_in(dialect, row.offer, &script, async |mut connection| {
            let delivery = send(&mut connection, message).await.unwrap();
            assert_eq!(delivery.verdicts().len(), 1);
            let verdict = &delivery[0];
            let (code, text) = reply.split_once(' ').unwrap();
            assert_eq!((verdict.step(), verdict.is_accepted()), (step, false), "{reply}");
            assert_eq!(verdict.reply().code().get().to_string(), code);
            assert_eq!(verdict.reply().as_bytes(), text.as_bytes());
            assert_eq!(verdict.is_transient(), code.starts_with('4'), "{reply}");
            let enhanced =
                text.split(' ').next().unwrap().split('.').map(|one| one.parse().unwrap());
            let enhanced: Vec<u16> = enhanced.collect();
            let enhanced = EnhancedCode::new(enhanced[0] as u8, enhanced[1], enhanced[2]);
            assert_eq!(verdict.reply().enhanced(), enhanced, "{reply}");
            connection.noop().await.unwrap();
        });
    }
}

async fn send(connection: &mut Connection, message: Message) -> Result<Delivery, Error> {
    let envelope = Envelope::new(message.mail, [message.rcpt]).unwrap();
    let mut sending = Sending::default();
    sending.framing = message.framing;
    connection.scoped_sending(sending).send(&envelope, message.content).await
}

/// Nothing was written, for want of this.
#[track_caller]
fn check_unsupported(error: &Error, lacking: Unsupported) {
    let found = matches!(error.kind(), ErrorKind::Unsupported(found) if *found == lacking);
    assert!(found, "{lacking}: {error:?}");
    assert_eq!((error.step(), error.in_doubt()), (Step::Mail, false));
    assert!(error.verdicts().len() == 0 && !error.is_transient());
}

/// A message from `a` to `b` with this MAIL line is accepted.
#[track_caller]
fn check_taken(offer: &[&str], message: Message, mail: &str) {
    let rest = format!(
        "C: {mail}\nS: 250 Ok\nC: {RCPT}\nS: 250 Ok\nC: DATA\nS: 354 go\n[text]\nS: 250 taken"
    );
    play_on(offer, &rest, async |mut connection| {
        assert!(send(&mut connection, message).await.unwrap().all_accepted(), "{mail}");
    });
}
