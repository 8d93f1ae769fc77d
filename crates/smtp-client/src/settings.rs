//! Settings of a connector, the same for every kind of client.
use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use smtp_caps::Capabilities;
use smtp_codec::{HelloName, ReplyLimits};
use smtp_error::{Broken, Error, ErrorKind, Reply, Step};

use crate::{
    ClearFallback, Credentials, EhloCache, InvalidUrl, Login, Security, Sending, Server, Timeouts,
    Tls,
    dialing::Order,
    route::Route,
    session::{Adjustment, HelloFallback, Observer, Session},
    spans::Watch,
    url::{
        ServerUrl,
        options::{self, Given},
    },
};

/// What a connector is told before it connects.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    /// The other port of a submission server.
    pub(crate) submission: Option<Submission>,
    pub(crate) hello_name: Option<HelloName>,
    pub(crate) timeouts: Timeouts,
    pub(crate) sending: Sending,
    pub(crate) limits: ReplyLimits,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) tls: Option<Tls>,
    /// How TLS is done, made once: connections then share sessions that can be resumed.
    pub(crate) prepared_tls: Arc<PreparedTls>,
    pub(crate) clear_fallback: ClearFallback,
    pub(crate) login: Option<Login>,
    pub(crate) ehlo_cache: Option<EhloCache>,
    pub(crate) route: Route,
    adjustment: Option<Arc<Adjustment>>,
}

/// How TLS is done, by what a certificate that is not accepted means.
#[derive(Default)]
pub(crate) struct PreparedTls {
    required: OnceLock<Tls>,
    opportunistic: OnceLock<Tls>,
}

