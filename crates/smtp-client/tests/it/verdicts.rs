//! The verdict of every recipient for each combination of refusals, in SMTP and LMTP, with
//! pipelining and without.
use smtp_client::{Ended, Envelope, ErrorKind, MailData, Step, Verdict, session::Dialect};

use crate::stage::play_in;

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
struct Way {
    dialect: Dialect,
    pipelined: bool,
}

/// What the server answers.
#[derive(Clone, Copy, Debug)]
struct Answers {
    mail: u16,
    rcpts: [u16; 2],
    data: u16,
    /// The final replies: with SMTP the first one only, with LMTP those of the recipients.
    finals: [u16; 2],
}

const WAYS: [Way; 4] = [
    Way { dialect: Dialect::Smtp, pipelined: false },
    Way { dialect: Dialect::Smtp, pipelined: true },
    Way { dialect: Dialect::Lmtp, pipelined: false },
    Way { dialect: Dialect::Lmtp, pipelined: true },
];

const RCPTS: [&str; 2] = ["b@example.org", "c@example.org"];

impl Answers {
    fn taken(self, recipient: usize) -> bool {
        self.mail == 250 && self.rcpts[recipient] < 300
    }

    fn any_taken(self) -> bool {
        self.taken(0) || self.taken(1)
    }

    /// The verdict of this recipient: the first refusal that applies, or else the final reply.
    fn expected(self, way: Way, recipient: usize) -> (Step, u16) {
        if self.mail != 250 {
            (Step::Mail, self.mail)
        } else if self.rcpts[recipient] >= 400 {
            (Step::Rcpt, self.rcpts[recipient])
        } else if self.data != 354 {
            (Step::Data, self.data)
        } else if way.dialect == Dialect::Smtp {
            (Step::EndOfText, self.finals[0])
        } else {
            (Step::EndOfText, self.finals[recipient])
        }
    }

    /// Whether the server invited a text that must not be sent.
    fn trapped(self, way: Way) -> bool {
        way.pipelined && !self.any_taken() && self.data == 354
    }

    fn script(self, way: Way) -> String {
        let commands = [
            ("MAIL FROM:<a@example.org>", self.mail),
            ("RCPT TO:<b@example.org>", self.rcpts[0]),
            ("RCPT TO:<c@example.org>", self.rcpts[1]),
            ("DATA", self.data),
        ];
        let mut script = String::new();
        if way.pipelined {
            script.extend(commands.map(|(line, _)| format!("C| {line}\n")));
            script.extend(commands.map(|(_, code)| format!("S: {code} said\n")));
        } else {
            let said = match self {
                _ if self.mail != 250 => 1,
                _ if !self.any_taken() => 3,
                _ => 4,
            };
            let exchange = |(line, code)| format!("C: {line}\nS: {code} said\n");
            script.extend(commands.into_iter().take(said).map(exchange));
        }
        if self.any_taken() && self.data == 354 {
            script += "[text]\n";
            for (recipient, code) in self.finals.into_iter().enumerate() {
                let pending = match way.dialect {
                    Dialect::Smtp => recipient == 0,
                    Dialect::Lmtp => self.taken(recipient),
                };
                if pending {
                    script += &format!("S: {code} said\n");
                }
            }
        }
        script + if self.trapped(way) { "[expect-close]" } else { "C: NOOP\nS: 250 ok" }
    }
}

#[track_caller]
fn check(way: Way, answers: Answers) {
    let keywords: &[&str] = if way.pipelined { &["PIPELINING"] } else { &[] };
    let script = answers.script(way);
    let (delivery, report) = play_in(way.dialect, keywords, &script, async |mut connection| {
        let envelope = Envelope::new("a@example.org", RCPTS).unwrap();
        let text = MailData::new("text\r\n").unwrap();
        let delivery = connection.send(&envelope, &text).await.unwrap();
        match connection.noop().await {
            Ok(_) => assert!(!answers.trapped(way), "{way:?} {answers:?}"),
            Err(error) => {
                let ended = Ended::Failed { step: Step::Data };
                let found = matches!(error.kind(), ErrorKind::Ended(found) if *found == ended);
                assert!(found && answers.trapped(way), "{way:?} {answers:?}: {error:?}");
            }
        }
        delivery
    });
    let found: Vec<_> = delivery.verdicts().map(step_and_code).collect();
    let expected: Vec<_> = (0..2).map(|recipient| answers.expected(way, recipient)).collect();
    assert_eq!(found, expected, "{way:?} {answers:?}");
    for ((_, verdict), (step, code)) in delivery.verdicts().zip(&expected) {
        assert_eq!(verdict.is_accepted(), *step == Step::EndOfText && *code < 300);
    }
    let texts = usize::from(answers.any_taken() && answers.data == 354);
    assert_eq!(report.messages().len(), texts, "{way:?} {answers:?}");
}

