//! Advice for refusals, by step, code and enhanced status code, for replies as servers send them.
use smtp_error::{
    Advice::{
        self, AllowLogin, AskAdministrator, Authenticate, BeginTls, CheckCredentials,
        RenewPassword, ShortenResponse, SignInByBrowser, TryLater, UseAnotherMechanism,
        UseStrongerMechanism,
    },
    Step,
};

use crate::reply;

/// The steps of a mail transaction, and commands outside of it.
const COMMANDS: [Step; 7] =
    [Step::Mail, Step::Rcpt, Step::Data, Step::Text, Step::EndOfText, Step::Noop, Step::Verify];

/// The steps before a client can authenticate.
const BEFORE: [Step; 4] = [Step::Connect, Step::Handshake, Step::Greeting, Step::Hello];

#[track_caller]
fn check(steps: &[Step], rows: &[(&str, Option<Advice>)]) {
    for (line, expected) in rows {
        let (code, text) = line.split_once(' ').unwrap_or((line, ""));
        let reply = reply(code.parse().unwrap(), text);
        for &step in steps {
            assert_eq!(Advice::about(step, &reply), *expected, "{step}: {line}");
        }
    }
}

#[test]
fn refusals_of_auth_as_registered() {
    check(
        &[Step::Auth],
        &[
            // RFC 4954, and the registry of enhanced codes.
            ("432 4.7.12 A password transition is needed", Some(RenewPassword)),
            ("422 4.7.12 A password transition is needed", Some(RenewPassword)),
            ("432 A password transition is needed", Some(RenewPassword)),
            ("454 4.7.0 Temporary authentication failure", Some(TryLater)),
            ("454 later", Some(TryLater)),
            ("500 5.5.6 Authentication Exchange line is too long", Some(ShortenResponse)),
            ("500 what?", None),
            ("501 5.5.2 cannot decode", None),
            ("501 5.5.4 optional argument not permitted for that AUTH mode", None),
            ("501 5.7.0 Authentication aborted", None),
            ("502 5.5.1 not implemented", None),
            ("503 5.5.1 already authenticated", None),
            ("503 AUTH command used when not advertised", None),
            ("504 5.5.4 Unrecognized authentication type", Some(UseAnotherMechanism)),
            ("504 what?", Some(UseAnotherMechanism)),
            ("504 5.7.4 Unrecognized authentication type", Some(UseAnotherMechanism)),
            ("504 5.1.1 no", None),
            ("523 5.7.10 Encryption Needed", Some(BeginTls)),
            ("524 5.7.11 Encryption required", Some(BeginTls)),
            ("525 5.7.13 User Account Disabled", Some(AskAdministrator)),
            ("525 disabled", Some(AskAdministrator)),
            ("530 5.7.0 Must issue a STARTTLS command first", Some(BeginTls)),
            ("530 Login fail. A secure connection is required (such as ssl).", Some(BeginTls)),
            ("530 5.7.1 Access denied", None),
            ("530 Access denied", None),
            ("534 5.7.9 Authentication mechanism is too weak", Some(UseStrongerMechanism)),
            ("534 too weak", Some(UseStrongerMechanism)),
            ("534 5.2.1 mailbox disabled", None),
            ("535 5.7.8 Authentication credentials invalid", Some(CheckCredentials)),
            ("535 Authentication Credentials Invalid", Some(CheckCredentials)),
            ("535 5.7.13 disabled", Some(AskAdministrator)),
            ("535 5.2.1 mailbox disabled", None),
            ("538 5.7.11 Encryption required for requested mechanism", Some(BeginTls)),
            ("538 Encryption required", Some(BeginTls)),
            ("550 5.7.1 no", None),
            ("554 5.7.8 no", Some(CheckCredentials)),
        ],
    );
}

#[test]
fn refusals_of_auth_as_providers_send_them() {
    check(
        &[Step::Auth],
        &[
            // Gmail.
            ("535 5.7.8 Username and Password not accepted.", Some(CheckCredentials)),
            ("534 5.7.9 Application-specific password required.", Some(UseStrongerMechanism)),
            ("535 5.7.9 Application-specific password required", Some(UseStrongerMechanism)),
            ("534 5.7.14 <https://accounts.example/signin> Please log in", Some(SignInByBrowser)),
            ("454 4.7.0 Too many login attempts, please try again later.", Some(TryLater)),
            ("421 4.7.0 Try again later, closing connection.", Some(TryLater)),
            ("451 4.3.0 Mail server temporarily rejected message.", Some(TryLater)),
            ("421 bye", None),
            ("421 4.4.2 timeout", None),
            // Exchange Online and Outlook.
            ("535 5.7.3 Authentication unsuccessful", Some(CheckCredentials)),
            ("535 5.7.139 Authentication unsuccessful, basic authentication is disabled.", {
                Some(AllowLogin)
            }),
            ("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.", {
                Some(CheckCredentials)
            }),
            ("535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", Some(AllowLogin)),
            ("550 5.7.30 Basic authentication is not supported for Client Submission.", {
                Some(AllowLogin)
            }),
            ("432 4.3.2 Concurrent connections limit exceeded", Some(TryLater)),
            ("451 4.7.0 Temporary server error. Please try again later. PRX4", Some(TryLater)),
            ("430 4.2.0 STOREDRV; mailbox logon failure", None),
            // Yahoo, iCloud, Fastmail, Zoho, Yandex, mail.ru, Amazon SES.
            ("535 5.7.0 (#AUTH005) Too many bad auth attempts.", Some(CheckCredentials)),
            ("535 5.7.0 Error: authentication failed", Some(CheckCredentials)),
            ("535 5.7.1 Authentication failed", Some(CheckCredentials)),
            ("535 Authentication Failed", Some(CheckCredentials)),
            ("454 Temporary authentication failure", Some(TryLater)),
            // Postfix, Dovecot, Exim.
            ("535 5.7.8 Error: authentication failed: generic failure", Some(CheckCredentials)),
            ("535 Incorrect authentication data", Some(CheckCredentials)),
            ("435 Unable to authenticate at present", None),
            ("454 4.3.0 Try again later", Some(TryLater)),
        ],
    );
}

