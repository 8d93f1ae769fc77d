//! A server in memory, whose handler does what a test says, and the client's end of a connection.
use std::sync::{Arc, Mutex};

use smtp_server::{
    Accept, Client, Closing, Context, Data, Decision, Envelope, Handler, Hello, Mail, Outcome,
    Rcpt, Refuse, Server, Service,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
};

/// What the handler does with messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Does {
    #[default]
    Accepts,
    /// Accepts without reading.
    Ignores,
    /// Reads a little, and accepts.
    ReadsSome,
    Panics,
    Fails,
    /// Waits to be notified before it reads.
    Waits,
    /// Refuses every other recipient.
    Each,
}

/// What a handler has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) messages: Vec<(Envelope, Vec<u8>)>,
    /// The errors of reading.
    pub(crate) errors: Vec<String>,
    pub(crate) closings: Vec<Closing>,
    pub(crate) resets: usize,
    /// The addresses of the clients that greeted.
    pub(crate) addresses: Vec<String>,
    /// The identities of the clients that sent MAIL.
    pub(crate) logins: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Host {
    pub(crate) does: Does,
    pub(crate) seen: Arc<Mutex<Seen>>,
    pub(crate) go: Arc<Notify>,
}

impl Host {
    pub(crate) fn that(does: Does) -> Self {
        Self { does, ..Self::default() }
    }

    pub(crate) fn messages(&self) -> Vec<(Envelope, Vec<u8>)> {
        self.seen.lock().unwrap().messages.clone()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.seen.lock().unwrap().addresses.clone()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        self.seen.lock().unwrap().errors.clone()
    }

    /// Connects a client to a server with this handler, and serves it.
    pub(crate) fn connect(&self) -> (Peer, JoinHandle<Closing>) {
        self.connect_to(Server::new(self.clone()).into_service().unwrap())
    }

    pub(crate) fn connect_to(&self, server: Service<Self>) -> (Peer, JoinHandle<Closing>) {
        let (near, far) = duplex(4096);
        let served = tokio::spawn(async move { server.serve(far, Client::new()).await.unwrap() });
        (Peer(near), served)
    }
}

impl Handler for Host {
    type State = ();

    async fn hello(&self, cx: &mut Context, _: &Hello) -> Decision {
        let address = cx.client().address().map(|address| address.to_string());
        self.seen.lock().unwrap().addresses.extend(address);
        Ok(Accept::usual())
    }

    async fn mail(&self, cx: &mut Context, _: &Mail) -> Decision {
        let login = cx.client().login().map(str::to_owned);
        self.seen.lock().unwrap().logins.extend(login);
        Ok(Accept::usual())
    }

    async fn rcpt(&self, _: &mut Context, rcpt: &Rcpt) -> Decision {
        match rcpt.path().as_str() {
            path if path.starts_with("unknown") => Err(Refuse::no_such_mailbox()),
            path if path.starts_with("panic") => panic!("asked to"),
            _ => Ok(Accept::usual()),
        }
    }

    async fn message(
        &self,
        _: &mut Context,
        envelope: &Envelope,
        data: &mut Data<'_>,
    ) -> Result<Outcome, Refuse> {
        match self.does {
            Does::Ignores => return Ok(Outcome::accepted()),
            Does::ReadsSome => {
                data.read_exact(&mut [0; 3]).await?;
                return Ok(Outcome::accepted());
            }
            Does::Panics => panic!("asked to"),
            Does::Fails => return Err(std::io::Error::other("disk full").into()),
            Does::Waits => self.go.notified().await,
            Does::Accepts | Does::Each => {}
        }
        let mut text = Vec::new();
        if let Err(error) = data.read_to_end(&mut text).await {
            self.seen.lock().unwrap().errors.push(error.to_string());
            return Err(error.into());
        }
        self.seen.lock().unwrap().messages.push((envelope.clone(), text));
        if self.does == Does::Each {
            let decide = |number: usize| match number % 2 {
                0 => Ok(Accept::usual()),
                _ => Err(Refuse::no_such_mailbox()),
            };
            return Ok(Outcome::each((0..envelope.rcpts().len()).map(decide)));
        }
        Ok(Outcome::queued_as("4711")?)
    }

    async fn reset(&self, _: &mut Context) {
        self.seen.lock().unwrap().resets += 1;
    }

    async fn closed(&self, _: &mut Context, why: Closing) {
        self.seen.lock().unwrap().closings.push(why);
    }
}

/// The client's end of a connection.
pub(crate) struct Peer(pub(crate) DuplexStream);

impl Peer {
    /// Sends these octets, and returns what comes up to a line that begins with `until`.
    pub(crate) async fn ask(&mut self, octets: &str, until: &str) -> String {
        self.0.write_all(octets.as_bytes()).await.unwrap();
        self.hear(until).await
    }

    /// Returns what comes, up to a line that begins with `until`.
    pub(crate) async fn hear(&mut self, until: &str) -> String {
        let mut heard = String::new();
        let is_there = |heard: &str| {
            heard.ends_with("\r\n") && heard.lines().last().is_some_and(|l| l.starts_with(until))
        };
        while !is_there(&heard) {
            let mut octets = [0; 512];
            let count = self.0.read(&mut octets).await.unwrap();
            assert!(count > 0, "the server closed after {heard:?}, without {until:?}");
            heard.push_str(std::str::from_utf8(&octets[..count]).unwrap());
        }
        heard
    }

    /// Returns what comes until the server closes.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

/// A client that has come to its mail data.
pub(crate) const TO_DATA: &str =
    "EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";
