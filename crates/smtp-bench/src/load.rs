//! The generator of load: many connections to a server, in one thread, with as little work as
//! possible, so that the server is what takes time.
use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream as StdTcpStream,
    sync::Arc,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{client::HOST, job::Job, server::Running};

/// What is sent for a message.
#[derive(Debug)]
pub struct Script(Vec<Step>);

#[derive(Debug)]
struct Step {
    octets: Vec<u8>,
    replies: usize,
}

/// Whether the client waits for the reply to each command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Every command has to wait for the reply to the one before.
    Each,
    /// MAIL, RCPT and DATA are sent together (RFC 2920).
    Grouped,
}

impl Script {
    /// Makes the script of a message.
    pub fn new(job: &Job, pace: Pace) -> Self {
        let mut commands = vec![format!("MAIL FROM:<{}>\r\n", job.from)];
        commands.extend(job.rcpts.iter().map(|rcpt| format!("RCPT TO:<{rcpt}>\r\n")));
        commands.push("DATA\r\n".to_owned());
        let mut steps: Vec<Step> = match pace {
            Pace::Each => {
                let step = |line: String| Step { octets: line.into_bytes(), replies: 1 };
                commands.into_iter().map(step).collect()
            }
            Pace::Grouped => {
                vec![Step { octets: commands.concat().into_bytes(), replies: commands.len() }]
            }
        };
        let mut octets = Vec::with_capacity(job.text.len() + 3);
        for line in job.text.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b".") {
                octets.push(b'.');
            }
            octets.extend_from_slice(line);
        }
        octets.extend_from_slice(b".\r\n");
        steps.push(Step { octets, replies: 1 });
        Self(steps)
    }
}

/// Connections that are open and idle between two calls.
#[derive(Debug)]
pub struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    step: usize,
    written: usize,
    replies: Replies,
}

impl Load {
    /// Opens so many connections, and sends EHLO on each.
    pub fn connect(server: &Running, connections: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut open = Vec::with_capacity(connections);
        for number in 0..connections {
            let mut stream = greeted(server)?;
            converse(&mut stream, b"EHLO client.example.org\r\n", 1)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(number), interest)?;
            let replies = Replies::default();
            open.push(Connection { stream, step: 0, written: 0, replies });
        }
        Ok(Self { poll, events: Events::with_capacity(1024), connections: open })
    }

    /// Sends so many messages over all connections, and waits for the last reply.
    pub fn send(&mut self, Script(steps): &Script, messages: usize) -> io::Result<()> {
        let (mut begun, mut ended) = (0, 0);
        let mut busy = vec![false; self.connections.len()];
        for (connection, busy) in self.connections.iter_mut().zip(&mut busy) {
            if begun < messages {
                begun += 1;
                *busy = true;
                connection.write(steps)?;
            }
        }
        let mut buffer = [0; 4096];
        while ended < messages {
            self.poll.poll(&mut self.events, None)?;
            for event in &self.events {
                let Token(number) = event.token();
                if !busy[number] {
                    continue;
                }
                let connection = &mut self.connections[number];
                if connection.step < steps.len() {
                    connection.write(steps)?;
                }
                if !event.is_readable() || !connection.read(steps, &mut buffer)? {
                    continue;
                }
                ended += 1;
                busy[number] = begun < messages;
                if begun < messages {
                    begun += 1;
                    connection.write(steps)?;
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    /// Writes what is left of the step, as far as there is room.
    fn write(&mut self, steps: &[Step]) -> io::Result<()> {
        let octets = &steps[self.step].octets;
        while self.written < octets.len() {
            match self.stream.write(&octets[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads replies. Returns whether the message has been replied to.
    fn read(&mut self, steps: &[Step], buffer: &mut [u8]) -> io::Result<bool> {
        // A short read has emptied the socket; the next octets are an event of their own.
        match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.replies.receive(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        if self.replies.ended < steps[self.step].replies {
            return Ok(false);
        }
        (self.replies.ended, self.written) = (0, 0);
        self.step += 1;
        if self.step == steps.len() {
            self.step = 0;
            return Ok(true);
        }
        self.write(steps)?;
        Ok(false)
    }
}

/// Opens a connection and waits for the greeting.
pub fn greeted(server: &Running) -> io::Result<StdTcpStream> {
    let mut stream = server.connect()?;
    converse(&mut stream, b"", 1)?;
    Ok(stream)
}

/// A connection inside TLS.
pub type TlsStream = StreamOwned<ClientConnection, StdTcpStream>;

/// Opens a connection, makes the handshake, and waits for the greeting.
pub fn greeted_inside_tls(server: &Running, tls: &Arc<ClientConfig>) -> io::Result<TlsStream> {
    let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
    let client = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(client, server.connect()?);
    converse(&mut stream, b"", 1)?;
    Ok(stream)
}

/// Writes commands, and waits for so many replies.
pub fn converse(stream: &mut (impl Read + Write), octets: &[u8], replies: usize) -> io::Result<()> {
    stream.write_all(octets)?;
    let (mut found, mut buffer) = (Replies::default(), [0; 4096]);
    while found.ended < replies {
        match stream.read(&mut buffer)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => found.receive(&buffer[..count])?,
        }
    }
    Ok(())
}

/// Finds the ends of replies, and that they accept.
#[derive(Debug, Default)]
struct Replies {
    column: usize,
    is_last_line: bool,
    ended: usize,
}

impl Replies {
    fn receive(&mut self, octets: &[u8]) -> io::Result<()> {
        for &octet in octets {
            match self.column {
                0 if !matches!(octet, b'2' | b'3') => {
                    let text = String::from_utf8_lossy(octets).into_owned();
                    return Err(io::Error::other(format!("the server refused: {text}")));
                }
                3 => self.is_last_line = octet != b'-',
                _ => {}
            }
            self.column += 1;
            if octet == b'\n' {
                self.ended += usize::from(self.is_last_line);
                self.column = 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_however_they_are_cut() {
        let mut replies = Replies::default();
        for octet in b"250-a\r\n250-b\r\n250 c\r\n354 d\r\n" {
            replies.receive(&[*octet]).unwrap();
        }
        assert_eq!(replies.ended, 2);
        assert!(replies.receive(b"250 a\r\n451 b\r\n").is_err());
    }
}
