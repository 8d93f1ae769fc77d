//! A server for any number of connections in memory, for clients that open their own.
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use smtp_client::{Connector, Server};
use smtp_testkit::{Pipe, pipe};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    time::sleep,
};

/// What the host does about a line.
pub(crate) enum Answer {
    Say(&'static str),
    /// Sends it after some time.
    Late(Duration, &'static str),
    /// Closes without a reply.
    Close,
    /// Sends this, and closes.
    CloseWith(&'static str),
    /// Does nothing more, and keeps the connection.
    Stall,
}

/// What the clients did, connection by connection.
#[derive(Clone, Default)]
pub(crate) struct Host {
    heard: Arc<Mutex<Vec<Vec<String>>>>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    /// How many of those that are open were greeted with 220.
    admitted: Arc<AtomicUsize>,
}

impl Host {
    /// A host, and the way to connect to it. `answer` is given the number of the connection, from
    /// 0, and each line; the empty line is the connection itself. A text is one line, its dot. What
    /// is accepted without a sender or without recipients is refused all the same.
    pub(crate) fn new(
        answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> (Self, Connector) {
        Self::aware(move |_, number, line| answer(number, line))
    }

    /// The same, where the answer depends on what the host knows.
    pub(crate) fn aware(
        answer: impl Fn(&Self, usize, &str) -> Answer + Send + Sync + 'static,
    ) -> (Self, Connector) {
        Self::at(Server::tcp("localhost", 25), answer)
    }

    /// The same, for clients that take it for this server.
    pub(crate) fn at(
        server: Server,
        answer: impl Fn(&Self, usize, &str) -> Answer + Send + Sync + 'static,
    ) -> (Self, Connector) {
        let host = Self::default();
        let answer = Arc::new(answer);
        let serving = host.clone();
        let connector = Connector::new(server)
            .hello_name("client.example".parse().unwrap())
            .dialer(move |_| {
                let (client, stream) = pipe(65_536);
                let number = serving.begin();
                tokio::spawn(serving.clone().serve(stream, number, Arc::clone(&answer)));
                async { Ok::<Pipe, io::Error>(client) }
            });
        (host, connector)
    }

    /// Replies like a server that accepts everything.
    pub(crate) fn good(line: &str) -> Answer {
        Answer::Say(match line {
            "" => "220 hi\r\n",
            "DATA" => "354 go\r\n",
            "QUIT" => "221 bye\r\n",
            line if line.starts_with("EHLO") || line.starts_with("LHLO") => {
                "250-hi\r\n250 PIPELINING\r\n"
            }
            _ => "250 ok\r\n",
        })
    }

    /// The lines of each connection, EHLO first.
    pub(crate) fn heard(&self) -> Vec<Vec<String>> {
        self.heard.lock().unwrap().clone()
    }

    /// How many lines of all connections begin so.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        let heard = self.heard();
        heard.iter().flatten().filter(|line| line.starts_with(beginning)).count()
    }

    /// How many connections were open at the same time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open_now(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// How many connections are open that were greeted with 220.
    pub(crate) fn admitted(&self) -> usize {
        self.admitted.load(Ordering::SeqCst)
    }

    /// How many lines of one connection begin so.
    pub(crate) fn count_on(&self, number: usize, beginning: &str) -> usize {
        self.heard()[number].iter().filter(|line| line.starts_with(beginning)).count()
    }

    fn begin(&self) -> usize {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        let mut heard = self.heard.lock().unwrap();
        heard.push(Vec::new());
        heard.len() - 1
    }

    async fn serve<A: Fn(&Self, usize, &str) -> Answer>(
        self,
        stream: Pipe,
        number: usize,
        answer: Arc<A>,
    ) {
        let mut stream = BufReader::new(stream);
        let (mut in_text, mut admitted) = (false, false);
        let mut transaction = Transaction::default();
        let mut line = String::new();
        loop {
            if !in_text || line == "." {
                let answer = answer(&self, number, &line);
                if line.is_empty()
                    && let Answer::Say(reply) | Answer::Late(_, reply) = &answer
                    && reply.starts_with("220")
                {
                    admitted = true;
                    self.admitted.fetch_add(1, Ordering::SeqCst);
                }
                match answer {
                    Answer::Say(reply) => {
                        let reply = transaction.reply(&line, reply);
                        in_text = reply.starts_with("354");
                        let _ = stream.write_all(reply.as_bytes()).await;
                    }
                    Answer::Late(after, reply) => {
                        sleep(after).await;
                        let reply = transaction.reply(&line, reply);
                        in_text = reply.starts_with("354");
                        let _ = stream.write_all(reply.as_bytes()).await;
                    }
                    Answer::Close => break,
                    Answer::CloseWith(reply) => {
                        let _ = stream.write_all(reply.as_bytes()).await;
                        break;
                    }
                    Answer::Stall => {
                        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {}
                        break;
                    }
                }
            }
            line.clear();
            if !stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                break;
            }
            line.truncate(line.trim_end().len());
            if let Some(size) = line.strip_prefix("BDAT ").filter(|_| !in_text) {
                let size: u64 = size.trim_end_matches(" LAST").parse().unwrap();
                let mut chunk = (&mut stream).take(size);
                let _ = tokio::io::copy(&mut chunk, &mut tokio::io::sink()).await;
            }
            if !in_text || line == "." {
                self.heard.lock().unwrap()[number].push(line.clone());
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.admitted.fetch_sub(usize::from(admitted), Ordering::SeqCst);
    }
}

/// How far a mail transaction has come.
#[derive(Default)]
struct Transaction {
    sender: bool,
    recipient: bool,
}

impl Transaction {
    /// The reply to a line that is to be answered so: where something is missing, a refusal.
    fn reply(&mut self, line: &str, reply: &'static str) -> &'static str {
        let accepted = reply.starts_with('2');
        match line.split(' ').next().unwrap_or_default() {
            "MAIL" if self.sender && accepted => return "503 5.5.1 nested MAIL\r\n",
            "MAIL" => *self = Self { sender: accepted, recipient: false },
            "RCPT" if !self.sender && accepted => return "503 5.5.1 MAIL first\r\n",
            "RCPT" => self.recipient |= accepted,
            "DATA" if !self.recipient && reply.starts_with('3') => {
                return "554 5.5.1 no valid recipients\r\n";
            }
            "DATA" | "EHLO" => {}
            "RSET" if !accepted => {}
            _ => *self = Self::default(),
        }
        reply
    }
}