impl Settings {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            submission: None,
            hello_name: None,
            timeouts: Timeouts::default(),
            sending: Sending::default(),
            limits: ReplyLimits::default(),
            observer: None,
            tls: None,
            prepared_tls: Arc::default(),
            clear_fallback: ClearFallback::Forbidden,
            login: None,
            ehlo_cache: None,
            route: Route::default(),
            adjustment: None,
        }
    }

    /// The settings that a URL stands for, with the defaults of a client that submits messages; and
    /// the options that are not a connector's.
    pub(crate) fn from_url(text: &str) -> Result<(Self, Vec<Given<'_>>), InvalidUrl> {
        let url = ServerUrl::parse(text)?;
        let mut settings = Self::submitting(url.server);
        if let Some((user, password)) = url.login {
            let credentials = Credentials::password(user, &*password);
            settings.login = Some(Login::new(credentials.map_err(InvalidUrl::Login)?));
        }
        let others = options::apply(options::CONNECTOR, &mut settings, url.options)?;
        Ok((settings, others))
    }

    /// The settings of a client that submits messages to this host, over TLS on port 465, or else
    /// with STARTTLS on port 587.
    pub(crate) fn submission(host: &str) -> Self {
        let mut settings = Self::submitting(Server::tcp(host, 465).security(Security::Tls));
        let second = Server::tcp(host, 587).security(Security::StartTls);
        settings.submission = Some(Submission { second, is_first: Arc::default() });
        settings
    }

    /// The settings of a client that submits messages to this server: it races the addresses, and
    /// does not wait as long as a relay does.
    fn submitting(server: Server) -> Self {
        let mut settings = Self { timeouts: Timeouts::submission(), ..Self::new(server) };
        settings.route.order = Order::Racing;
        settings
    }

    /// Adjusts what the server offers, after the adjustments that were given before.
    pub(crate) fn adjust(
        &mut self,
        adjust: impl Fn(Capabilities) -> Capabilities + Send + Sync + 'static,
    ) {
        let earlier = self.adjustment.take();
        self.adjustment = Some(Arc::new(move |offered| match &earlier {
            Some(earlier) => adjust(earlier(offered)),
            None => adjust(offered),
        }));
    }

    /// A session that has not begun. `local` is the address of this end of the transport, and
    /// `is_private` says that only this machine can read it.
    pub(crate) fn session(&self, local: Option<IpAddr>, is_private: bool) -> Session {
        let name = self.hello_name.clone().or_else(|| local.map(HelloName::from));
        let name = name.unwrap_or_else(HelloName::localhost);
        let mut session = Session::new(self.server.dialect, name, self.limits);
        if let Some(observer) = &self.observer {
            session.observe(Arc::clone(observer));
        }
        if let Some(adjustment) = &self.adjustment {
            session.adjust_capabilities(Arc::clone(adjustment));
        }
        if is_private {
            session.confined();
        }
        session
    }

    /// How TLS is done. It is called before anything is written, so that a client that cannot do
    /// TLS sends nothing.
    pub(crate) fn tls(&self) -> Result<Tls, Error> {
        let optional = self.server.security == Security::Opportunistic;
        let PreparedTls { required, opportunistic } = &*self.prepared_tls;
        let prepared = if optional { opportunistic } else { required };
        if let Some(tls) = prepared.get() {
            return Ok(tls.clone());
        }
        let tls = self.tls.clone().map_or_else(Tls::default_or_error, Ok)?;
        let tls = if optional { tls.into_opportunistic() } else { tls };
        Ok(prepared.get_or_init(|| tls).clone())
    }

    /// Returns how TLS is done after STARTTLS; `None` if STARTTLS is not sent.
    pub(crate) fn tls_after_starttls(&self) -> Result<Option<Tls>, Error> {
        self.server.security.upgrades().then(|| self.tls()).transpose()
    }

    /// Returns the server for another connection, in clear, if one may replace the connection that
    /// failed with this error.
    pub(crate) fn in_clear_after(&self, error: &Error) -> Option<Server> {
        let fails = error.step() == Step::Handshake
            && self.server.security == Security::Opportunistic
            && self.clear_fallback == ClearFallback::Allowed;
        fails.then(|| self.server.clone().security(Security::Plain))
    }

    /// What the server may be spoken to with before it has greeted.
    pub(crate) fn remembered(&self) -> Option<Reply> {
        let usual =
            self.server.security.upgrades() || self.login.is_some() || self.submission.is_some();
        self.ehlo_cache.as_ref().filter(|_| !usual)?.reply()
    }

    /// Remembers what the server offers, unless it is not asked in the way that remembering is for.
    pub(crate) fn remember(&self, capabilities: &Capabilities) {
        let starttls = self.server.security.upgrades();
        if let Some(memory) = self.ehlo_cache.as_ref().filter(|_| !starttls) {
            memory.keep(capabilities);
        }
    }

    /// Remembers the server no more.
    pub(crate) fn forget(&self) {
        if let Some(memory) = &self.ehlo_cache {
            memory.keep(&Capabilities::none());
        }
    }

    /// Ends the watch over how a connection was opened, and says what is likely to help if it
    /// failed.
    pub(crate) fn connected<C>(
        &self,
        watch: Watch,
        connected: Result<C, Error>,
    ) -> Result<C, Error> {
        let connected = connected
            .map_err(|error| self.server.hinted(error).with_server(&self.server.peer(None)));
        watch.connected(&self.server, &connected);
        connected
    }

    /// Returns whether HELO is tried where the server refuses EHLO: not if there is a login,
    /// because without EHLO there is no AUTH.
    pub(crate) fn fallback(&self) -> HelloFallback {
        match self.login {
            Some(_) => HelloFallback::Forbidden,
            None => HelloFallback::Allowed,
        }
    }
}

/// The second port of a submission server (RFC 8314, 3.3).
#[derive(Clone)]
pub(crate) struct Submission {
    second: Server,
    /// Whether the second port is tried first, because only it could be connected to. Clones of the
    /// connector share it: a firewall that drops the first port costs its timeout once.
    is_first: Arc<AtomicBool>,
}

impl Submission {
    /// The two ports of a server whose first one is this, in the order in which they are tried.
    pub(crate) fn ports(&self, first: &Server) -> [Server; 2] {
        let mut ports = [first.clone(), self.second.clone()];
        if self.is_first.load(Ordering::Relaxed) {
            ports.reverse();
        }
        ports
    }

    /// Remembers the port that was used, if it could be.
    pub(crate) fn remember(&self, port: &Server, connected: bool) {
        if connected {
            self.is_first.store(*port == self.second, Ordering::Relaxed);
        }
    }
}

/// Returns whether the other port of a submission server may be tried after this error: nothing
/// listens on this one, or it does not use TLS in the way of its port. A server that was reached
/// and refused, or whose certificate is not accepted, is the same on the other port.
pub(crate) fn is_about_the_port(error: &Error) -> bool {
    match (error.step(), error.kind()) {
        (_, ErrorKind::Broken(Broken::Deadline { .. } | Broken::UnknownHost(_))) => false,
        (Step::Connect, ErrorKind::Broken(_)) => true,
        (Step::Handshake, ErrorKind::Broken(Broken::Tls(_))) => error.excerpt().is_some(),
        (Step::Handshake | Step::Greeting, ErrorKind::Broken(_)) => true,
        _ => false,
    }
}

