//! A scripted SMTP and LMTP server for integration tests.
//!
//! A test writes down the dialogue that it wants, gives the client under test one end of the
//! connection, and asks for the verdict. The server knows no SMTP: it compares octets, so that no
//! mistake of a shared codec can hide.
//!
//! ```
//! use smtp_testkit::{Script, Server};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let script: Script = "
//!     S: 220 mx.example.org ready
//!     C: QUIT
//!     S: 221 bye
//! ".parse().unwrap();
//! let (server, mut client) = Server::pipe(script);
//!
//! client.read(&mut [0; 512]).await.unwrap();
//! client.write_all(b"QUIT\r\n").await.unwrap();
//! client.read(&mut [0; 512]).await.unwrap();
//! drop(client);
//!
//! let report = server.finish().await.unwrap();
//! assert_eq!(report.dialogue().count(), 5); // three lines, and both sides close
//! # });
//! ```
//!
//! # The format of scripts
//!
//! White space before a line, empty lines and lines that begin with `#` mean nothing. The order
//! is the assertion: the server writes a block of `S:` lines when every line before it has
//! arrived *and nothing else has*. Four `C:` lines before the first `S:` prove that the client
//! pipelines; one `C:` line before each `S:` proves that it does not.
//!
//! | Line | What happens |
//! |---|---|
//! | `S: 250 OK` | The server sends this line and CRLF. Neighbors are one write. |
//! | `C: QUIT` | The client sends exactly this line and CRLF. |
//! | <code>C&#124; DATA</code> | The same, and with its neighbors in one segment (seen on a [`Pipe`] in clear). |
//! | `C~ EHLO *` | The client sends a line like this, where `*` stands for any octets. |
//! | `[text]` | The client sends a message text, up to the line with a single dot. |
//! | `[chunk 86]` | The client sends so many octets, whatever they are. |
//! | `[raw "220 go\r\n"]` | The server sends these octets at once. Escapes: `\r \n \t \0 \\ \" \xHH`. |
//! | `[split 1]` | The `S:` lines that follow leave in writes of so many octets. |
//! | `[delay 30s]` | The server does nothing for `ms`, `s`, `m` or `h`. |
//! | `[tls]`, `[starttls]` | A TLS handshake, first of all or now. |
//! | `[tls-abort]` | The server closes when the client begins TLS. |
//! | `[half-close]` | The server writes no more, and reads on. |
//! | `[expect-close]` | The client closes, or half-closes. |
//! | `[close]`, `[abort]` | The server closes; under TLS, with or without `close_notify`. |
//! | `[reset]` | The server resets the connection (a Unix socket is closed). |
//! | `[stall]` | The server neither reads nor writes until the client has gone. |
//!
//! A script that does not end the connection itself ends with the client closing it. A server
//! that finds a client departing from its script closes, so that the client does not hang.

mod acceptor;
mod builder;
mod certificate;
mod escape;
mod inbox;
mod matching;
mod message;
mod mismatch;
mod pipe;
mod player;
mod report;
mod script;
mod server;
mod stream;
mod tls;
mod transcript;
mod watchdog;

pub use self::acceptor::Dialer;
pub use self::builder::ServerBuilder;
pub use self::certificate::{Authority, CertificateKind, Identity, InvalidName};
pub use self::matching::Matching;
pub use self::message::Message;
pub use self::mismatch::{Mismatch, MismatchKind};
pub use self::pipe::{Pipe, pipe};
pub use self::report::{Conversation, Line, Report, Speaker, TlsFacts};
pub use self::script::{Entry, Event, Script, ScriptError, ScriptErrorKind};
pub use self::server::Server;
