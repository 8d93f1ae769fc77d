//! Commands: the verb, the path, the arguments.
use smtp_codec::{Argument, Command, Deviations, SaslResponse, Word};
use smtp_proto::Request;

use super::known::{Aspect, expect_equal};
use super::params;

/// The mechanisms that both parsers know, with the bit of the other parser for each.
const MECHANISMS: &[(&str, u64)] = &[
    ("ANONYMOUS", smtp_proto::AUTH_ANONYMOUS),
    ("CRAM-MD5", smtp_proto::AUTH_CRAM_MD5),
    ("DIGEST-MD5", smtp_proto::AUTH_DIGEST_MD5),
    ("EXTERNAL", smtp_proto::AUTH_EXTERNAL),
    ("GSSAPI", smtp_proto::AUTH_GSSAPI),
    ("LOGIN", smtp_proto::AUTH_LOGIN),
    ("NTLM", smtp_proto::AUTH_NTLM),
    ("OAUTHBEARER", smtp_proto::AUTH_OAUTHBEARER),
    ("PLAIN", smtp_proto::AUTH_PLAIN),
    ("SCRAM-SHA-1", smtp_proto::AUTH_SCRAM_SHA_1),
    ("SCRAM-SHA-1-PLUS", smtp_proto::AUTH_SCRAM_SHA_1_PLUS),
    ("SCRAM-SHA-256", smtp_proto::AUTH_SCRAM_SHA_256),
    ("SCRAM-SHA-256-PLUS", smtp_proto::AUTH_SCRAM_SHA_256_PLUS),
    ("XOAUTH2", smtp_proto::AUTH_XOAUTH2),
];

pub fn compare(line: &[u8]) {
    let Ok(decoded) = Command::decode(line, Deviations::all()) else { return };
    let ended = [line, b"\r\n"].concat();
    let mut iter = ended.iter();
    let Ok(theirs) = Request::parse(&mut iter) else { return };
    let same = |aspect, ours: &str, theirs: &str| expect_equal(line, aspect, ours, theirs);
    let ours = decoded.command;
    same(Aspect::End, "0", &iter.len().to_string());
    same(Aspect::Verb, ours.verb().map_or("", |verb| verb.as_str()), theirs.name());
    let argument = |ours: Option<Argument<&str>>, theirs: &str| {
        same(Aspect::Argument, ours.as_ref().map_or("", Argument::as_str), theirs);
    };
    let word = |ours: Option<Word<&str>>, theirs: &str| {
        same(Aspect::Argument, ours.as_ref().map_or("", Word::as_str), theirs);
    };
    let last = |ours: bool, theirs: bool| {
        same(Aspect::Last, &ours.to_string(), &theirs.to_string());
    };
    match (ours, theirs) {
        (Command::Ehlo(name), Request::Ehlo { host })
        | (Command::Helo(name), Request::Helo { host })
        | (Command::Lhlo(name), Request::Lhlo { host }) => {
            same(Aspect::Name, name.as_str(), &host);
        }
        (Command::Mail(mail), Request::Mail { from }) => {
            same(Aspect::Path, mail.path().as_str(), &from.address);
            params::compare_mail(line, &mail, &from);
        }
        (Command::Rcpt(rcpt), Request::Rcpt { to }) => {
            same(Aspect::Path, rcpt.path().as_str(), &to.address);
            params::compare_rcpt(line, &rcpt, &to);
        }
        (Command::Bdat { size, last: ours }, Request::Bdat { chunk_size, is_last }) => {
            same(Aspect::Argument, &size.to_string(), &chunk_size.to_string());
            last(ours, is_last);
        }
        (Command::Burl { uri, last: ours }, Request::Burl { uri: theirs, is_last }) => {
            word(Some(uri), &theirs);
            last(ours, is_last);
        }
        (
            Command::Auth { mechanism, initial },
            Request::Auth { mechanism: bit, initial_response },
        ) => {
            check_mechanism(mechanism.as_str(), bit);
            let initial = initial.as_ref().map(SaslResponse::as_base64);
            // `=` is the form of an empty response.
            let sent = initial.map_or("", |sent| if sent.is_empty() { "=" } else { sent });
            same(Aspect::Argument, sent, &initial_response);
        }
        (Command::Noop(ours), Request::Noop { value })
        | (Command::Help(ours), Request::Help { value }) => argument(ours, &value),
        (Command::Vrfy { argument: ours, .. }, Request::Vrfy { value })
        | (Command::Expn { argument: ours, .. }, Request::Expn { value }) => {
            argument(Some(ours), &value);
        }
        (Command::Etrn(node), Request::Etrn { name }) => word(Some(node), &name),
        (Command::Atrn(ours), Request::Atrn { domains }) => word(ours, &domains.join(",")),
        _ => {}
    }
}

fn check_mechanism(ours: &str, bit: u64) {
    let known = |(name, _): &&(&str, u64)| ours.eq_ignore_ascii_case(name);
    if let Some((name, expected)) = MECHANISMS.iter().find(known) {
        assert_eq!(bit, *expected, "{name}");
    }
}