#[test]
fn refusals_of_other_commands_as_providers_send_them() {
    check(
        &COMMANDS,
        &[
            ("530 5.7.0 Authentication required", Some(Authenticate)),
            ("530 5.7.1 Authentication required", Some(Authenticate)),
            ("530 5.5.1 Authentication Required. Learn more at", Some(Authenticate)),
            ("530 Authentication required", Some(Authenticate)),
            ("530 5.7.57 Client not authenticated to send mail.", Some(Authenticate)),
            ("550 5.7.57 Client was not authenticated to send anonymous mail", Some(Authenticate)),
            ("530 5.7.0 Authentication required, inside TLS", Some(Authenticate)),
            // The same codes, and authentication is not asked for.
            ("530 5.7.0 Must issue a STARTTLS command first", Some(BeginTls)),
            ("530 Must issue a STARTTLS command first", Some(BeginTls)),
            ("530 5.7.1 This server requires SSL", Some(BeginTls)),
            ("530 5.7.10 Encryption needed", Some(BeginTls)),
            ("538 5.7.11 Encryption required", Some(BeginTls)),
            ("530 5.1.1 User unknown", None),
            ("530 5.7.26 no", None),
            ("534 5.7.9 Too weak", Some(UseStrongerMechanism)),
            ("535 5.7.8 Invalid", Some(CheckCredentials)),
            ("525 5.7.13 User account disabled", Some(AskAdministrator)),
            ("454 4.7.0 Temporary authentication failure", Some(TryLater)),
            ("432 4.7.12 A password transition is needed", Some(RenewPassword)),
            // Codes of authentication, sent for other reasons.
            ("432 4.3.2 Concurrent connections limit exceeded.", None),
            ("432 4.2.0 Sender thread limit exceeded", None),
            ("432 later", None),
            ("454 4.7.1 <bob@example.org>: Relay access denied", None),
            ("454 Throttling failure: Maximum sending rate exceeded.", None),
            ("454 4.3.0 later", None),
            ("421 4.7.0 Try again later, closing connection.", None),
            ("421 4.7.66 TLS 1.0 and 1.1 are not supported.", None),
            ("451 4.7.500 Server busy.", None),
            ("504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname", None),
            ("523 5.2.3 Message length exceeds administrative limit", None),
            ("523 too big", None),
            ("524 5.2.4 mailing list", None),
            ("525 5.7.1 rejected", None),
            ("534 5.3.4 Message too big", None),
            ("535 5.7.1 not authorized", None),
            ("535 no", None),
            ("538 no", None),
            // SPF, DKIM, DMARC, PTR and reputation authenticate messages and hosts, not clients.
            ("421 4.7.26 This mail is unauthenticated", None),
            ("550 5.7.1 [192.0.2.1] Our system has detected an unusual rate", None),
            ("550 5.7.20 No passing DKIM signature found", None),
            ("550 5.7.23 SPF validation failed", None),
            ("550 5.7.25 Reverse DNS validation failed", None),
            ("550 5.7.26 Unauthenticated email is not accepted", None),
            ("550 5.7.515 Access denied, sending domain does not pass", None),
            // Rights of a client that has authenticated, and relays.
            ("550 5.7.60 Client does not have permissions to send as this sender", None),
            ("550 5.7.0 From address is not one of your addresses", None),
            ("553 5.7.1 <a@example.org>: Sender address rejected: not owned by user", None),
            ("554 5.7.1 <bob@example.org>: Relay access denied", None),
            ("550 5.7.64 TenantAttribution; Relay Access Denied", None),
            // The same enhanced status code means that REQUIRETLS is not supported.
            ("550 5.7.30 REQUIRETLS support required", None),
            ("550 5.7.10 Encryption needed", None),
            ("554 Message rejected: Email address is not verified.", None),
            ("250 2.7.0 ok", None),
        ],
    );
}

#[test]
fn a_temporary_refusal_of_starttls_advises_to_try_later() {
    check(
        &[Step::StartTls],
        &[
            ("454 4.7.0 TLS not available due to local problem", Some(TryLater)),
            ("454 4.3.0 later", Some(TryLater)),
            ("454 later", Some(TryLater)),
            ("501 5.5.4 no parameters allowed", None),
            ("502 5.5.1 not implemented", None),
            ("503 5.5.1 TLS is active already", None),
            ("530 5.7.0 no", None),
            ("554 5.7.0 no", None),
        ],
    );
}

#[test]
fn there_is_no_advice_before_a_client_can_authenticate() {
    check(
        &BEFORE,
        &[
            ("432 4.3.2 no", None),
            ("454 4.7.0 Temporary authentication failure", None),
            ("530 5.7.0 Authentication required", None),
            ("530 5.7.0 Must issue a STARTTLS command first", None),
            ("535 5.7.8 no", None),
            ("554 5.7.1 no", None),
        ],
    );
}