/// The error of two ports that both failed: it is that of the port where the client came further,
/// and names what happened at the other.
pub(crate) fn of_both_ports(first: Error, second: Error) -> Error {
    let is_unreachable = second.step() == Step::Connect
        && !matches!(second.kind(), ErrorKind::Broken(Broken::Deadline { .. }));
    let (error, other) = if is_unreachable { (first, second) } else { (second, first) };
    error.with_other_port(other)
}

/// The methods that change the settings of a connector.
macro_rules! settings {
    () => {
        /// Creates a connector for this server, with the defaults that each method names.
        pub fn new(server: $crate::Server) -> Self {
            Self::from($crate::settings::Settings::new(server))
        }

        /// Creates a connector from a URL, such as one from the environment of a program:
        /// `smtps://user:p%40ss@mail.example.org?hello=www.example.org`. [`Server`](crate::Server) lists the
        /// schemes. A user name and a password are those of [`login`](Self::login); octets that a
        /// URL reserves are percent-encoded (RFC 3986, 2.1). Options set what the method of that
        /// name sets:
        ///
        /// | Option | Value | Sets |
        /// |---|---|---|
        /// | `hello` | a domain or an address literal | [`hello_name`](Self::hello_name) |
        /// | `timeout` | such as `30s` or `2m` | [`Timeouts::every_step`](crate::Timeouts::every_step), also for the reply to the end of the mail data: less than its 10 minutes leaves more messages in doubt |
        /// | `operation-timeout` | the same | [`Timeouts::operation`](crate::Timeouts::operation): one attempt to connect, one message on a connection |
        /// | `race` | `true` or `false` | [`race`](Self::race) |
        /// | `source-address` | an IP address, or one for each family with a comma between them | [`source_address`](Self::source_address) |
        /// | `proxy` | the URL of a proxy | [`proxy`](Self::proxy) |
        /// | `rcpt-max` | a number above 0 | [`Sending::rcpt_max`](crate::Sending::rcpt_max), with [`Excess::Continue`](crate::Excess::Continue) |
        /// | `eight-bit` | `send` or `refuse` | [`Sending::eight_bit`](crate::Sending::eight_bit) |
        /// | `tls-ca` | the path of a PEM file, which is read at once | [`tls`](Self::tls): only these authorities are trusted |
        ///
        /// The defaults are those of a program that submits messages: addresses are
        /// [raced](Self::race), and the [timeouts](crate::Timeouts::submission) are shorter than
        /// those of a relay.
        ///
        /// # Errors
        /// What is wrong with the URL, and what to write instead. The text has no password.
        pub fn from_url(url: &str) -> Result<Self, $crate::InvalidUrl> {
            let (settings, others) = $crate::settings::Settings::from_url(url)?;
            $crate::url::options::refuse_others(&others, false)?;
            Ok(Self::from(settings))
        }

        /// Creates a connector to the submission server on this host (RFC 8314, 3.3): over TLS on
        /// port 465; and if that port cannot be connected to, or does not use TLS, with STARTTLS on
        /// port 587. Never in clear. [`Connection::server`] tells which of them was used; the
        /// connector and its clones try that one first from then on. If neither can be used, the
        /// error names both ([`Error::other_port`](crate::Error::other_port)).
        ///
        /// The defaults are those of [`from_url`](Self::from_url).
        pub fn submission(host: &str) -> Self {
            Self::from($crate::settings::Settings::submission(host))
        }

        /// The name for EHLO, HELO or LHLO. By default the address of this end as an address
        /// literal, or `localhost` if it has none.
        #[must_use]
        pub fn hello_name(mut self, name: $crate::HelloName) -> Self {
            self.settings.hello_name = Some(name);
            self
        }

        /// How long each step may take: for connecting, and for the connection until it is given
        /// others. By default what RFC 5321, 4.5.3.2 asks for
        /// ([`Timeouts::relay`](crate::Timeouts::relay)); with [`from_url`](Self::from_url) and
        /// [`submission`](Self::submission), [`Timeouts::submission`](crate::Timeouts::submission).
        #[must_use]
        pub fn timeouts(mut self, timeouts: $crate::Timeouts) -> Self {
            self.settings.timeouts = timeouts;
            self
        }

        /// How messages are sent, until the connection is told otherwise.
        #[must_use]
        pub fn sending(mut self, sending: $crate::Sending) -> Self {
            self.settings.sending = sending;
            self
        }

        /// How much of a reply is held at most.
        #[must_use]
        pub fn reply_limits(mut self, limits: $crate::ReplyLimits) -> Self {
            self.settings.limits = limits;
            self
        }

        /// Lets `observer` see every command, reply and text. By default there is no observer.
        #[must_use]
        pub fn observer(mut self, observer: impl $crate::session::Observer + 'static) -> Self {
            self.settings.observer = Some(std::sync::Arc::new(observer));
            self
        }

        /// How TLS is done, if the server's address asks for it. By default the platform's
        /// certificates are trusted, and the server's must be for the host of its address.
        #[must_use]
        pub fn tls(mut self, tls: $crate::Tls) -> Self {
            self.settings.tls = Some(tls);
            self.settings.prepared_tls = std::sync::Arc::default();
            self
        }

        /// Whether a new connection in clear replaces one whose TLS handshake has failed, if TLS is
        /// [opportunistic](crate::Security::Opportunistic). By default it does not.
        #[must_use]
        pub fn clear_fallback(mut self, fallback: $crate::ClearFallback) -> Self {
            self.settings.clear_fallback = fallback;
            self
        }

        /// Does without this extension, on every connection, as if the server did not offer it: for
        /// a server that offers what it does not do well. Its line remains readable.
        ///
        /// ```no_run
        /// # use smtp_client::{Extension, Server};
        /// # #[cfg(feature = "tokio")]
        /// # use smtp_client::Connector;
        /// # #[cfg(not(feature = "tokio"))]
        /// # use smtp_client::blocking::Connector;
        /// let connector = Connector::new(Server::tcp("mx.example.org", 25));
        /// let connector = connector.without(Extension::Pipelining).without(Extension::Chunking);
        /// ```
        #[must_use]
        pub fn without(self, extension: $crate::Extension) -> Self {
            self.adjust_capabilities(move |offered| offered.without(extension))
        }

        /// Passes what the server offers through this function, at every EHLO of every connection:
        /// also after STARTTLS, after XCLIENT, at [`rehlo`](Connection::rehlo), and where it was
        /// [remembered](Self::ehlo_cache). What the function returns is what the server is taken to
        /// offer, until the next EHLO or
        /// [`set_capabilities`](Connection::set_capabilities). Several functions apply in the order
        /// of the calls. The same offer has to give the same result.
        ///
        /// ```no_run
        /// # use smtp_client::Server;
        /// # #[cfg(feature = "tokio")]
        /// # use smtp_client::Connector;
        /// # #[cfg(not(feature = "tokio"))]
        /// # use smtp_client::blocking::Connector;
        /// // This server refuses what is larger, though it does not say so.
        /// let connector = Connector::new(Server::tcp("mx.example.org", 25));
        /// let connector = connector.adjust_capabilities(|offered| {
        ///     offered.clone().with_line("SIZE 10000000").unwrap_or(offered)
        /// });
        /// ```
        #[must_use]
        pub fn adjust_capabilities(
            mut self,
            adjust: impl Fn($crate::Capabilities) -> $crate::Capabilities + Send + Sync + 'static,
        ) -> Self {
            self.settings.adjust(adjust);
            self
        }

        /// Authenticates while connecting: a connection that is not authenticated is an error then.
        /// By default the client does not authenticate.
        #[must_use]
        pub fn login(mut self, login: $crate::Login) -> Self {
            self.settings.login = Some(login);
            self
        }

        /// Remembers what the server offers, so that [`deliver`](Self::deliver) can save round
        /// trips. By default nothing is remembered.
        #[must_use]
        pub fn ehlo_cache(mut self, memory: $crate::EhloCache) -> Self {
            self.settings.ehlo_cache = Some(memory);
            self
        }
    };
}

pub(crate) use settings;

#[cfg(test)]
mod tests {
    use std::io;

    use smtp_error::Cause;

    use super::*;

    #[test]
    fn an_unknown_host_is_not_about_the_port() {
        let cause = || Cause::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        for (broken, expected) in
            [(Broken::Io(cause()), true), (Broken::UnknownHost(cause()), false)]
        {
            assert_eq!(is_about_the_port(&Error::new(Step::Connect, broken)), expected);
        }
    }
}
