//! What is encoded is decoded as it was.

use std::net::IpAddr;

use proptest::{
    arbitrary::any,
    char::range,
    collection::vec,
    option,
    prelude::{Just, Strategy},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    sample::{select, subsequence},
};
use smtp_codec::{
    Argument, Attribute, Attributes, Command, Deviations, ForwardPath, HelloName, LineFramer, Mail,
    MailParam, Mailbox, Mechanism, Rcpt, RcptParam, ReversePath, SaslResponse, Word, Xtext,
};

/// A character outside ASCII that may stand in an address.
fn wide() -> impl Strategy<Value = char> {
    prop_oneof![range('\u{a1}', '\u{2ff}'), range('\u{4e00}', '\u{9fff}'), Just('\u{1f600}')]
}

fn local_parts() -> impl Strategy<Value = String> {
    let atom = || {
        let atext = prop_oneof![9 => range('a', 'z'), 1 => select("!#$%&'*+-/=?^_`{|}~".as_bytes())
            .prop_map(char::from), 1 => wide()];
        vec(atext, 1..6).prop_map(String::from_iter)
    };
    let dotted = vec(atom(), 1..4).prop_map(|atoms| atoms.join("."));
    let quoted = vec(
        prop_oneof![
            4 => range(' ', '~').prop_filter("plain", |at| !matches!(at, '"' | '\\')).prop_map(String::from),
            1 => range(' ', '~').prop_map(|escaped| format!("\\{escaped}")),
            1 => Just("> SIZE=1".to_string()),
            1 => wide().prop_map(String::from),
        ],
        0..6,
    );
    prop_oneof![dotted, quoted.prop_map(|parts| format!("\"{}\"", parts.concat()))]
}

fn literals() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<IpAddr>().prop_map(|address| HelloName::from(address).to_string()),
        "\\[[a-z][a-z0-9]{0,5}:[!-Z^-~]{1,12}\\]"
            .prop_filter("not of IPv6", |text| HelloName::new(text.as_str()).is_ok()),
    ]
}

fn domains() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,8}){0,3}"
}

fn mailboxes() -> impl Strategy<Value = Mailbox> {
    let wide = || wide().prop_map(|label| format!("{label}.example"));
    let host = prop_oneof![4 => domains(), 2 => literals(), 1 => wide()];
    (local_parts(), host).prop_filter_map("is a mailbox", |(local, host)| {
        Mailbox::new(format!("{local}@{host}")).ok()
    })
}

fn xtexts() -> impl Strategy<Value = Xtext> {
    vec(any::<u8>(), 1..20).prop_map(Xtext::encode)
}

/// A parameter that no extension defines.
fn own_params() -> impl Strategy<Value = String> {
    ("X-[A-Za-z0-9-]{1,8}", option::of("[!-<>-~\u{e0}-\u{ff}]{1,12}")).prop_map(
        |(keyword, value)| match value {
            Some(value) => format!("{keyword}={value}"),
            None => keyword,
        },
    )
}

fn mails() -> impl Strategy<Value = Mail> {
    let date = "20[0-9]{2}-0[1-9]-[12][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,3})?Z";
    let identifier =
        vec(range(' ', '~'), 1..25).prop_map(|id| Xtext::encode(String::from_iter(id)));
    let params = (
        any::<u64>().prop_map(|size| format!("SIZE={size}")),
        select(&["BODY=7BIT", "BODY=8BITMIME", "BODY=BINARYMIME"][..]),
        select(&["SMTPUTF8", "REQUIRETLS", "PRDR", "CONPERM", "RET=FULL", "RET=HDRS"][..]),
        prop_oneof![
            (1..1_000_000_000_u32).prop_map(|time| format!("HOLDFOR={time}")),
            date.prop_map(|date| format!("HOLDUNTIL={date}")),
        ],
        identifier.prop_map(|id| format!("ENVID={id}")),
        xtexts().prop_map(|who| format!("AUTH={who}")),
        (-999..=999_i32)
            .prop_map(|time| format!("BY={time};{}", if time > 0 { "RT" } else { "N" })),
        (-9..=9).prop_map(|priority| format!("MT-PRIORITY={priority}")),
        "MTRK=[A-Za-z0-9+/]{1,9}(:[1-9]{1,9})?",
        own_params(),
    );
    let params = params.prop_map(|(a, b, c, d, e, f, g, h, i, j)| {
        vec![a, b.into(), c.into(), d, e, f, g, h, i, j]
    });
    let chosen = (params, subsequence((0..10).collect::<Vec<usize>>(), 0..10));
    let path = prop_oneof![
        1 => Just(ReversePath::Null),
        9 => mailboxes().prop_map(ReversePath::from),
    ];
    (path, chosen).prop_map(|(path, (params, chosen))| {
        let chosen = chosen.into_iter().map(|number| &params[number]);
        chosen.fold(Mail::new(path), |mail, param| mail.param(param).unwrap())
    })
}

