//! SOCKS5 (RFC 1928), with a login by user name and password (RFC 1929).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smtp_error::{ProxyFault, SocksReply};

use super::ProxyLogin;
use crate::sasl::Secret;

const VERSION: u8 = 5;
/// The methods of authentication.
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xFF;
const CONNECT: u8 = 1;
/// The types of addresses.
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// The client's side of an exchange.
pub(super) struct Socks5 {
    state: State,
    login: Option<(String, Secret)>,
    request: Vec<u8>,
    /// The octets of the reply that is being received, at most 262.
    incoming: Vec<u8>,
    bound: Option<IpAddr>,
}

/// What is received next.
#[derive(Clone, Copy)]
enum State {
    Method,
    LoginReply,
    Reply,
    Done,
}

impl Socks5 {
    pub(super) fn new(
        host: &str,
        port: u16,
        login: Option<&ProxyLogin>,
        output: &mut Vec<u8>,
    ) -> Self {
        match login {
            Some(_) => output.extend([VERSION, 2, NO_LOGIN, PASSWORD]),
            None => output.extend([VERSION, 1, NO_LOGIN]),
        }
        let mut request = vec![VERSION, CONNECT, 0];
        match host.parse() {
            Ok(IpAddr::V4(ip)) => {
                request.push(IPV4);
                request.extend(ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                request.push(IPV6);
                request.extend(ip.octets());
            }
            Err(_) => {
                request.push(NAME);
                push_short(host, &mut request);
            }
        }
        request.extend(port.to_be_bytes());
        let login = login.map(|login| (login.user.clone(), login.password.clone()));
        Self { state: State::Method, login, request, incoming: Vec::new(), bound: None }
    }

    pub(super) fn wants(&self) -> usize {
        self.needed() - self.incoming.len()
    }

    /// How long the reply is that is being received, as far as that is known.
    fn needed(&self) -> usize {
        match (self.state, &self.incoming[..]) {
            (State::Done, _) => 0,
            (State::Method | State::LoginReply, _) => 2,
            // Some proxies close after the code of a refusal.
            (State::Reply, [] | [_]) => 2,
            // The type of the address, and the first octet of it, which may be a length.
            (State::Reply, received) if received.len() < 5 => 5,
            (State::Reply, received) => match received[3] {
                IPV4 => 4 + 4 + 2,
                IPV6 => 4 + 16 + 2,
                _ => 4 + 1 + usize::from(received[4]) + 2,
            },
        }
    }

    pub(super) fn receive(
        &mut self,
        mut octets: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), ProxyFault> {
        while !octets.is_empty() && self.wants() > 0 {
            let (now, rest) = octets.split_at(self.wants().min(octets.len()));
            self.incoming.extend(now);
            octets = rest;
            match self.state {
                State::Reply => self.look_at_reply()?,
                State::Method | State::LoginReply if self.wants() > 0 => {}
                State::Method => self.choose(output)?,
                State::LoginReply => self.check_login(output)?,
                State::Done => {}
            }
        }
        Ok(())
    }

    fn choose(&mut self, output: &mut Vec<u8>) -> Result<(), ProxyFault> {
        let [version, method] = [self.incoming[0], self.incoming[1]];
        self.incoming.clear();
        match (version, method, self.login.take()) {
            (VERSION, NO_LOGIN, _) => self.ask(output),
            (VERSION, PASSWORD, Some((user, password))) => {
                output.push(1);
                push_short(&user, output);
                push_short(password.expose(), output);
                self.state = State::LoginReply;
            }
            (VERSION, NO_METHOD, Some(_)) => return Err(ProxyFault::NoLoginMethod),
            (VERSION, NO_METHOD, None) => return Err(ProxyFault::LoginRequired),
            _ => return Err(ProxyFault::Malformed),
        }
        Ok(())
    }

    fn check_login(&mut self, output: &mut Vec<u8>) -> Result<(), ProxyFault> {
        // The first octet is a version, which some proxies get wrong.
        let status = self.incoming[1];
        self.incoming.clear();
        if status != 0 {
            return Err(ProxyFault::LoginRefused);
        }
        self.ask(output);
        Ok(())
    }

    fn ask(&mut self, output: &mut Vec<u8>) {
        output.append(&mut self.request);
        self.state = State::Reply;
    }

    fn look_at_reply(&mut self) -> Result<(), ProxyFault> {
        let received = &self.incoming;
        if received[0] != VERSION {
            return Err(ProxyFault::Malformed);
        }
        if let Some(reply) = received.get(1).and_then(|code| SocksReply::from_code(*code)) {
            return Err(ProxyFault::Socks(reply));
        }
        if received.get(3).is_some_and(|kind| ![IPV4, NAME, IPV6].contains(kind)) {
            return Err(ProxyFault::Malformed);
        }
        if self.wants() == 0 {
            self.bound = bound(&self.incoming);
            self.state = State::Done;
            self.incoming.clear();
        }
        Ok(())
    }

    /// The address that the proxy has connected from.
    pub(super) fn bound(&self) -> Option<IpAddr> {
        self.bound
    }
}

/// Writes a text of at most 255 octets after its length.
fn push_short(text: &str, output: &mut Vec<u8>) {
    // The constructors of `Proxy`, `Domain` and IP addresses have seen to the length.
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    output.push(length);
    output.extend(&text.as_bytes()[..usize::from(length)]);
}

/// The address in a whole reply, unless it says nothing: proxies that do not tell it send zeros.
fn bound(reply: &[u8]) -> Option<IpAddr> {
    let address = &reply[4..reply.len() - 2];
    let ip = match reply[3] {
        IPV4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        IPV6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)).to_canonical(),
        _ => return None,
    };
    let says_nothing = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast();
    Some(ip).filter(|_| !says_nothing)
}
