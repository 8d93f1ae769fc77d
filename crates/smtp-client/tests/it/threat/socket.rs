//! A server on a real socket that sends its reply and closes while octets are unread, so that the
//! connection is reset.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::JoinHandle,
};

use smtp_client::{Connection, Connector, Error, Server};

pub(super) struct Socket {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Socket {
    /// Replies to EHLO with `offer` and accepts every other command, up to the one that begins with
    /// `last`. After it, the server reads a number of octets, sends its last reply, and closes.
    pub(super) fn listen(
        offer: &'static str,
        last: &'static str,
        octets: usize,
        word: &'static str,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            serve(stream, offer, last, octets, word);
        });
        Self { address, server }
    }

    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        let server = Server::tcp(self.address.ip().to_string(), self.address.port());
        Connector::new(server).connect().await
    }

    pub(super) fn join(self) {
        self.server.join().unwrap();
    }
}

fn serve(stream: TcpStream, offer: &str, last: &str, octets: usize, word: &str) {
    let mut writer = stream.try_clone().unwrap();
    // One octet at a time: what is not asked for stays in the socket.
    let mut reader = BufReader::with_capacity(1, stream);
    writer.write_all(b"220 hi\r\n").unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let reply = match &line[..4] {
            "EHLO" => offer,
            "DATA" => "354 go\r\n",
            _ => "250 ok\r\n",
        };
        let ends = line.starts_with(last);
        if !ends || last == "DATA" {
            writer.write_all(reply.as_bytes()).unwrap();
        }
        if ends {
            break;
        }
    }
    std::io::copy(&mut (&mut reader).take(octets as u64), &mut std::io::sink()).unwrap();
    // Octets are unread before the reply is sent.
    assert_eq!(writer.peek(&mut [0]).unwrap(), 1);
    writer.write_all(word.as_bytes()).unwrap();
}
