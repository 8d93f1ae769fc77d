//! Words that mail servers use in their replies.
//!
//! A word of this list that a reply holds says nothing about a secret, even if the secret is the
//! same word: the reply would hold it with any other secret, too. The list has the words that are
//! found in replies of mail servers and providers, in English, and no names or other words that
//! people take for passwords.

/// Returns whether this word, in whatever case, is one that servers use.
pub(super) fn is_ordinary(word: &[u8]) -> bool {
    let Ok(word) = str::from_utf8(word) else { return false };
    if !word.bytes().all(|octet| octet.is_ascii_alphabetic()) {
        return false;
    }
    let word = word.to_ascii_lowercase();
    let stems = ENDINGS.iter().filter_map(|ending| word.strip_suffix(ending));
    let mut stems = stems.chain([word.as_str()]);
    stems.any(|stem| !stem.is_empty() && WORDS.split_ascii_whitespace().any(|known| known == stem))
}

/// What is added to a word of the list.
const ENDINGS: &[&str] = &["s", "es", "d", "ed", "ing", "ly"];

const WORDS: &str = "
a able abort about above abuse accept acceptable acceptance accepting access accessible account
accountdisabled acknowledge action activate activated active activity add additional address admin
administration administrative administrator after again against age agent aka alert alias all allow
allowed already also always am an and anonymous anonymously another any anymore api app appear
application are aren argument article as ask at attachment attack attempt attribute auth
authenticate authenticated authenticating authentication authfailed authority authorization
authorize authorized auto automated automatic available away back backend bad balance banned base
based basic be because been before begin being below between binary binding bl blacklist block
blocked blocklist body both bounce box broken browser bruteforce buffer bug bulk busy but by bye
bypass byte call came can cancel canceled canceled cannot cant captcha case cause center
certificate chain challenge change changed channel character check chunk cipher ciphertext class
clear click client clock close closed closing code com come command comment common communication
complain complaint complete completed completely compliance comply compromised concurrent condition
conditional config configuration configure configured confirm connect connected connecting
connection consent console consult contact contain content continue control cookie correct
correctly could couldn couldnt count country create created credential current currently cyrus
daemon daily data database date day deactivated deadline dear decode decoding default defer
deferred define definition delay delete deleted deliver delivery denied deny denying dependency
deprecated describe detail detected device did didn didnt different digest digit direct directory
disable disabled disallowed discarded disconnect disconnected disconnecting dkim dmarc dns do
document documentation does doesn doesnt domain don done dont dovecot down due duplicate during e
each early edu ehlo either email empty enable enabled encode encoded encoding encrypt encrypted
encryption end endpoint enforce enforced enough enter entry envelope environment errno error esmtp
establish established etc even ever every exceed exceeded exceeding exception excessive exchange
exim exist existing exists expect expected expire expired expiry explicit extended extension
external factor fail failed failing failover failure false faq fatal feature few field file filter
find firewall first fix flow follow following for forbidden force form format forward found fqdn
free frequent frequently friday from full fully function further gateway generate generic geoblock
get getting given global go going good google got grant greeting greylist greylisted group gsmtp
gssapi had hadn handshake has hasn have haven havent header health hello helo help here high hint
hold home host hostname hotmail hour how however html http https id ident identified identifier
identify identity idle idp if ignore illegal im imap immediately implement implemented implicit
important impossible in inactive inactivity inbound include including incoming incomplete incorrect
incorrectly indicate info information initial initialize insecure inside insufficient interface
internal internet interrupted into invalid invalidated ip ipv irrecoverable is isn isnt issue it
item its just keep kerberos key know known lacking language large last later latest ldap learn
least left legacy length less let level lhlo library license like limit limitation limited line
link list listed little lmtp load local locale localhost locate locked lockout log logged logging
login logon long longer look lookup lost low machine made mail mailbox mailer mailserver main
maintenance make malformed manage management manager mandatory manner manual many match matching
max maximum may maybe mbox mean means mechanism member memory message meta method mfa microsoft
might milter min minimum minute miss missing mistake mode modern module moment monday more most
move moved ms much multi multifactor multiple must mx my name native need negotiate negotiation net
network never new next no node nonce none nonexistent nor normal not note nothing notice
notification now ntlm null number oauth oauthbearer object obtain occur occurred of off office
often ok okay old on once one online only open operation opportunistic opt option optional or order
org organisation organization original other our out outbound outgoing outlook over overload
overquota own owner package packet page paid pam parameter parse parser part partial party pass
passcode passed passphrase passwd password past path pause payload payment pending per period
permanent permanently permission permit permitted phase phone php pipeline pipelining plain
plaintext plan platform please plus point policy poor pop port possible possibly postfix postmaster
preference premature present press prevent previous previously primary prior privacy private
privilege problem proceed process processed processing product profile program prohibited proper
protect protected protection protocol proved provide provided provider proxy ptr public purpose put
qmail quarantine query queue queued quit quota quote radius rate rather rdns reach reached read
reading ready realm reason receive received receiver recent recently recipient recognise recognize
recognized reconnect record recover redirect reduce refer reference refuse refused register
registered regular reject rejected rejection related relay relaying release remote remove renew
repeat repeated reply report reputation request require required requirement reset resolve resource
respond responded response rest restart restrict restricted restriction result resume retrieve
retry return returned review revoked rfc right role root route rule run running said same sasl
saslauthd saturday say scan scheme scope scram screen script search second secondary section secure
secured security see seem seen select send sender sending sendmail sent separate sequence serious
server service session set setting several shell shortly should shouldn show shut shutdown sign
signature signed signin simple simultaneous since site size slow smtp so socket soft software some
something soon sorry source spam specific specified specify spf sql ssl stage standard start
started starttls state status stderr step still stop storage store stream strict string strong
stronger submission submit submitted subscription subsystem success successful successfully such
suffix sunday supplied supply support supported suppressed sure suspect suspected suspend suspended
suspicious switch syntax syslog system table take target task tcp technical temp template
temporarily temporary tenant terminate terminated test text than thank thanks that the their them
then there therefore these they this those though thread threshold throttle throttled throttling
through throughout thursday thus ticket time timed timeout tls to today together token too tool
transaction transfer transient transition transmission transport trial trouble troubleshoot
troubleshooter trust trusted try trying tuesday tunnel turn turned two type uid unable unacceptable
unauthenticated unauthorized unavailable unconfigured undefined under unencrypted unexpected
unfortunately uniform unimplemented unique unix unknown unless unlock unlocked unmatched unparsable
unparseable unprocessable unreachable unrecognised unrecognized unrecoverable unregistered
unroutable unsafe unsecure unsolicited unspecified unsuccessful unsuccessfully unsupported until
unusual unverified up update upgrade upper upstream url us usage use used user userid username
using usual utf valid validate validation value verification verified verify version very vhost via
view violate violation virtual visit visitor wait waiting want warning was wasn wasnt way we weak
web webmail website wednesday welcome well were weren what when where whether which while who whole
why will window with within without won wont word work working workload would wouldn write written
wrong www xoauth yahoo yes yet you your yourself zone
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_servers_are_told_from_secrets() {
        for word in ["wrong", "Credentials", "AUTHENTICATION", "failed", "passwords", "temporarily"]
        {
            assert!(is_ordinary(word.as_bytes()), "{word}");
        }
        for secret in [
            "dragon",
            "monkey",
            "tanstaaftanstaaf",
            "wrong1",
            "not wrong",
            "",
            "s",
            "caf\u{e9}",
            "iloveyou",
        ] {
            assert!(!is_ordinary(secret.as_bytes()), "{secret}");
        }
    }
}
