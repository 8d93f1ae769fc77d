//! A client that sends and expects what a test tells it.

use smtp_testkit::{MismatchKind, Pipe, Script, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Wraps any connection.
pub(crate) struct Client<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, octets: &str) {
        self.0.write_all(octets.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    pub(crate) async fn receive(&mut self, expected: &str) {
        let mut octets = vec![0; expected.len()];
        self.0.read_exact(&mut octets).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&octets), expected);
    }

    /// The result of one read.
    pub(crate) async fn receive_segment(&mut self) -> String {
        let mut octets = vec![0; 4096];
        let count = self.0.read(&mut octets).await.unwrap();
        String::from_utf8_lossy(&octets[..count]).into_owned()
    }

    /// Expects the end of the connection, orderly or not.
    pub(crate) async fn receive_end_or_reset(&mut self) {
        assert_eq!(self.0.read(&mut [0; 16]).await.unwrap_or_default(), 0, "nothing may follow");
    }

    pub(crate) async fn receive_end(&mut self) {
        assert_eq!(self.0.read(&mut [0; 16]).await.unwrap(), 0, "the server should have closed");
    }
}

pub(crate) fn script(text: &str) -> Script {
    Script::parse(text).unwrap()
}

/// Plays `script` to a client on a pipe.
pub(crate) fn play(text: &str) -> (Server, Client<Pipe>) {
    let (server, pipe) = Server::pipe(script(text));
    (server, Client(pipe))
}

/// The kind of mismatch for a client that sends `octets` at once and closes.
pub(crate) async fn departure(text: &str, octets: &str) -> Option<MismatchKind> {
    let (server, mut client) = play(text);
    client.send(octets).await;
    drop(client);
    server.finish().await.err().map(|mismatch| mismatch.kind())
}
