//! `smtpkit serve` as a process, with clients for SMTP and HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::program::command;

/// A running server; it is killed when this is dropped.
pub(super) struct Serve {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The listeners, as they were printed.
    listeners: Vec<Value>,
}

impl Serve {
    /// Starts `serve` with these options, on free ports unless they say otherwise.
    pub(super) fn start(options: &[&str]) -> Self {
        let arguments = [&["serve", "--json", "--http", "0"], options].concat();
        let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut serve = Self { child, output, listeners: Vec::new() };
        // The listener for HTTP is the last one.
        while serve.listeners.last().is_none_or(|last| last["service"] != "http") {
            let record = serve.next();
            assert_eq!(record["type"], "listening");
            serve.listeners.push(record);
        }
        serve
    }

    /// The next record that it prints.
    pub(super) fn next(&mut self) -> Value {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it has ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Connects to the listener for this service, and reads the greeting.
    pub(super) fn client(&self, service: &str) -> Client {
        Client::connect(self.port(service))
    }

    /// The port of the listener for this service.
    pub(super) fn port(&self, service: &str) -> u16 {
        let is_it = |record: &&Value| record["service"] == service;
        let record = self.listeners.iter().find(is_it).unwrap();
        record["port"].as_u64().unwrap().try_into().unwrap()
    }

    /// Delivers a message over SMTP, and returns the last reply.
    pub(super) fn deliver(&self, to: &str, content: &str) -> String {
        self.client("smtp").deliver(to, content)
    }

    /// Makes a request to the API, and returns the status and the object of the answer.
    pub(super) fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        self.request(method, path, "application/json", "")
    }

    /// The same, with a body of this type.
    pub(super) fn request(&self, method: &str, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let port = self.port("http");
        let mut stream = connect(port);
        write!(
            stream,
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }

    /// Sends a signal, and returns the exit status and what was printed last.
    #[cfg(unix)]
    pub(super) fn end(mut self, signal: &str) -> (Option<i32>, Value) {
        self.signal(signal);
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (status.code(), serde_json::from_str(rest.lines().last().unwrap()).unwrap())
    }

    #[cfg(unix)]
    pub(super) fn signal(&self, signal: &str) {
        let killed = std::process::Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status();
        assert!(killed.unwrap().success());
    }

    /// Returns whether it has not ended yet.
    #[cfg(unix)]
    pub(super) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A number of `/proc/PID/status`, in KiB.
    #[cfg(target_os = "linux")]
    pub(super) fn memory(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to a mail listener.
pub(super) struct Client(BufReader<TcpStream>);

impl Client {
    pub(super) fn connect(port: u16) -> Self {
        let mut client = Self(BufReader::new(connect(port)));
        client.reply();
        client
    }

    #[cfg(unix)]
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    /// Sends a line, and returns the reply without its line ends.
    pub(super) fn send(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// Reads a reply; it is empty if the server has closed.
    pub(super) fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or_default() == 0 {
                return reply;
            }
            reply.push_str(&line);
            if line.as_bytes().get(3) == Some(&b' ') {
                return reply.trim_end().replace("\r\n", "\n");
            }
        }
    }

    /// Sends lines until the server takes no more, at most this number of octets; returns how many
    /// were sent.
    pub(super) fn flood(&mut self, most: usize) -> usize {
        let lines = "0123456789abcdef\r\n".repeat(1_000);
        let mut sent = 0;
        while sent < most && self.0.get_mut().write_all(lines.as_bytes()).is_ok() {
            sent += lines.len();
        }
        sent
    }

    /// Delivers a message on a new connection; returns the first refusal, or the last reply.
    pub(super) fn deliver(&mut self, to: &str, content: &str) -> String {
        let rcpt = format!("RCPT TO:<{to}>");
        let text = format!("{content}\r\n.");
        let mut reply = String::new();
        for line in ["EHLO client.example", "MAIL FROM:<a@example.org>", &rcpt, "DATA", &text] {
            reply = self.send(line);
            if !reply.starts_with(['2', '3']) {
                return reply;
            }
        }
        reply
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // So that a server that does not answer fails the test.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