fn step_and_code((_, verdict): (&str, &Verdict)) -> (Step, u16) {
    (verdict.step(), verdict.reply().code().get())
}

#[test]
fn every_recipient_gets_the_first_refusal_that_applies_to_it() {
    let mut cases = 0;
    for way in WAYS {
        for mail in [250, 451, 550] {
            for rcpts in [[250, 250], [250, 550], [450, 250], [450, 550], [251, 252]] {
                for data in [354, 451, 554] {
                    for finals in [[250, 250], [250, 452], [552, 250], [451, 554], [200, 299]] {
                        check(way, Answers { mail, rcpts, data, finals });
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("{cases} combinations");
}

const ALL_TAKEN: Answers = Answers { mail: 250, rcpts: [250, 250], data: 354, finals: [250, 250] };

#[test]
fn mail_refused_but_invited() {
    for way in WAYS.into_iter().filter(|way| way.pipelined) {
        check(way, Answers { mail: 550, ..ALL_TAKEN });
    }
}

#[test]
fn all_recipients_refused_but_invited() {
    for way in WAYS.into_iter().filter(|way| way.pipelined) {
        check(way, Answers { rcpts: [550, 451], ..ALL_TAKEN });
    }
}

#[test]
fn codes_that_no_standard_knows_count_by_their_first_digit() {
    for way in WAYS {
        check(way, Answers { rcpts: [571, 472], ..ALL_TAKEN });
        check(way, Answers { rcpts: [571, 250], finals: [599, 298], ..ALL_TAKEN });
        check(way, Answers { mail: 499, ..ALL_TAKEN });
    }
}

#[test]
fn the_same_recipient_twice_gets_a_verdict_each_time() {
    let script = "
        C: MAIL FROM:<a@example.org>
        S: 250 ok
        C: RCPT TO:<b@example.org>
        S: 250 first
        C: RCPT TO:<b@example.org>
        S: 250 again
        C: RCPT TO:<b@example.org>
        S: 550 enough
        C: DATA
        S: 354 go
        [text]
        S: 250 delivered
        S: 452 over quota
    ";
    let (delivery, _) = play_in(Dialect::Lmtp, &[], script, async |mut connection| {
        let envelope = Envelope::new("a@example.org", ["b@example.org"; 3]).unwrap();
        connection.send(&envelope, &MailData::new("text\r\n").unwrap()).await.unwrap()
    });
    let found: Vec<_> = delivery.verdicts().map(step_and_code).collect();
    assert_eq!(found, [(Step::EndOfText, 250), (Step::EndOfText, 452), (Step::Rcpt, 550)]);
}

#[test]
fn a_verdict_keeps_the_reply_with_its_queue_identifier() {
    let script = Answers { finals: [250, 250], ..ALL_TAKEN }.script(WAYS[0]);
    let script = script.replace("[text]\nS: 250 said", "[text]\nS: 250-2.0.0 ok\nS: 250 id=4711");
    let (delivery, _) = play_in(Dialect::Smtp, &[], &script, async |mut connection| {
        let envelope = Envelope::new("a@example.org", RCPTS).unwrap();
        let delivery =
            connection.send(&envelope, &MailData::new("text\r\n").unwrap()).await.unwrap();
        connection.noop().await.unwrap();
        delivery
    });
    assert!(delivery.all_accepted());
    for (_, verdict) in delivery.verdicts() {
        assert_eq!(verdict.reply().as_bytes(), b"2.0.0 ok\nid=4711");
    }
}
