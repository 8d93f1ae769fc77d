//! Parameters of MAIL and RCPT, converted to the form of the other parser.
use std::borrow::Cow;

use smtp_codec::{Body, ByMode, Mail, MailParam, Rcpt, RcptParam, Ret, RrvsAction, Xtext};
use smtp_proto::{MailFrom, Mtrk, RcptTo};

use super::known::{Aspect, expect_equal};

pub fn compare_mail(line: &[u8], ours: &Mail<&str>, theirs: &MailFrom<Cow<'_, str>>) {
    let mut wanted = MailFrom::<Cow<'_, str>>::default();
    for param in ours.params() {
        match param {
            MailParam::Auth(None) => wanted.auth = Some("<>".into()),
            MailParam::Auth(Some(xtext)) => wanted.auth = Some(decoded(xtext).into()),
            MailParam::Body(Body::SevenBit) => wanted.flags |= smtp_proto::MAIL_BODY_7BIT,
            MailParam::Body(Body::EightBitMime) => wanted.flags |= smtp_proto::MAIL_BODY_8BITMIME,
            MailParam::Body(_) => wanted.flags |= smtp_proto::MAIL_BODY_BINARYMIME,
            MailParam::By { seconds, mode, trace } => {
                wanted.by = seconds.into();
                wanted.flags |= match mode {
                    ByMode::Notify => smtp_proto::MAIL_BY_NOTIFY,
                    ByMode::Return => smtp_proto::MAIL_BY_RETURN,
                };
                wanted.flags |= if trace { smtp_proto::MAIL_BY_TRACE } else { 0 };
            }
            MailParam::Conperm => wanted.flags |= smtp_proto::MAIL_CONPERM,
            MailParam::EnvId(xtext) => wanted.env_id = Some(decoded(xtext).into()),
            MailParam::HoldFor(seconds) => wanted.hold_for = seconds.into(),
            MailParam::HoldUntil(text) => wanted.hold_until = timestamp(text).unsigned_abs(),
            MailParam::MtPriority(priority) => wanted.mt_priority = priority.into(),
            MailParam::Mtrk { certifier, timeout } => {
                let timeout = timeout.unwrap_or(0).into();
                wanted.mtrk = Some(Mtrk { certifier: certifier.to_owned().into(), timeout });
            }
            MailParam::RequireTls => wanted.flags |= smtp_proto::MAIL_REQUIRETLS,
            MailParam::Ret(Ret::Full) => wanted.flags |= smtp_proto::MAIL_RET_FULL,
            MailParam::Ret(Ret::Headers) => wanted.flags |= smtp_proto::MAIL_RET_HDRS,
            MailParam::Size(size) => wanted.size = usize::try_from(size).unwrap_or(usize::MAX),
            MailParam::SmtpUtf8 => wanted.flags |= smtp_proto::MAIL_SMTPUTF8,
            MailParam::Solicit(text) => wanted.solicit = Some(text.to_owned().into()),
            MailParam::TransId(text) => {
                wanted.trans_id = Some(text.trim_matches(['<', '>']).to_owned().into());
            }
            _ => expect_equal(line, Aspect::Param("unknown"), &param.to_string(), ""),
        }
    }
    let same = |keyword, ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        expect_equal(line, Aspect::Param(keyword), &ours, &theirs);
    };
    same("AUTH", &wanted.auth, &theirs.auth);
    same("BY", &wanted.by, &theirs.by);
    same("ENVID", &wanted.env_id, &theirs.env_id);
    same("HOLDFOR", &wanted.hold_for, &theirs.hold_for);
    same("HOLDUNTIL", &wanted.hold_until, &theirs.hold_until);
    same("MT-PRIORITY", &wanted.mt_priority, &theirs.mt_priority);
    same("MTRK", &wanted.mtrk, &theirs.mtrk);
    same("SIZE", &wanted.size, &theirs.size);
    same("SOLICIT", &wanted.solicit, &theirs.solicit);
    same("TRANSID", &wanted.trans_id, &theirs.trans_id);
    same("flags", &wanted.flags, &theirs.flags);
}

pub fn compare_rcpt(line: &[u8], ours: &Rcpt<&str>, theirs: &RcptTo<Cow<'_, str>>) {
    let mut wanted = RcptTo::<Cow<'_, str>>::default();
    let mut action = None;
    for param in ours.params() {
        match param {
            RcptParam::Conneg => wanted.flags |= smtp_proto::RCPT_CONNEG,
            RcptParam::Notify(notify) => {
                let flag = |wanted: bool, flag: u64| if wanted { flag } else { 0 };
                wanted.flags |= flag(notify.success, smtp_proto::RCPT_NOTIFY_SUCCESS)
                    | flag(notify.failure, smtp_proto::RCPT_NOTIFY_FAILURE)
                    | flag(notify.delay, smtp_proto::RCPT_NOTIFY_DELAY)
                    | flag(notify == smtp_codec::Notify::NEVER, smtp_proto::RCPT_NOTIFY_NEVER);
            }
            RcptParam::Orcpt { address, .. } => {
                let xtext = Xtext::new(address).expect("an address of type rfc822 is xtext");
                wanted.orcpt = Some(decoded(xtext).into());
            }
            RcptParam::Rrvs { since, otherwise } => {
                wanted.rrvs = timestamp(since);
                action = otherwise;
            }
            _ => expect_equal(line, Aspect::Param("unknown"), &param.to_string(), ""),
        }
    }
    let same = |keyword, ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
        expect_equal(line, Aspect::Param(keyword), &ours, &theirs);
    };
    let actions = [
        (smtp_proto::RCPT_RRVS_CONTINUE, RrvsAction::Continue),
        (smtp_proto::RCPT_RRVS_REJECT, RrvsAction::Reject),
    ];
    let has = |(flag, _): &&(u64, RrvsAction)| theirs.flags & flag != 0;
    let their_action = actions.iter().find(has).map(|(_, action)| *action);
    let flags = actions.iter().fold(theirs.flags, |flags, (flag, _)| flags & !flag);
    same("RRVS action", &action, &their_action);
    same("ORCPT", &wanted.orcpt, &theirs.orcpt);
    same("RRVS", &wanted.rrvs, &theirs.rrvs);
    same("flags", &wanted.flags, &flags);
}

/// The octets as characters, one for one.
fn decoded(xtext: Xtext<&str>) -> String {
    xtext.octets().map(char::from).collect()
}

/// The seconds since 1970 of a well-formed date and time.
fn timestamp(text: &str) -> i64 {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap_or(0);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let time = number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19);
    let offset = match text[19..].rfind(['+', '-']).map(|at| text.split_at(19 + at).1) {
        Some(zone) => {
            let seconds =
                zone[1..3].parse().unwrap_or(0) * 3600 + zone[4..6].parse().unwrap_or(0) * 60;
            if zone.starts_with('+') { seconds } else { -seconds }
        }
        None => 0,
    };
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap + (month * 153 + 2) / 5 + day - 1 - 719_468;
    days * 86_400 + time - offset
}
