//! The server of the sink: one thread per connection.
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use super::Dialogue;

/// How a sink acknowledges and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Acknowledges every segment at once, so that only the client takes time.
    Prompt,
    /// Acknowledges when the system does, which is late for a client that waits for it.
    Plain,
    /// Writes each reply by itself, and lets the system hold back a small one until the one before is
    /// acknowledged, as servers do that do not set TCP_NODELAY.
    Held,
    /// Delays every reply by this time, like a connection with a long round trip.
    Late(Duration),
}

/// A server that accepts every message.
#[derive(Debug)]
pub struct Sink {
    listener: TcpListener,
    pace: Pace,
    tls: Option<Arc<ServerConfig>>,
}

/// The number of octets per read.
const READ: usize = 256 * 1024;

impl Sink {
    /// Listens on a free port of this machine; with `tls`, connections begin with TLS.
    pub fn bind(pace: Pace, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, pace, tls })
    }

    /// The port.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves all connections, forever.
    pub fn serve(self) -> io::Result<()> {
        for stream in self.listener.incoming() {
            let (stream, pace, tls) = (stream?, self.pace, self.tls.clone());
            // A client that closes early does not affect the others.
            thread::spawn(move || converse(stream, pace, tls).unwrap_or(()));
        }
        Ok(())
    }
}

fn converse(stream: TcpStream, pace: Pace, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    stream.set_nodelay(pace != Pace::Held)?;
    if let Some(config) = tls {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        return answer(&mut stream, false, |stream| acknowledge(&stream.sock));
    }
    match pace {
        Pace::Plain => answer(&mut &stream, false, |_| Ok(())),
        Pace::Held => answer(&mut &stream, true, |_| Ok(())),
        Pace::Prompt => answer(&mut &stream, false, |stream| acknowledge(stream)),
        Pace::Late(delay) => answer_late(&stream, delay),
    }
}

/// Acknowledges received octets at once instead of after a timer. The system resets this option.
fn acknowledge(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_quickack(true)
}

/// Writes the replies to each batch of commands at once, or line by line.
fn answer<S: Read + Write>(
    stream: &mut S,
    by_line: bool,
    mut received: impl FnMut(&S) -> io::Result<()>,
) -> io::Result<()> {
    let (mut dialogue, mut replies) = (Dialogue::default(), Vec::new());
    let mut buffer = vec![0; READ];
    stream.write_all(Dialogue::greeting())?;
    stream.flush()?;
    while !dialogue.is_over() {
        let octets = stream.read(&mut buffer)?;
        if octets == 0 {
            break;
        }
        received(stream)?;
        dialogue.receive(&buffer[..octets], &mut replies);
        for part in replies.split_inclusive(|&octet| by_line && octet == b'\n') {
            stream.write_all(part)?;
            stream.flush()?;
        }
        replies.clear();
    }
    Ok(())
}

/// Reads on while replies are delayed, so that only the round trip takes time.
fn answer_late(stream: &TcpStream, delay: Duration) -> io::Result<()> {
    let (line, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn(move || -> io::Result<()> {
        for (at, replies) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            writer.write_all(&replies)?;
        }
        Ok(())
    });
    let send = |replies| line.send((Instant::now() + delay, replies)).unwrap_or(());
    let (mut dialogue, mut buffer) = (Dialogue::default(), vec![0; READ]);
    send(Dialogue::greeting().to_vec());
    let mut reader = stream;
    while !dialogue.is_over() {
        let octets = reader.read(&mut buffer)?;
        if octets == 0 {
            break;
        }
        acknowledge(stream)?;
        let mut replies = Vec::new();
        dialogue.receive(&buffer[..octets], &mut replies);
        if !replies.is_empty() {
            send(replies);
        }
    }
    drop(line);
    writing.join().unwrap_or(Ok(()))
}
