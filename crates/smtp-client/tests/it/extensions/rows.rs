//! The extensions, one row for each parameter.
use smtp_client::{
    Body, Content, Extension, Framing, MailData, MailParam, Mailbox, Part, RcptParam, Step,
    session::Dialect,
};
use smtp_codec::{ByMode, Notify, Ret, RrvsAction, Xtext};

use super::{MAIL, Message, RCPT, Row, URI};

pub(super) const ROWS: &[Row] = &[
    Row {
        extension: Extension::EightBitMime,
        offer: &["8BITMIME"],
        message: || Message::of(MailData::new("Subject: a\r\n\r\n\u{fc}\r\n").unwrap()),
        mail: "MAIL FROM:<a@example.org> BODY=8BITMIME",
        rcpt: RCPT,
        refusal: (Step::EndOfText, "554 5.6.3 Conversion required but not supported"),
    },
    Row {
        extension: Extension::EightBitMime,
        offer: &["8BITMIME"],
        message: || Message::asking(MailParam::Body(Body::EightBitMime)),
        mail: "MAIL FROM:<a@example.org> BODY=8BITMIME",
        rcpt: RCPT,
        refusal: (Step::Mail, "501 5.5.4 Bad BODY"),
    },
    Row {
        extension: Extension::BinaryMime,
        offer: &["BINARYMIME", "CHUNKING"],
        message: || Message::of(MailData::binary(&b"a: b\r\n\r\n\0\n\r\xFF"[..])),
        mail: "MAIL FROM:<a@example.org> BODY=BINARYMIME",
        rcpt: RCPT,
        refusal: (Step::Mail, "555 5.6.1 Media not supported"),
    },
    Row {
        extension: Extension::Chunking,
        offer: &["CHUNKING"],
        message: || Message { framing: Framing::Chunks, ..Message::plain() },
        mail: MAIL,
        rcpt: RCPT,
        refusal: (Step::EndOfText, "500 5.5.1 What is BDAT?"),
    },
    Row {
        extension: Extension::SmtpUtf8,
        offer: &["SMTPUTF8", "8BITMIME"],
        message: || Message::to("\u{fc}@example.org"),
        mail: "MAIL FROM:<a@example.org> SMTPUTF8",
        rcpt: "RCPT TO:<\u{fc}@example.org>",
        refusal: (Step::Rcpt, "553 5.6.7 Non-ASCII addresses not permitted for that recipient"),
    },
    Row {
        extension: Extension::SmtpUtf8,
        offer: &["SMTPUTF8", "8BITMIME"],
        message: || Message { mail: "\u{fc}@example.org".try_into().unwrap(), ..Message::plain() },
        mail: "MAIL FROM:<\u{fc}@example.org> SMTPUTF8",
        rcpt: RCPT,
        refusal: (Step::Mail, "550 5.6.7 Non-ASCII sender"),
    },
    Row {
        extension: Extension::Size,
        offer: &["SIZE 1000"],
        message: || Message::asking(MailParam::Size(17)),
        mail: "MAIL FROM:<a@example.org> SIZE=17",
        rcpt: RCPT,
        refusal: (Step::Mail, "552 5.3.4 Message too big for system"),
    },
    Row {
        extension: Extension::Size,
        offer: &["SIZE"],
        message: || Message::asking(MailParam::Size(20)),
        mail: "MAIL FROM:<a@example.org> SIZE=20",
        rcpt: RCPT,
        refusal: (Step::Rcpt, "452 4.2.2 Mailbox full"),
    },
    Row {
        extension: Extension::Dsn,
        offer: &["DSN"],
        message: || {
            let returned = Message::asking(MailParam::Ret(Ret::Headers));
            returned.mail(MailParam::EnvId(Xtext::encode("QQ=314159")))
        },
        mail: "MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ+3D314159",
        rcpt: RCPT,
        refusal: (Step::Mail, "501 5.5.4 Bad ENVID"),
    },
    Row {
        extension: Extension::Dsn,
        offer: &["DSN"],
        message: || {
            let notify = Notify { success: true, failure: false, delay: true };
            Message::asking_for_rcpt(RcptParam::Notify(notify))
        },
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY",
        refusal: (Step::Rcpt, "501 5.5.4 Bad NOTIFY"),
    },
    Row {
        extension: Extension::Dsn,
        offer: &["DSN"],
        message: || Message::asking_for_rcpt(RcptParam::orcpt(&mailbox("b+c@example.org"))),
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> ORCPT=rfc822;b+2Bc@example.org",
        refusal: (Step::Rcpt, "555 5.5.4 Bad ORCPT"),
    },
    Row {
        extension: Extension::Dsn,
        offer: &["DSN"],
        message: || Message::asking_for_rcpt(RcptParam::orcpt(&mailbox("\u{fc}@example.org"))),
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> ORCPT=utf-8;\\x{FC}@example.org",
        refusal: (Step::Rcpt, "501 5.5.4 Bad ORCPT"),
    },
    Row {
        extension: Extension::DeliverBy,
        offer: &["DELIVERBY 60"],
        message: || {
            Message::asking(MailParam::By { seconds: 120, mode: ByMode::Return, trace: true })
        },
        mail: "MAIL FROM:<a@example.org> BY=120;RT",
        rcpt: RCPT,
        refusal: (Step::Mail, "455 4.4.7 Not within that time"),
    },
    Row {
        extension: Extension::FutureRelease,
        offer: &["FUTURERELEASE 86400 2026-12-31T00:00:00Z"],
        message: || Message::asking(MailParam::HoldFor(3600)),
        mail: "MAIL FROM:<a@example.org> HOLDFOR=3600",
        rcpt: RCPT,
        refusal: (Step::Mail, "554 5.7.1 Not for you"),
    },
    Row {
        extension: Extension::FutureRelease,
        offer: &["FUTURERELEASE 86400 2026-12-31T00:00:00Z"],
        message: || Message::asking(MailParam::HoldUntil("2026-11-30T09:00:00Z".into())),
        mail: "MAIL FROM:<a@example.org> HOLDUNTIL=2026-11-30T09:00:00Z",
        rcpt: RCPT,
        refusal: (Step::Mail, "501 5.5.4 That is over"),
    },
    Row {
        extension: Extension::MtPriority,
        offer: &["MT-PRIORITY"],
        message: || Message::asking(MailParam::MtPriority(-3)),
        mail: "MAIL FROM:<a@example.org> MT-PRIORITY=-3",
        rcpt: RCPT,
        refusal: (Step::Mail, "550 5.7.15 Priority level is too low"),
    },
    Row {
        extension: Extension::MtPriority,
        offer: &["MT-PRIORITY STANAG4406"],
        message: || Message::asking(MailParam::MtPriority(9)),
        mail: "MAIL FROM:<a@example.org> MT-PRIORITY=9",
        rcpt: RCPT,
        refusal: (Step::Mail, "450 4.7.16 Message too big for the specified priority"),
    },
    Row {
        extension: Extension::Rrvs,
        offer: &["RRVS"],
        message: || {
            let since = "2026-11-23T09:30:00Z".into();
            Message::asking_for_rcpt(RcptParam::Rrvs { since, otherwise: Some(RrvsAction::Reject) })
        },
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> RRVS=2026-11-23T09:30:00Z;R",
        refusal: (Step::Rcpt, "550 5.7.17 Mailbox owner has changed"),
    },
    Row {
        extension: Extension::Auth,
        offer: &["AUTH PLAIN"],
        message: || Message::asking(MailParam::Auth(Some(Xtext::encode("e+x@example.org")))),
        mail: "MAIL FROM:<a@example.org> AUTH=e+2Bx@example.org",
        rcpt: RCPT,
        refusal: (Step::Mail, "530 5.7.0 Authentication required"),
    },
    Row {
        extension: Extension::Auth,
        offer: &["AUTH PLAIN"],
        message: || Message::asking(MailParam::Auth(None)),
        mail: "MAIL FROM:<a@example.org> AUTH=<>",
        rcpt: RCPT,
        refusal: (Step::Mail, "501 5.5.4 Bad AUTH"),
    },
    Row {
        extension: Extension::NoSoliciting,
        offer: &["NO-SOLICITING"],
        message: || Message::asking(MailParam::Solicit("org.example:ADV:ADLT".into())),
        mail: "MAIL FROM:<a@example.org> SOLICIT=org.example:ADV:ADLT",
        rcpt: RCPT,
        refusal: (Step::Rcpt, "550 5.7.1 No solicitation"),
    },
    Row {
        extension: Extension::Mtrk,
        offer: &["MTRK", "DSN"],
        message: || {
            let certifier = "YWJjZGVmZ2hpamtsbW5vcA".into();
            let tracked = Message::asking(MailParam::EnvId(Xtext::encode("1")));
            tracked.mail(MailParam::Mtrk { certifier, timeout: Some(60) })
        },
        mail: "MAIL FROM:<a@example.org> ENVID=1 MTRK=YWJjZGVmZ2hpamtsbW5vcA:60",
        rcpt: RCPT,
        refusal: (Step::Mail, "504 5.5.4 No tracking today"),
    },
    Row {
        extension: Extension::Conperm,
        offer: &["CONPERM"],
        message: || Message::asking(MailParam::Conperm),
        mail: "MAIL FROM:<a@example.org> CONPERM",
        rcpt: RCPT,
        refusal: (Step::EndOfText, "554 5.6.3 Conversion required"),
    },
    Row {
        extension: Extension::Conneg,
        offer: &["CONNEG"],
        message: || Message::asking_for_rcpt(RcptParam::Conneg),
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> CONNEG",
        refusal: (Step::Rcpt, "504 5.5.4 Not with you"),
    },
    Row {
        extension: Extension::Submitter,
        offer: &["SUBMITTER"],
        message: || Message::asking(MailParam::Submitter(Xtext::encode("s@example.org"))),
        mail: "MAIL FROM:<a@example.org> SUBMITTER=s@example.org",
        rcpt: RCPT,
        refusal: (Step::Mail, "550 5.7.1 Submitter not allowed"),
    },
    Row {
        extension: Extension::Checkpoint,
        offer: &["CHECKPOINT"],
        message: || Message::asking(MailParam::TransId("<1@example.org>".into())),
        mail: "MAIL FROM:<a@example.org> TRANSID=<1@example.org>",
        rcpt: RCPT,
        refusal: (Step::Mail, "501 5.5.4 Bad TRANSID"),
    },
    Row {
        extension: Extension::IgnoreQuota,
        offer: &["IGNOREQUOTA"],
        message: || Message {
            dialect: Dialect::Lmtp,
            ..Message::asking_for_rcpt(RcptParam::IgnoreQuota)
        },
        mail: MAIL,
        rcpt: "RCPT TO:<b@example.org> IGNOREQUOTA",
        refusal: (Step::EndOfText, "552 5.2.2 Over quota all the same"),
    },
    Row {
        extension: Extension::Prdr,
        offer: &["PRDR"],
        message: || Message::asking(MailParam::Prdr),
        mail: "MAIL FROM:<a@example.org> PRDR",
        rcpt: RCPT,
        refusal: (Step::Mail, "555 5.5.4 What is PRDR?"),
    },
    Row {
        extension: Extension::Burl,
        offer: &["BURL imap", "CHUNKING"],
        message: || Message::of(Content::from_parts([Part::fetched(URI).unwrap()])),
        mail: MAIL,
        rcpt: RCPT,
        refusal: (Step::EndOfText, "554 5.6.6 IMAP URL resolution failed"),
    },
];

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}
