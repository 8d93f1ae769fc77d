//! Reads capabilities from arbitrary replies: every view must return without a panic, and a mask
//! must remove what it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_caps::{Capabilities, EightBit, Envelope, Plan};
use smtp_codec::{Command, MailData, ReplyDecoder};
use smtp_error::{Extension, Reply};
use smtp_fuzz::{Input, policy, replies};

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (limits, tolerated) = policy(input.octet());
    let mut decoder = ReplyDecoder::new(limits, tolerated);
    let (found, _) = replies(&mut decoder, [input.rest()].into_iter());
    for decoded in found {
        check(&decoded.reply);
    }
});

fn check(reply: &Reply) {
    let offered = Capabilities::from_reply(reply.clone());
    assert_eq!(offered.reply(), Some(reply));
    let lines: Vec<&[u8]> = reply.lines().skip(1).map(|line| line.as_bytes()).collect();
    assert!(offered.iter().map(|one| one.as_bytes()).eq(lines));
    for one in offered.iter() {
        assert!(one.as_bytes().starts_with(one.keyword()));
        assert!(one.params().all(|param| !param.is_empty()));
        let found = str::from_utf8(one.keyword()).map(|keyword| offered.find(keyword));
        assert!(found.is_err() || found == Ok(offered.find_first(one.keyword())));
    }
    for &extension in Extension::ALL {
        // An extension is also recognized by an earlier spelling of its keyword.
        let offers = offered.iter().any(|one| one.extension() == Some(extension));
        assert_eq!(offered.has(extension), offers);
        check_mask(&offered, extension);
    }
    let names: Vec<Vec<u8>> = offered.mechanisms().map(<[u8]>::to_ascii_uppercase).collect();
    for (place, name) in names.iter().enumerate() {
        assert!(!name.is_empty() && !names[..place].contains(name));
    }
    assert!(offered.size_limit() != Some(0));
    plan(&offered);
}

/// Finds the first capability of this keyword in another way.
trait FindFirst {
    fn find_first(&self, keyword: &[u8]) -> Option<smtp_caps::Capability<'_>>;
}

impl FindFirst for Capabilities {
    fn find_first(&self, keyword: &[u8]) -> Option<smtp_caps::Capability<'_>> {
        let upper = keyword.to_ascii_uppercase();
        self.iter().find(|one| one.keyword().to_ascii_uppercase() == upper)
    }
}

fn check_mask(offered: &Capabilities, masked: Extension) {
    let without = offered.clone().without(masked);
    for &extension in Extension::ALL {
        assert_eq!(without.has(extension), extension != masked && offered.has(extension));
    }
    assert_eq!(without.reply(), offered.reply());
    assert_eq!(without.find(masked.keyword()), offered.find(masked.keyword()));
    assert!(without.mail_line_limit() <= offered.mail_line_limit());
    assert!(without.rcpt_line_limit() <= offered.rcpt_line_limit());
    match masked {
        Extension::Size => assert_eq!(without.size_limit(), None),
        _ => assert_eq!(without.size_limit(), offered.size_limit()),
    }
    match masked {
        Extension::Auth => assert_eq!(without.mechanisms().next(), None),
        _ => assert!(without.mechanisms().eq(offered.mechanisms())),
    }
}

/// Checks that a plan, if there is one, uses only what is offered.
fn plan(offered: &Capabilities) {
    for (sender, text) in [("a@b.example", "a: b\r\n\r\nc"), ("ä@b.example", "a: ä\r\n\r\nö\r\n")]
    {
        let envelope = Envelope::new(sender, ["c@d.example"]).expect("these are mailboxes");
        let text = MailData::new(text).expect("this is a text");
        let plan = Plan::new(offered, &envelope, text.facts(), EightBit::Refuse);
        let Ok(plan) = plan else { continue };
        assert_eq!(plan.is_pipelined(), offered.has(Extension::Pipelining));
        let mail = plan.mail();
        let needed = mail.params().filter_map(|param| param.extension());
        assert!(needed.into_iter().all(|extension| offered.has(extension)));
        assert!(offered.size_limit().is_none_or(|limit| text.facts().size <= Some(limit)));
        let mut line = Vec::new();
        let encoded = Command::Mail(mail.borrowed()).encode(offered.mail_line_limit(), &mut line);
        assert!(encoded.is_ok());
    }
}
