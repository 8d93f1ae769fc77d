//! Commands: decodes octets that contain a line, whose end is not known yet, to a value.
use std::hint::black_box;

use smtp_codec::{Command, Deviations, LineFramer};
use smtp_proto::request::receiver::RequestReceiver;

use super::{Case, OURS, Peer, WELL_FORMED, Work, buffered};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "ehlo-command",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode(EHLO) },
            Peer { name: "smtp-proto", connect: || proto(EHLO) },
        ],
    },
    Case {
        name: "mail",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode(MAIL) },
            Peer { name: "smtp-proto", connect: || proto(MAIL) },
        ],
    },
    Case {
        name: "mail-5-params",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode(MAIL_PARAMS) },
            Peer { name: "ours, params read", connect: || decode_params(MAIL_PARAMS) },
            Peer { name: "smtp-proto", connect: || proto(MAIL_PARAMS) },
        ],
    },
    Case {
        name: "rcpt-dsn",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode(RCPT) },
            Peer { name: "ours, params read", connect: || decode_params(RCPT) },
            Peer { name: "smtp-proto", connect: || proto(RCPT) },
        ],
    },
];

const EHLO: &str = "EHLO mail.example.org\r\n";
const MAIL: &str = "MAIL FROM:<alice@mail.example.org>\r\n";
const MAIL_PARAMS: &str = "MAIL FROM:<alice@mail.example.org> SIZE=1048576 BODY=8BITMIME \
    RET=HDRS ENVID=QQ314159 SMTPUTF8\r\n";
const RCPT: &str = "RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE,DELAY \
    ORCPT=rfc822;bob@example.com\r\n";

fn decode(input: &str) -> Work {
    let input = buffered(input).as_bytes();
    let mut framer = LineFramer::new(Command::MAX_LINE);
    Box::new(move || {
        let line = framer.next(&mut black_box(input)).expect(WELL_FORMED).expect(WELL_FORMED);
        let decoded = Command::decode(line.content, Deviations::TOLERANT);
        black_box(decoded.expect(WELL_FORMED));
    })
}

/// Ours checks parameters when it decodes them, and converts them on access; the peer converts them
/// at once.
fn decode_params(input: &str) -> Work {
    let input = buffered(input).as_bytes();
    let mut framer = LineFramer::new(Command::MAX_LINE);
    Box::new(move || {
        let line = framer.next(&mut black_box(input)).expect(WELL_FORMED).expect(WELL_FORMED);
        let decoded = Command::decode(line.content, Deviations::TOLERANT).expect(WELL_FORMED);
        match &decoded.command {
            Command::Mail(mail) => mail.params().for_each(|param| _ = black_box(param)),
            Command::Rcpt(rcpt) => rcpt.params().for_each(|param| _ = black_box(param)),
            _ => {}
        }
        black_box(decoded);
    })
}

fn proto(input: &str) -> Work {
    let input = buffered(input).as_bytes();
    let mut receiver = RequestReceiver::default();
    Box::new(move || {
        black_box(receiver.ingest(&mut black_box(input).iter()).expect(WELL_FORMED));
    })
}
