//! The parameters and verbs of each extension, and the values that they may have.

/// A parameter: its extension and verb, and by how many octets it may extend the line.
pub(super) struct Param {
    pub(super) keyword: &'static str,
    pub(super) verb: &'static str,
    pub(super) name: &'static str,
    octets: usize,
    value: fn(&str) -> bool,
}

const fn param(
    keyword: &'static str,
    verb: &'static str,
    name: &'static str,
    octets: usize,
    value: fn(&str) -> bool,
) -> Param {
    Param { keyword, verb, name, octets, value }
}

/// The number of octets is what the extension adds to the limit of 512, or what the parameter
/// needs.
const PARAMS: &[Param] = &[
    param("8BITMIME", "MAIL", "BODY", 17, is_body),
    param("AUTH", "MAIL", "AUTH", 500, is_something),
    param("CHECKPOINT", "MAIL", "TRANSID", 88, is_something),
    param("CONNEG", "RCPT", "CONNEG", 7, is_nothing),
    param("CONPERM", "MAIL", "CONPERM", 8, is_nothing),
    param("DELIVERBY", "MAIL", "BY", 17, is_something),
    param("DSN", "MAIL", "RET", 9, is_ret),
    param("DSN", "MAIL", "ENVID", 107, is_something),
    param("DSN", "RCPT", "NOTIFY", 29, is_notify),
    param("DSN", "RCPT", "ORCPT", 507, is_orcpt),
    param("FUTURERELEASE", "MAIL", "HOLDFOR", 34, is_number),
    param("FUTURERELEASE", "MAIL", "HOLDUNTIL", 34, is_something),
    param("IGNOREQUOTA", "RCPT", "IGNOREQUOTA", 12, is_nothing),
    param("MT-PRIORITY", "MAIL", "MT-PRIORITY", 15, is_priority),
    param("MTRK", "MAIL", "MTRK", 40, is_something),
    param("NO-SOLICITING", "MAIL", "SOLICIT", 1007, is_something),
    param("PRDR", "MAIL", "PRDR", 5, is_nothing),
    param("REQUIRETLS", "MAIL", "REQUIRETLS", 11, is_nothing),
    param("RRVS", "RCPT", "RRVS", 33, is_something),
    param("SIZE", "MAIL", "SIZE", 26, is_number),
    param("SMTPUTF8", "MAIL", "SMTPUTF8", 10, is_nothing),
    param("SUBMITTER", "MAIL", "SUBMITTER", 267, is_something),
    param("XVERP", "MAIL", "XVERP", 9, |_| true),
];

/// Verbs that are known only if their extension is offered.
const VERBS: &[(&str, &str)] = &[
    ("ATRN", "ATRN"),
    ("AUTH", "AUTH"),
    ("BDAT", "CHUNKING"),
    ("BURL", "BURL"),
    ("ETRN", "ETRN"),
    ("EXPN", "EXPN"),
    ("STARTTLS", "STARTTLS"),
    ("XCLIENT", "XCLIENT"),
    ("XFORWARD", "XFORWARD"),
];

/// The parameter of this name on this verb.
pub(super) fn find(verb: &str, name: &str) -> Option<&'static Param> {
    PARAMS.iter().find(|param| param.verb == verb && param.name.eq_ignore_ascii_case(name))
}

/// By how many octets a line may exceed 512, with the extensions that are offered.
pub(super) fn allowance(verb: &str, is_offered: impl Fn(&str) -> bool) -> usize {
    let granted = PARAMS.iter().filter(|param| param.verb == verb && is_offered(param.keyword));
    granted.map(|param| param.octets).sum()
}

/// The extension of a verb; `None` for verbs of the basic protocol.
pub(super) fn of_verb(verb: &str) -> Option<&'static str> {
    VERBS.iter().find(|(found, _)| *found == verb).map(|(_, keyword)| *keyword)
}

impl Param {
    pub(super) fn takes(&self, value: &str) -> bool {
        (self.value)(value)
    }
}

fn is_nothing(value: &str) -> bool {
    value.is_empty()
}

fn is_something(value: &str) -> bool {
    !value.is_empty()
}

fn is_number(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_digit())
}

fn is_body(value: &str) -> bool {
    is_one_of(value, &["7BIT", "8BITMIME", "BINARYMIME"])
}

fn is_ret(value: &str) -> bool {
    is_one_of(value, &["FULL", "HDRS"])
}

fn is_notify(value: &str) -> bool {
    let each = |word: &str| is_one_of(word, &["SUCCESS", "FAILURE", "DELAY"]);
    value.eq_ignore_ascii_case("NEVER") || value.split(',').all(each)
}

fn is_orcpt(value: &str) -> bool {
    value.split_once(';').is_some_and(|(kind, address)| !kind.is_empty() && !address.is_empty())
}

fn is_priority(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    value == "0" || (digits.len() == 1 && matches!(digits.as_bytes(), [b'1'..=b'9']))
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(value))
}
