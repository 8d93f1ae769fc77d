//! Replies: decodes octets to a value, and a value to the capabilities of a server.
use std::{hint::black_box, slice};

use lettre::transport::smtp::{extension::ServerInfo, response::Response};
use smtp_caps::Capabilities;
use smtp_codec::ReplyDecoder;
use smtp_proto::{EhloResponse, response::parser::ResponseReceiver};

use super::{Case, OURS, Peer, WELL_FORMED, Work, buffered};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "reply-one-line",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode(ONE_LINE) },
            Peer { name: "ours, code read", connect: || decode_enhanced(ONE_LINE) },
            Peer { name: "smtp-proto", connect: || proto(ONE_LINE) },
            Peer { name: "lettre", connect: || lettre(ONE_LINE) },
        ],
    },
    Case {
        name: "reply-octet-by-octet",
        calls: 200,
        peers: &[
            Peer { name: OURS, connect: || decode_octets(ONE_LINE) },
            Peer { name: "smtp-proto", connect: || proto_octets(ONE_LINE) },
        ],
    },
    Case {
        name: "reply-ten-lines",
        calls: 100,
        peers: &[
            Peer { name: OURS, connect: || decode(REFUSAL) },
            Peer { name: "smtp-proto", connect: || proto(REFUSAL) },
            Peer { name: "lettre", connect: || lettre(REFUSAL) },
        ],
    },
    Case {
        name: "ehlo-reply",
        calls: 100,
        peers: &[
            Peer { name: OURS, connect: || decode(EHLO) },
            Peer { name: "smtp-proto", connect: || proto(EHLO) },
            Peer { name: "lettre", connect: || lettre(EHLO) },
        ],
    },
    Case {
        name: "ehlo-capabilities",
        calls: 100,
        peers: &[
            Peer { name: OURS, connect: || capabilities(EHLO) },
            Peer { name: "smtp-proto", connect: || proto_capabilities(EHLO) },
            Peer { name: "lettre", connect: || lettre_capabilities(EHLO) },
        ],
    },
];

const ONE_LINE: &str = "250 2.1.0 Ok\r\n";

const EHLO: &str = "250-mx.example.org\r\n\
    250-PIPELINING\r\n\
    250-SIZE 52428800\r\n\
    250-VRFY\r\n\
    250-ETRN\r\n\
    250-STARTTLS\r\n\
    250-AUTH PLAIN LOGIN\r\n\
    250-ENHANCEDSTATUSCODES\r\n\
    250-8BITMIME\r\n\
    250 SMTPUTF8\r\n";

const REFUSAL: &str = "550-5.7.1 [192.0.2.1] Our system has detected that this message is likely\r\n\
    550-5.7.1 unsolicited mail. To reduce the amount of spam sent to our users, this\r\n\
    550-5.7.1 message has been blocked. Please see the following page for what you may\r\n\
    550-5.7.1 do about it: https://support.example.org/mail/answer/188131\r\n\
    550-5.7.1 \r\n\
    550-5.7.1 If you are a user of the system that sent this message, please contact\r\n\
    550-5.7.1 its administrator and include the whole of this text in your report, so\r\n\
    550-5.7.1 that the reason can be found. If you are the administrator, please make\r\n\
    550-5.7.1 sure that the reverse DNS entry of the address above is in order.\r\n\
    550 5.7.1 d2e1a72fcca58-7395a8c3f2bsi1234567b3a.120 - gsmtp\r\n";

fn decode(input: &str) -> Work {
    let input = buffered(input);
    let mut decoder = ReplyDecoder::default();
    Box::new(move || {
        let decoded = decoder.decode(&mut black_box(input.as_bytes()));
        black_box(decoded.expect(WELL_FORMED).expect(WELL_FORMED));
    })
}

/// Ours parses the enhanced code on access; the peer always parses it.
fn decode_enhanced(input: &str) -> Work {
    let input = buffered(input);
    let mut decoder = ReplyDecoder::default();
    Box::new(move || {
        let decoded = decoder.decode(&mut black_box(input.as_bytes()));
        let decoded = decoded.expect(WELL_FORMED).expect(WELL_FORMED);
        black_box(decoded.reply.enhanced());
        black_box(decoded);
    })
}

fn decode_octets(input: &str) -> Work {
    let input = buffered(input);
    let mut decoder = ReplyDecoder::default();
    Box::new(move || {
        let mut last = None;
        for octet in black_box(input.as_bytes()) {
            last = decoder.decode(&mut slice::from_ref(octet)).expect(WELL_FORMED);
        }
        black_box(last.expect(WELL_FORMED));
    })
}

fn capabilities(input: &str) -> Work {
    let input = buffered(input);
    let mut decoder = ReplyDecoder::default();
    Box::new(move || {
        let decoded = decoder.decode(&mut black_box(input.as_bytes()));
        let reply = decoded.expect(WELL_FORMED).expect(WELL_FORMED).reply;
        black_box(Capabilities::from_reply(reply));
    })
}

fn proto(input: &str) -> Work {
    let input = buffered(input);
    let mut receiver = ResponseReceiver::default();
    Box::new(move || {
        receiver.reset();
        let response = receiver.parse(&mut black_box(input.as_bytes()).iter());
        black_box(response.expect(WELL_FORMED));
    })
}

fn proto_octets(input: &str) -> Work {
    let input = buffered(input);
    let mut receiver = ResponseReceiver::default();
    Box::new(move || {
        receiver.reset();
        let mut last = None;
        for octet in black_box(input.as_bytes()) {
            last = receiver.parse(&mut slice::from_ref(octet).iter()).ok();
        }
        black_box(last.expect(WELL_FORMED));
    })
}

fn proto_capabilities(input: &str) -> Work {
    let input = buffered(input);
    Box::new(move || {
        let response = EhloResponse::parse(&mut black_box(input.as_bytes()).iter());
        black_box(response.expect(WELL_FORMED));
    })
}

fn lettre(input: &str) -> Work {
    let input = buffered(input);
    Box::new(move || {
        black_box(black_box(input).parse::<Response>().expect(WELL_FORMED));
    })
}

fn lettre_capabilities(input: &str) -> Work {
    let input = buffered(input);
    Box::new(move || {
        let response = black_box(input).parse::<Response>().expect(WELL_FORMED);
        black_box(ServerInfo::from_response(&response).expect(WELL_FORMED));
    })
}
