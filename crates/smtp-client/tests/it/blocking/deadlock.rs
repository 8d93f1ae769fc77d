//! Servers that do not read on until their replies are read: a client that only wrote would wait
//! for ever.
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
};

use smtp_client::{Envelope, MailData, Server, blocking::Connector, session::Dialect};
use tokio::{net::TcpSocket, runtime::Builder};

/// A reply to RCPT fills this much.
const REPLY: usize = 400;
const RECIPIENTS: usize = 3000;
/// Room for a few commands or replies.
const BUFFER: u32 = 4096;

/// Two ends of a connection with small buffers.
fn connected() -> (TcpStream, TcpStream) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (client, server) = runtime.block_on(async {
        let (client, server) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
        for socket in [&client, &server] {
            socket.set_send_buffer_size(BUFFER).unwrap();
            socket.set_recv_buffer_size(BUFFER).unwrap();
        }
        server.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = server.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(client.connect(address), listener.accept());
        (client.unwrap().into_std().unwrap(), accepted.unwrap().0.into_std().unwrap())
    });
    server.set_nonblocking(false).unwrap();
    (client, server)
}

/// Answers one line after the other, and reads none before the reply to the last one has left.
fn serve(stream: TcpStream, dialect: Dialect) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut say = |reply: &str| writer.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
    let long = |code: &str| format!("{code} {}", "x".repeat(REPLY));
    say("220 hi");
    while let Some(Ok(line)) = lines.next() {
        match &line[..4] {
            "EHLO" | "LHLO" => say("250-hi\r\n250 PIPELINING"),
            "RCPT" => say(&long("250")),
            "DATA" => {
                say("354 go");
                while lines.next().unwrap().unwrap() != "." {}
                let replies = if dialect == Dialect::Lmtp { RECIPIENTS } else { 1 };
                (0..replies).for_each(|_| say(&long("250")));
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok"),
        }
    }
}

#[test]
fn replies_are_read_while_a_large_group_is_written() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        let (client, server) = connected();
        let serving = thread::spawn(move || serve(server, dialect));
        let connector = Connector::new(Server::tcp("localhost", 25).dialect(dialect))
            .timeouts(smtp_client::Timeouts::every_step(super::PATIENCE));
        let mut connection = connector.connect_over(client).unwrap();
        let name = "r".repeat(60);
        let rcpts = (0..RECIPIENTS).map(|number| format!("{name}{number}@x.org"));
        let rcpts: Vec<String> = rcpts.collect();
        let envelope = Envelope::new("a@x.org", rcpts.iter().map(|rcpt| &**rcpt)).unwrap();
        let text = MailData::new("x\r\n".repeat(100_000)).unwrap();
        let delivery = connection.send(&envelope, &text).unwrap();
        assert_eq!(delivery.verdicts().len(), RECIPIENTS);
        assert!(delivery.all_accepted());
        connection.quit().unwrap();
        serving.join().unwrap();
    }
}
