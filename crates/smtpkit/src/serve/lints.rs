//! Names of the mistakes of clients, on the command line and in JSON: `bare-lf`, `bad-syntax`.

use smtp_testkit::Lint;

/// Returns the name of a mistake.
pub(crate) fn name(lint: Lint) -> String {
    let mut name = String::new();
    for letter in format!("{lint:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    // `Utf8WithoutSmtpUtf8` and `NoEhloAfterStartTls` have keywords in them.
    name.replace("smtp-utf8", "smtputf8").replace("start-tls", "starttls")
}

/// Reads the name of a mistake.
pub(crate) fn read(text: &str) -> Result<Lint, String> {
    let found = Lint::ALL.iter().copied().find(|lint| name(*lint) == text);
    found.ok_or_else(|| {
        let names: Vec<String> = Lint::ALL.iter().map(|lint| name(*lint)).collect();
        format!("no mistake has this name; write all, or one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(name(Lint::BareLf), "bare-lf");
        assert_eq!(name(Lint::Utf8WithoutSmtpUtf8), "utf8-without-smtputf8");
        assert_eq!(name(Lint::NoEhloAfterStartTls), "no-ehlo-after-starttls");
        for lint in Lint::ALL {
            assert_eq!(read(&name(*lint)), Ok(*lint));
        }
        assert!(read("bare").unwrap_err().contains("write all, or one of before-greeting, "));
    }
}
