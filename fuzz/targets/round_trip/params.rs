//! Parameters of MAIL and RCPT, and attributes; most are valid.
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use smtp_codec::{
    Attribute, Body, ByMode, MailParam, Notify, Param, RcptParam, Ret, RrvsAction, Xtext,
};

use super::values::{self, BASE64, DIGITS, LABEL, VALUE};

pub fn mail(source: &mut Unstructured<'_>) -> Result<MailParam> {
    Ok(match source.int_in_range(0..=18)? {
        0 => MailParam::Auth(None),
        1 => MailParam::Auth(Some(xtext(source)?)),
        2 => MailParam::Body(*source.choose(&[
            Body::SevenBit,
            Body::EightBitMime,
            Body::BinaryMime,
        ])?),
        3 => MailParam::By {
            seconds: source.arbitrary()?,
            mode: *source.choose(&[ByMode::Notify, ByMode::Return])?,
            trace: source.arbitrary()?,
        },
        4 => MailParam::Conperm,
        5 => MailParam::EnvId(xtext(source)?),
        6 => MailParam::HoldFor(source.arbitrary()?),
        7 => MailParam::HoldUntil(date_time(source)?),
        8 => MailParam::MtPriority(source.int_in_range(-12..=12)?),
        9 => MailParam::Mtrk { certifier: BASE64.text(source, 8)?, timeout: source.arbitrary()? },
        10 => MailParam::Prdr,
        11 => MailParam::RequireTls,
        12 => MailParam::Ret(*source.choose(&[Ret::Full, Ret::Headers])?),
        13 => MailParam::Size(source.arbitrary()?),
        14 => MailParam::SmtpUtf8,
        15 => MailParam::Solicit(format!("{}:{}", LABEL.text(source, 8)?, LABEL.text(source, 8)?)),
        16 => MailParam::Submitter(xtext(source)?),
        17 => MailParam::TransId(format!("<{}>", values::mailbox(source)?)),
        _ => MailParam::Other(other(source)?),
    })
}

pub fn rcpt(source: &mut Unstructured<'_>) -> Result<RcptParam> {
    Ok(match source.int_in_range(0..=6)? {
        0 => RcptParam::Conneg,
        1 => RcptParam::IgnoreQuota,
        2 => RcptParam::Notify(Notify {
            success: source.arbitrary()?,
            failure: source.arbitrary()?,
            delay: source.arbitrary()?,
        }),
        3 => RcptParam::orcpt(&values::mailbox(source)?),
        4 => RcptParam::Orcpt { kind: "x-own".into(), address: VALUE.text(source, 12)? },
        5 => RcptParam::Rrvs {
            since: date_time(source)?,
            otherwise: *source.choose(&[
                None,
                Some(RrvsAction::Continue),
                Some(RrvsAction::Reject),
            ])?,
        },
        _ => RcptParam::Other(other(source)?),
    })
}

pub fn attribute(source: &mut Unstructured<'_>) -> Result<Attribute> {
    Ok(match source.int_in_range(0..=2)? {
        0 => Attribute::Unavailable,
        1 => Attribute::TemporarilyUnavailable,
        _ => Attribute::Known(xtext(source)?),
    })
}

fn xtext(source: &mut Unstructured<'_>) -> Result<Xtext> {
    let octets: Vec<u8> = source.arbitrary()?;
    Ok(Xtext::encode(&octets))
}

/// A parameter that the codec does not know.
fn other(source: &mut Unstructured<'_>) -> Result<Param> {
    let name = format!("X-{}", DIGITS.text(source, 4)?);
    let param = Param::new(name).expect("it is a keyword");
    Ok(match source.arbitrary()? {
        true => param,
        false => {
            let value = VALUE.text(source, 12)?;
            param.clone().with(value).unwrap_or(param)
        }
    })
}

fn date_time(source: &mut Unstructured<'_>) -> Result<String> {
    let mut part = |most: u8| source.int_in_range(0..=most);
    let (year, month, day) = (part(99)?, part(13)?, part(32)?);
    let (hour, minute, second) = (part(24)?, part(60)?, part(61)?);
    let rest = *source.choose(&["Z", "z", ".5Z", "+01:30", "-24:00", "", "T"])?;
    Ok(format!("20{year:02}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{rest}"))
}
