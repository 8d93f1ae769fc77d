//! Values of every kind: an encoded value must decode to the same value without deviations.
#![no_main]

mod params;
mod values;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use smtp_codec::{
    Argument, Attributes, Command, Deviations, ForwardPath, Mail, Mailbox, Rcpt, ReplyDecoder,
    ReversePath, SaslResponse, Verb, Xtext, encode_reply,
};
use smtp_error::{Reply, ReplyCode};
use smtp_fuzz::{no_limits, replies};

fuzz_target!(|data: &[u8]| {
    let mut source = Unstructured::new(data);
    // An error means that the input is used up; the values made until then are enough.
    let _ = check(&mut source);
});

fn check(source: &mut Unstructured<'_>) -> Result<()> {
    match source.int_in_range(0..=5)? {
        0 => check_mail(source),
        1 => check_rcpt(source),
        2 => check_verb(source),
        3 => check_reply(source),
        4 => check_encodings(source),
        _ => check_auth(source),
    }
}

/// Checks that the command is one line that decodes strictly to the same command, except for
/// mailboxes that deviate from the grammar.
fn check_command(command: Command<'_>) {
    let line = encoded(command);
    let deviations = match command {
        Command::Mail(mail) => match mail.path() {
            ReversePath::Mailbox(mailbox) => mailbox.deviations(),
            ReversePath::Null => Deviations::empty(),
        },
        Command::Rcpt(rcpt) => match rcpt.path() {
            ForwardPath::Mailbox(mailbox) => mailbox.deviations(),
            ForwardPath::Postmaster => Deviations::empty(),
        },
        _ => Deviations::empty(),
    };
    // An address that was encoded as xtext may be in lower case.
    let decoded = Command::decode(&line, deviations | Deviations::LOWER_HEX);
    let Ok(decoded) = decoded else { panic!("{command} gives {decoded:?}") };
    assert_eq!(decoded.command, command);
    assert_eq!(decoded.deviations - Deviations::LOWER_HEX, deviations);
}

fn encoded(command: Command<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    assert_eq!(command.encode(usize::MAX, &mut line), Ok(()));
    assert_eq!(line.len(), command.line_length());
    assert!(line.ends_with(b"\r\n"));
    line.truncate(line.len() - 2);
    assert!(!line.iter().any(u8::is_ascii_control));
    line
}

fn check_mail(source: &mut Unstructured<'_>) -> Result<()> {
    let mut mail = Mail::new(values::reverse_path(source)?);
    let mut added = Vec::new();
    for _ in 0..source.int_in_range(0..=8)? {
        let param = params::mail(source)?;
        if let Ok(more) = mail.clone().param(param.clone()) {
            mail = more;
            added.push(format!("{param:?}"));
        }
    }
    check_command(Command::Mail(mail.borrowed()));
    let decoded: Vec<String> = mail.params().map(|param| format!("{param:?}")).collect();
    assert_eq!(decoded, added);
    assert_eq!(mail.borrowed().owned(), mail);
    let sized = mail.clone().size(5).smtputf8();
    assert!(sized.is_smtputf8() && sized.declared_size() == Some(5));
    assert_eq!((sized.path(), sized.declared_body()), (mail.path(), mail.declared_body()));
    check_command(Command::Mail(sized.borrowed()));
    Ok(())
}

fn check_rcpt(source: &mut Unstructured<'_>) -> Result<()> {
    let mut rcpt = Rcpt::new(values::forward_path(source)?);
    let mut added = Vec::new();
    for _ in 0..source.int_in_range(0..=5)? {
        let param = params::rcpt(source)?;
        if let Ok(more) = rcpt.clone().param(param.clone()) {
            rcpt = more;
            added.push(format!("{param:?}"));
        }
    }
    check_command(Command::Rcpt(rcpt.borrowed()));
    let decoded: Vec<String> = rcpt.params().map(|param| format!("{param:?}")).collect();
    assert_eq!(decoded, added);
    assert_eq!(rcpt.borrowed().owned(), rcpt);
    Ok(())
}

