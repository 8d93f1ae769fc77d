//! Settings that cannot work are errors at the start.
use smtp_caps::Offer;
use smtp_codec::Mechanism;
use smtp_error::{Extension, Invalid};
use smtp_server::{InvalidSettings, Settings, SettingsBuilder, StartTls};

fn with(change: impl FnOnce(Offer) -> Result<Offer, Invalid>) -> SettingsBuilder {
    Settings::smtp("mx.example.org").offer(change)
}

#[test]
fn each_error_says_what_to_do() {
    let base = || Settings::smtp("mx.example.org");
    for (settings, message) in [
        (Settings::smtp("not a name"), "offer: domain: unexpected ' ' at octet 3"),
        (with(|offer| offer.line("X\r\nY")), "offer: "),
        (with(|offer| offer.burl([""; 0])), "offer: a session does not serve BURL"),
        (
            with(|offer| offer.extensions([Extension::StartTls])),
            "offer: STARTTLS has its own setting; use `SettingsBuilder::starttls`",
        ),
        (
            with(|offer| offer.auth(["PLAIN"])),
            "offer: AUTH has its own setting; use `SettingsBuilder::auth`",
        ),
        (
            with(|offer| offer.without(Extension::Chunking).extensions([Extension::BinaryMime])),
            "offer: BINARYMIME needs CHUNKING",
        ),
        (
            with(|offer| Ok(offer.without(Extension::EightBitMime))),
            "offer: SMTPUTF8 needs 8BITMIME",
        ),
        (
            Settings::lmtp("mx.example.org")
                .offer(|offer| Ok(offer.without(Extension::Pipelining))),
            "offer: LMTP needs PIPELINING",
        ),
        (
            base().auth([Mechanism::new("GSSAPI").unwrap()]),
            "AUTH: the mechanism GSSAPI is not implemented",
        ),
        (base().auth([Mechanism::PLAIN]), "AUTH: the mechanisms would reveal the password"),
        (base().auth([Mechanism::SCRAM_SHA_256_PLUS]), "AUTH: the mechanisms would reveal"),
        (base().require_login(), "AUTH: a login is required, and no mechanism is offered"),
    ] {
        let error = settings.build().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn what_works_is_no_error() {
    let base = || Settings::smtp("mx.example.org");
    for settings in [
        Settings::smtp("[192.0.2.1]"),
        base().auth([Mechanism::PLAIN]).starttls(StartTls::Offered),
        base().auth([Mechanism::PLAIN]).implicit_tls(),
        base().auth([Mechanism::PLAIN]).passwords_in_clear(),
        base().auth([Mechanism::PLAIN, Mechanism::CRAM_MD5]),
        Settings::lmtp("mx.example.org").auth([Mechanism::PLAIN]).require_login(),
        with(|offer| offer.extensions([Extension::BinaryMime, Extension::Prdr, Extension::Dsn])),
    ] {
        settings.build().unwrap();
    }
}

#[test]
fn the_reasons_can_be_told_apart() {
    let starttls = with(|offer| offer.extensions([Extension::StartTls])).build();
    let expected =
        InvalidSettings::OwnSetting { extension: Extension::StartTls, method: "starttls" };
    assert_eq!(starttls.unwrap_err(), expected);
    let served = with(|offer| offer.extensions([Extension::Turn])).build();
    assert_eq!(served.unwrap_err(), InvalidSettings::NotServed(Extension::Turn));
    let mechanism = Mechanism::new("NTLM").unwrap();
    let unknown = Settings::smtp("a.example").auth([mechanism]).build();
    assert!(matches!(unknown, Err(InvalidSettings::Mechanism(one)) if one.as_str() == "NTLM"));
}
