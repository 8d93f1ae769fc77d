//! Meanings of codes, as their registries describe them.
use crate::{EnhancedCode, ReplyCode};

impl ReplyCode {
    /// Returns the meaning of the code (RFC 5321, 4.2.3, and the extensions that add codes); `None`
    /// for a code that no RFC defines. `{:#}` writes it after the code.
    pub fn meaning(self) -> Option<&'static str> {
        Some(match self.get() {
            211 => "system status",
            214 => "help",
            220 => "service ready",
            221 => "closing the channel",
            235 => "authentication succeeded",
            250 => "requested action completed",
            251 => "user not local, will forward",
            252 => "cannot verify the user, will try to deliver",
            253 => "messages pending for the node were started",
            334 => "authentication challenge",
            354 => "start the mail data",
            355 => "resume the mail data at the offset",
            421 => "service not available, closing the channel",
            422 => "password transition needed",
            430 => "invalid command",
            432 => "password transition needed",
            450 => "mailbox unavailable now",
            451 => "local error in processing",
            452 => "insufficient storage, or too many recipients",
            453 => "no mail for this client",
            454 => "TLS or authentication not available now",
            455 => "parameters cannot be accommodated now",
            458 => "messages for the node cannot be queued",
            459 => "node not allowed",
            500 => "command not recognized",
            501 => "syntax error in the arguments",
            502 => "command not implemented",
            503 => "bad sequence of commands",
            504 => "parameter not implemented",
            521 => "host does not accept mail",
            523 => "encryption needed",
            524 => "encryption needed for this mechanism",
            525 => "user account disabled",
            530 => "authentication or TLS required",
            533 => "not authorized",
            534 => "authentication mechanism too weak",
            535 => "authentication credentials invalid",
            538 => "encryption needed for this mechanism",
            550 => "mailbox unavailable, or refused by policy",
            551 => "user not local, try another path",
            552 => "storage exceeded, or message too big",
            553 => "mailbox name not allowed",
            554 => "transaction failed",
            555 => "parameters not recognized or not implemented",
            556 => "domain does not accept mail",
            _ => return None,
        })
    }
}

impl EnhancedCode {
    /// Returns the meaning of subject and detail, which is the same for every class (RFC 3463 and
    /// the registry of RFC 5248); `None` for a pair that is not registered. `{:#}` writes it after
    /// the code.
    pub fn meaning(self) -> Option<&'static str> {
        Some(match self.subject() {
            0 if self.detail() == 0 => "other or undefined status",
            1 => addressing(self.detail())?,
            2 => mailbox(self.detail())?,
            3 => mail_system(self.detail())?,
            4 => network(self.detail())?,
            5 => protocol(self.detail())?,
            6 => content(self.detail())?,
            7 => policy(self.detail())?,
            _ => return None,
        })
    }
}

fn addressing(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other address status",
        1 => "bad destination mailbox address",
        2 => "bad destination system address",
        3 => "bad destination mailbox address syntax",
        4 => "destination mailbox address ambiguous",
        5 => "destination address valid",
        6 => "destination mailbox has moved, no forwarding address",
        7 => "bad sender's mailbox address syntax",
        8 => "bad sender's system address",
        9 => "message relayed to non-compliant mailer",
        10 => "recipient address has null MX",
        _ => return None,
    })
}

fn mailbox(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined mailbox status",
        1 => "mailbox disabled, not accepting messages",
        2 => "mailbox full",
        3 => "message length exceeds administrative limit",
        4 => "mailing list expansion problem",
        _ => return None,
    })
}

fn mail_system(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined mail system status",
        1 => "mail system full",
        2 => "system not accepting messages",
        3 => "system not capable of selected features",
        4 => "message too big for system",
        5 => "system incorrectly configured",
        6 => "requested priority was changed",
        _ => return None,
    })
}

fn network(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined network or routing status",
        1 => "no answer from host",
        2 => "bad connection",
        3 => "directory server failure",
        4 => "unable to route",
        5 => "mail system congestion",
        6 => "routing loop detected",
        7 => "delivery time expired",
        _ => return None,
    })
}

fn protocol(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined protocol status",
        1 => "invalid command",
        2 => "syntax error",
        3 => "too many recipients",
        4 => "invalid command arguments",
        5 => "wrong protocol version",
        6 => "authentication exchange line is too long",
        _ => return None,
    })
}

fn content(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined media error",
        1 => "media not supported",
        2 => "conversion required and prohibited",
        3 => "conversion required but not supported",
        4 => "conversion with loss performed",
        5 => "conversion failed",
        6 => "message content not available",
        7 => "non-ASCII addresses not permitted for that sender or recipient",
        8 => "UTF-8 string reply is required, but not permitted by the client",
        9 => "UTF-8 header message cannot be transferred to one or more recipients",
        10 => "UTF-8 string reply is required, but not permitted by the client (deprecated)",
        _ => return None,
    })
}

fn policy(detail: u16) -> Option<&'static str> {
    Some(match detail {
        0 => "other or undefined security status",
        1 => "delivery not authorized, message refused",
        2 => "mailing list expansion prohibited",
        3 => "security conversion required but not possible",
        4 => "security features not supported",
        5 => "cryptographic failure",
        6 => "cryptographic algorithm not supported",
        7 => "message integrity failure",
        8 => "authentication credentials invalid",
        9 => "authentication mechanism is too weak",
        10 => "encryption needed",
        11 => "encryption required for requested authentication mechanism",
        12 => "a password transition is needed",
        13 => "user account disabled",
        14 => "trust relationship required",
        15 => "priority level is too low",
        16 => "message is too big for the specified priority",
        17 => "mailbox owner has changed",
        18 => "domain owner has changed",
        19 => "RRVS test cannot be completed",
        20 => "no passing DKIM signature found",
        21 => "no acceptable DKIM signature found",
        22 => "no valid author-matched DKIM signature found",
        23 => "SPF validation failed",
        24 => "SPF validation error",
        25 => "reverse DNS validation failed",
        26 => "multiple authentication checks failed",
        27 => "sender address has null MX",
        28 => "mail flood detected",
        29 => "ARC validation failure",
        30 => "REQUIRETLS support required",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_alternate_format_adds_the_meaning() {
        let code = EnhancedCode::new(5, 7, 8).unwrap();
        assert_eq!(format!("{code}"), "5.7.8");
        assert_eq!(format!("{code:#}"), "5.7.8 authentication credentials invalid");
        assert_eq!(format!("{:#}", EnhancedCode::new(5, 7, 509).unwrap()), "5.7.509");
        assert_eq!(format!("{:#}", ReplyCode::MAILBOX_BUSY), "450 mailbox unavailable now");
        assert_eq!(format!("{:#}", ReplyCode::new(571).unwrap()), "571");
    }

    #[test]
    fn unregistered_details_and_subjects_have_no_meaning() {
        for (subject, last) in [(0, 0), (1, 10), (2, 4), (3, 6), (4, 7), (5, 6), (6, 10), (7, 30)] {
            assert!(EnhancedCode::new(4, subject, last).unwrap().meaning().is_some());
            assert_eq!(EnhancedCode::new(4, subject, last + 1).unwrap().meaning(), None);
        }
        assert_eq!(EnhancedCode::new(5, 8, 0).unwrap().meaning(), None);
    }
}
