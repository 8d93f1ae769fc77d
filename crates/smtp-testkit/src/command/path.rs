//! Addresses as MAIL and RCPT carry them (RFC 5321, 4.1.2), and host names.

use std::net::Ipv6Addr;

/// Splits `<...>` off, and returns its content without the source route, and the rest of the text.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    let mut literal = false;
    for (at, char) in inside.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !literal => quoted = !quoted,
            '[' if !quoted => literal = true,
            ']' if !quoted => literal = false,
            '>' if !quoted && !literal => {
                return Some((without_route(&inside[..at])?, &inside[at + 1..]));
            }
            _ => {}
        }
    }
    None
}

/// Splits an address without brackets off, up to a space or tab outside of quotes.
pub(super) fn bare(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let end = text.find(|char| {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return true,
            _ => {}
        }
        false
    });
    Some(text.split_at(end.unwrap_or(text.len()))).filter(|(address, _)| !address.is_empty())
}

/// `@one,@two:local@domain` means `local@domain`. The path has at most 256 octets with its route,
/// and a route cannot precede a postmaster without a domain.
fn without_route(path: &str) -> Option<&str> {
    if !path.starts_with('@') {
        return Some(path);
    }
    let (route, mailbox) = path.split_once(':')?;
    let hops = route.split(',').all(|hop| hop.strip_prefix('@').is_some_and(is_domain));
    (hops && mailbox.contains('@') && path.len() <= 254).then_some(mailbox)
}

/// Returns whether the text is `local@domain`.
pub(super) fn is_mailbox(text: &str) -> bool {
    let end = match text.strip_prefix('"') {
        Some(rest) => quoted_end(rest).map(|end| end + 1),
        None => text.find('@').filter(|&end| is_dot_string(&text[..end])),
    };
    let Some((local, rest)) = end.map(|end| text.split_at(end)) else { return false };
    let domain = rest.strip_prefix('@');
    local.len() <= 64 && text.len() <= 254 && domain.is_some_and(is_host)
}

/// Returns whether servers understand such an address: its local-part may have dots anywhere, and
/// its domain may have underscores and a final dot, or be missing.
pub(super) fn is_understood(text: &str) -> bool {
    let end = match text.strip_prefix('"') {
        Some(rest) => quoted_end(rest).map(|end| end + 1),
        None => Some(text.find('@').unwrap_or(text.len())),
    };
    let Some((local, rest)) = end.map(|end| text.split_at(end)) else { return false };
    let fits = local.starts_with('"') || (!local.is_empty() && local.chars().all(is_dot_or_atom));
    fits && match rest.strip_prefix('@') {
        None => rest.is_empty(),
        Some(domain) if domain.starts_with('[') => is_host(domain),
        Some(domain) => {
            let labels = domain.strip_suffix('.').unwrap_or(domain).replace('_', "x");
            is_domain(&labels)
        }
    }
}

/// Returns the end of a quoted string whose opening quote precedes `rest`: the position after its
/// closing quote.
fn quoted_end(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in rest.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty()) && text.chars().all(is_dot_or_atom)
}

fn is_dot_or_atom(char: char) -> bool {
    char.is_ascii_alphanumeric() || !char.is_ascii() || "!#$%&'*+-/=?^_`{|}~.".contains(char)
}

/// Returns whether the text is a domain or an address literal.
pub(super) fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => is_literal(literal),
        None => is_domain(text),
    }
}

fn is_domain(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let edge = |char: char| char.is_ascii_alphanumeric() || !char.is_ascii();
    label.len() <= 63
        && label.starts_with(edge)
        && label.ends_with(edge)
        && label.chars().all(|char| edge(char) || char == '-')
}

/// `127.0.0.1`, `IPv6:::1`, or `tag:content`.
fn is_literal(text: &str) -> bool {
    match text.split_once(':') {
        None => is_ipv4(text),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => is_ipv6(address),
        // Without its tag, an IPv6 address would look like a tag and content.
        Some(_) if text.parse::<Ipv6Addr>().is_ok() => false,
        Some((tag, content)) => {
            let inside = |octet: u8| matches!(octet, 33..=90 | 94..=126);
            let in_tag = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
            tag.bytes().all(in_tag)
                && tag.ends_with(|char: char| char.is_ascii_alphanumeric())
                && !content.is_empty()
                && content.bytes().all(inside)
        }
    }
}

/// Returns whether the text is four numbers of one to three digits, up to 255; leading zeros are
/// allowed.
fn is_ipv4(address: &str) -> bool {
    let number = |digits: &str| {
        (1..=3).contains(&digits.len())
            && digits.bytes().all(|octet| octet.is_ascii_digit())
            && digits.parse::<u8>().is_ok()
    };
    address.split('.').count() == 4 && address.split('.').all(number)
}

/// Returns whether the text is an IPv6 address in which `::`, if present, stands for at least two
/// groups.
fn is_ipv6(address: &str) -> bool {
    let written = address.split(':').filter(|group| !group.is_empty());
    let groups: usize = written.map(|group| 1 + usize::from(group.contains('.'))).sum();
    let last = address.rfind(':').map_or(0, |colon| colon + 1);
    // The parser of the standard library refuses leading zeros in an embedded IPv4 address.
    let plain = match is_ipv4(&address[last..]) {
        true => format!("{}0:0", &address[..last]),
        false => address.to_owned(),
    };
    plain.parse::<Ipv6Addr>().is_ok() && (!address.contains("::") || groups <= 6)
}