fn rcpts() -> impl Strategy<Value = Rcpt> {
    let path = prop_oneof![
        1 => Just(ForwardPath::Postmaster),
        9 => mailboxes().prop_map(ForwardPath::from),
    ];
    let params = (
        select(&["NOTIFY=NEVER", "NOTIFY=DELAY", "NOTIFY=SUCCESS,FAILURE"][..]),
        mailboxes().prop_map(|mailbox| RcptParam::orcpt(&mailbox).to_string()),
        select(&["RRVS=2014-04-03T23:01:00Z;C", "CONNEG", "IGNOREQUOTA"][..]),
        own_params(),
    );
    let params = params.prop_map(|(a, b, c, d)| vec![a.into(), b, c.into(), d]);
    let chosen = (params, subsequence(vec![0, 1, 2, 3], 0..4));
    (path, chosen).prop_map(|(path, (params, chosen))| {
        let chosen = chosen.into_iter().map(|number: usize| &params[number]);
        chosen.fold(Rcpt::new(path), |rcpt, param| rcpt.param(param).unwrap())
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let known = xtexts().prop_map(Attribute::Known);
    let value = prop_oneof![
        4 => known,
        1 => Just(Attribute::Unavailable),
        1 => Just(Attribute::TemporarilyUnavailable),
    ];
    vec(value, 1..5).prop_map(|values| {
        let named = ["NAME", "ADDR", "PORT", "HELO"].into_iter().zip(values);
        named.fold(Attributes::default(), |all, (name, value)| all.with(name, value).unwrap())
    })
}

/// Words of printable characters.
fn words() -> impl Strategy<Value = String> {
    let character = prop_oneof![9 => range('!', '~'), 1 => wide()];
    vec(character, 1..20).prop_map(String::from_iter)
}

/// Everything that commands are made of.
type Parts = (Mail, Rcpt, Attributes, Argument, SaslResponse, String, String, (u64, bool));

fn parts() -> impl Strategy<Value = Parts> {
    let contents = vec(prop_oneof![range(' ', '~'), wide()], 1..20);
    let argument = prop_oneof![
        contents.prop_map(|content| Argument::new(&String::from_iter(content)).unwrap()),
        mailboxes().prop_map(|mailbox| Argument::from(&mailbox)),
    ];
    let response = vec(any::<u8>(), 0..50).prop_map(SaslResponse::new);
    let name = prop_oneof![domains(), literals()];
    let chunk = (any::<u64>(), any::<bool>());
    (mails(), rcpts(), attributes(), argument, response, name, words(), chunk)
}

/// Every command that can be made of these parts.
fn commands(parts: &Parts) -> Vec<Command<'_>> {
    let (mail, rcpt, attributes, argument, response, name, word, (size, last)) = parts;
    let (size, last, smtputf8) = (*size, *last, *last);
    let argument = argument.borrowed();
    let name = HelloName::new(name.as_str()).unwrap();
    let word = Word::new(word.as_str()).unwrap();
    let mechanism = Mechanism::new("SCRAM-SHA-256").unwrap();
    vec![
        Command::Mail(mail.borrowed()),
        Command::Rcpt(rcpt.borrowed()),
        Command::Xclient(attributes.borrowed()),
        Command::Xforward(attributes.borrowed()),
        Command::Help(Some(argument)),
        Command::Noop(Some(argument)),
        Command::Vrfy { argument, smtputf8 },
        Command::Expn { argument, smtputf8 },
        Command::Auth { mechanism, initial: Some(response.borrowed()) },
        Command::Auth { mechanism, initial: None },
        Command::Ehlo(name),
        Command::Helo(name),
        Command::Lhlo(name),
        Command::Etrn(word),
        Command::Atrn(Some(word)),
        Command::Burl { uri: word, last },
        Command::Bdat { size, last },
        Command::Other { verb: "X-OWN", arguments: mail.raw_params().as_str() },
    ]
}

/// The line of this command; it is one.
fn encoded(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    command.encode(usize::MAX, &mut out).unwrap();
    assert_eq!(out.len(), command.line_length());
    let line = str::from_utf8(out.strip_suffix(b"\r\n").unwrap()).unwrap();
    assert!(!line.contains(char::is_control), "{line:?}");
    out
}

/// What command lines are made of, and what they are not made of.
const FRAGMENTS: &[&str] = &[
    "MAIL",
    "RCPT",
    "EHLO",
    "AUTH",
    "BDAT",
    "VRFY",
    "NOOP",
    "XCLIENT",
    "X",
    "FROM:",
    "TO:",
    " ",
    " ",
    " ",
    "<",
    ">",
    "@",
    "a",
    "b.c",
    "@a:",
    "\"",
    "\\",
    "[",
    "]",
    "x:y",
    "SIZE=1",
    "NOTIFY=",
    "NEVER",
    "=",
    "PLAIN",
    "AAAA",
    "LAST",
    "SMTPUTF8",
    "9",
    "18446744073709551615",
    ",",
    "\u{fc}",
];

proptest! {
    #[test]
    fn commands_are_decoded_as_they_were_encoded(parts in parts()) {
        for command in commands(&parts) {
            let wire = encoded(&command);
            let line = &wire[..wire.len() - 2];
            let decoded = Command::decode(line, Deviations::empty());
            prop_assert_eq!(decoded.map(|decoded| decoded.command), Ok(command));
        }
        let wire = encoded(&Command::AuthResponse(parts.4.borrowed()));
        let response = Command::decode_auth_response(&wire[..wire.len() - 2]);
        prop_assert_eq!(response, Ok(Command::AuthResponse(parts.4.borrowed())));
    }

    #[test]
    fn a_part_of_a_command_is_no_line_and_no_error(parts in parts()) {
        for command in commands(&parts) {
            let wire = encoded(&command);
            let mut framer = LineFramer::new(wire.len());
            for octet in wire[..wire.len() - 1].chunks(1) {
                prop_assert_eq!(framer.next(&mut &octet[..]), Ok(None));
                prop_assert!(framer.is_partial());
            }
            for end in 0..wire.len() {
                let mut framer = LineFramer::new(wire.len());
                prop_assert_eq!(framer.next(&mut &wire[..end]), Ok(None));
            }
            let last = framer.next(&mut &b"\n"[..]).unwrap().unwrap();
            prop_assert_eq!(last.content, &wire[..wire.len() - 2]);
        }
    }

    #[test]
    fn parameters_are_parsed_as_they_are_shown(mail in mails(), rcpt in rcpts()) {
        let again = mail.params().try_fold(Mail::new(mail.path().clone()), Mail::param);
        prop_assert_eq!(again.as_ref(), Ok(&mail));
        prop_assert!(mail.params().eq(again.unwrap().params()));
        let texts: Vec<String> = mail.params().map(|param: MailParam<&str>| param.to_string()).collect();
        prop_assert_eq!(texts.join(" "), mail.raw_params().as_str());

        let again = rcpt.params().try_fold(Rcpt::new(rcpt.path().clone()), Rcpt::param);
        prop_assert_eq!(again.as_ref(), Ok(&rcpt));
        let texts: Vec<String> = rcpt.params().map(|param: RcptParam<&str>| param.to_string()).collect();
        prop_assert_eq!(texts.join(" "), rcpt.raw_params().as_str());
    }

    #[test]
    fn addresses_are_parsed_as_they_are_shown(mailbox in mailboxes()) {
        prop_assert_eq!(mailbox.to_string().parse(), Ok(mailbox.clone()));
        let parts = format!("{}@{}", mailbox.local_part(), mailbox.host());
        prop_assert_eq!(parts.as_str(), mailbox.as_str());
        prop_assert_eq!(mailbox.borrowed().owned(), mailbox);
    }

    #[test]
    fn xtext_stands_for_the_octets_it_was_made_of(octets in vec(any::<u8>(), 0..60)) {
        let xtext = Xtext::encode(&octets);
        prop_assert_eq!(xtext.decode(), octets);
        prop_assert!(xtext.as_str().bytes().all(|octet| octet.is_ascii_graphic() && octet != b'='));
        prop_assert_eq!(Xtext::new(xtext.as_str()).unwrap().owned(), xtext);
    }

    #[test]
    fn attributes_are_read_as_they_were_given(attributes in attributes()) {
        let again = attributes.iter().try_fold(Attributes::default(), |all, (name, value)| all.with(name, value));
        prop_assert_eq!(again, Ok(attributes));
    }

    #[test]
    fn what_was_decoded_and_encoded_is_decoded_to_the_same(
        fragments in vec(select(FRAGMENTS), 0..12),
    ) {
        let line = fragments.concat();
        if let Ok(decoded) = Command::decode(line.as_bytes(), Deviations::all()) {
            let wire = encoded(&decoded.command);
            let again = Command::decode(&wire[..wire.len() - 2], Deviations::all()).unwrap();
            prop_assert_eq!(again.command, decoded.command);
            let gone = Deviations::SOURCE_ROUTE | Deviations::NO_BRACKETS
                | Deviations::SPACE_AFTER_COLON | Deviations::EXTRA_SPACE
                | Deviations::LOOSE_ROUTE | Deviations::LONG_PATH;
            prop_assert!(!again.deviations.intersects(gone));
        }
    }
}
