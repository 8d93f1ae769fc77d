//! Line limits, and masked extensions.

use smtp_caps::Capabilities;
use smtp_error::Extension;

use crate::capabilities;

/// The increments of the MAIL and RCPT lines, by extension.
const INCREMENTS: &[(Extension, usize, usize)] = &[
    (Extension::Auth, 500, 0),
    (Extension::BinaryMime, 16, 0),
    (Extension::Checkpoint, 88, 0),
    (Extension::DeliverBy, 17, 0),
    (Extension::Dsn, 107, 507),
    (Extension::FutureRelease, 34, 0),
    (Extension::MtPriority, 15, 0),
    (Extension::Mtrk, 40, 0),
    (Extension::NoSoliciting, 1007, 0),
    (Extension::RequireTls, 11, 0),
    (Extension::Rrvs, 0, 33),
    (Extension::Size, 26, 0),
    (Extension::SmtpUtf8, 10, 0),
];

fn everything() -> Capabilities {
    let keywords: Vec<&str> = Extension::ALL.iter().map(|extension| extension.keyword()).collect();
    capabilities(&keywords)
}

#[track_caller]
fn limits(found: &Capabilities, mail: usize, rcpt: usize) {
    let limits = (found.mail_line_limit(), found.rcpt_line_limit());
    assert_eq!(limits, (512 + mail, 512 + rcpt), "{found:?}");
}

#[test]
fn each_keyword_offers_one_extension() {
    for &extension in Extension::ALL {
        let found = capabilities(&[extension.keyword()]);
        for &other in Extension::ALL {
            assert_eq!(found.has(other), other == extension, "{other} in {extension}");
        }
    }
}

#[test]
fn line_limits_include_the_increments_of_offered_extensions() {
    for &extension in Extension::ALL {
        let found = capabilities(&[extension.keyword()]);
        let row = INCREMENTS.iter().find(|(known, ..)| *known == extension);
        let (mail, rcpt) = row.map_or((0, 0), |&(_, mail, rcpt)| (mail, rcpt));
        limits(&found, mail, rcpt);
        limits(&found.without(extension), 0, 0);
    }
    let sum = |one: fn(&(Extension, usize, usize)) -> usize| INCREMENTS.iter().map(one).sum();
    limits(&everything(), sum(|row| row.1), sum(|row| row.2));
    limits(&capabilities(&["DSN", "DSN", "dsn x"]), 107, 507);
}

#[test]
fn a_masked_extension_is_not_offered() {
    for &masked in Extension::ALL {
        let found = everything().without(masked);
        for &extension in Extension::ALL {
            assert_eq!(found.has(extension), extension != masked, "{extension}");
        }
        assert_eq!(found.clone().without(masked), found);
    }
}

#[test]
fn the_line_of_a_masked_extension_stays_readable() {
    let found = capabilities(&["SIZE 1000", "AUTH PLAIN", "AUTH=LOGIN", "HELP"]);
    let masked = found.clone().without(Extension::Size).without(Extension::Auth);
    assert_eq!(masked.size_limit(), None);
    assert_eq!(masked.mechanisms().count(), 0);
    assert_eq!(masked.find("SIZE").unwrap().as_bytes(), b"SIZE 1000");
    assert_eq!(masked.find("AUTH").unwrap().extension(), Some(Extension::Auth));
    assert!(masked.iter().eq(found.iter()));
    assert_eq!(masked.reply(), found.reply());
    assert!(masked.has(Extension::Help));
}

#[test]
fn masking_an_extension_that_is_not_offered_changes_nothing() {
    let found = capabilities(&["HELP"]);
    assert_eq!(found.clone().without(Extension::StartTls), found);
}

#[test]
fn no_capabilities_offer_nothing() {
    let none = Capabilities::none();
    assert!(none.reply().is_none());
    assert_eq!(none.iter().count(), 0);
    assert_eq!(none.size_limit(), None);
    assert_eq!(none.mechanisms().count(), 0);
    assert!(Extension::ALL.iter().all(|&extension| !none.has(extension)));
    limits(&none, 0, 0);
}