fn check_verb(source: &mut Unstructured<'_>) -> Result<()> {
    let verb = *source.choose(Verb::ALL)?;
    let name = values::hello_name(source)?;
    let argument = values::argument(source)?;
    let word = values::word(source)?;
    let word = word.borrowed();
    let attributes = attributes(source)?;
    let flag: bool = source.arbitrary()?;
    let given = |argument| Some(argument).filter(|_| flag);
    let borrowed = argument.borrowed();
    let command = match verb {
        Verb::Atrn => Command::Atrn(given(word)),
        Verb::Bdat => Command::Bdat { size: source.arbitrary()?, last: flag },
        Verb::Burl => Command::Burl { uri: word, last: flag },
        Verb::Data => Command::Data,
        Verb::Ehlo => Command::Ehlo(name.borrowed()),
        Verb::Etrn => Command::Etrn(word),
        Verb::Expn => Command::Expn { argument: borrowed, smtputf8: flag },
        Verb::Helo => Command::Helo(name.borrowed()),
        Verb::Help => Command::Help(Some(borrowed).filter(|_| flag)),
        Verb::Lhlo => Command::Lhlo(name.borrowed()),
        Verb::Noop => Command::Noop(Some(borrowed).filter(|_| flag)),
        Verb::Quit => Command::Quit,
        Verb::Rset => Command::Rset,
        Verb::StartTls => Command::StartTls,
        Verb::Vrfy => Command::Vrfy { argument: borrowed, smtputf8: flag },
        Verb::Xclient => Command::Xclient(attributes.borrowed()),
        Verb::Xforward => Command::Xforward(attributes.borrowed()),
        _ => Command::Other { verb: "X-OWN", arguments: if flag { word.as_str() } else { "" } },
    };
    check_command(command);
    Ok(())
}

fn attributes(source: &mut Unstructured<'_>) -> Result<Attributes> {
    let known = Xtext::encode(source.arbitrary::<[u8; 3]>()?);
    let first = Attributes::default().with("ADDR", smtp_codec::Attribute::Known(known));
    let mut attributes = first.expect("it is the first");
    for _ in 0..source.int_in_range(0..=3)? {
        let name = *source.choose(&["NAME", "PORT", "HELO", "LOGIN", "name"])?;
        let value = params::attribute(source)?;
        if let Ok(more) = attributes.clone().with(name, value.clone()) {
            let found = more.iter().last().map(|(name, value)| format!("{name}{value:?}"));
            assert_eq!(found, Some(format!("{name}{value:?}")));
            attributes = more;
        }
    }
    Ok(attributes)
}

fn check_reply(source: &mut Unstructured<'_>) -> Result<()> {
    let code = source.int_in_range(200..=599)?;
    let code = ReplyCode::new(code).expect("it is in the range");
    let text: Vec<u8> = source.arbitrary()?;
    let reply = Reply::new(code, &text);
    let mut encoded = Vec::new();
    encode_reply(&reply, &mut encoded);
    let mut decoder = ReplyDecoder::new(no_limits(), Deviations::all());
    let (found, malformed) = replies(&mut decoder, [&*encoded].into_iter());
    assert_eq!(malformed, None);
    let [decoded] = &*found else { panic!("{} replies were made of one", found.len()) };
    let sent = |octet: &u8| match octet {
        b'\t' | b'\n' | b' '..=b'~' | 0x80.. => *octet,
        _ => b'?',
    };
    let sent: Vec<u8> = text.iter().map(sent).collect();
    assert_eq!(decoded.reply, Reply::new(code, &sent));
    let mut deviations = Deviations::empty();
    let mut lines = sent.split(|&octet| octet == b'\n');
    deviations.set(Deviations::NON_ASCII, !sent.is_ascii());
    deviations.set(Deviations::SECOND_DIGIT, code.get() / 10 % 10 > 5);
    deviations.set(Deviations::EMPTY_TEXT, lines.clone().next_back() == Some(b""));
    deviations.set(Deviations::LONG_LINE, lines.any(|line| line.len() > 506));
    assert_eq!(decoded.deviations - Deviations::LOWER_HEX, deviations);
    Ok(())
}

fn check_encodings(source: &mut Unstructured<'_>) -> Result<()> {
    let octets: Vec<u8> = source.arbitrary()?;
    let xtext = Xtext::encode(&octets);
    assert_eq!(xtext.decode(), octets);
    assert_eq!(Xtext::new(xtext.as_str()).map(|again| again.owned()), Ok(xtext));
    if let Ok(text) = str::from_utf8(&octets) {
        if let Ok(argument) = Argument::new(text) {
            assert_eq!(argument.content(), text);
            check_command(Command::Noop(Some(argument.borrowed())));
        }
        if let Ok(mailbox) = Mailbox::new(text) {
            assert_eq!(format!("{}@{}", mailbox.local_part(), mailbox.host()), text);
            check_command(Command::Mail(Mail::new(mailbox.owned().into()).borrowed()));
        }
    }
    Ok(())
}

fn check_auth(source: &mut Unstructured<'_>) -> Result<()> {
    let octets: Vec<u8> = source.arbitrary()?;
    let response = SaslResponse::new(&octets);
    assert_eq!(response.decode(), Ok(octets));
    let name = values::mechanism(source)?;
    let initial = Some(response.borrowed()).filter(|_| source.arbitrary().unwrap_or(true));
    check_command(Command::Auth { mechanism: name.borrowed(), initial });
    for command in [Command::AuthResponse(response.borrowed()), Command::AuthCancel] {
        assert_eq!(Command::decode_auth_response(&encoded(command)), Ok(command));
    }
    Ok(())
}
