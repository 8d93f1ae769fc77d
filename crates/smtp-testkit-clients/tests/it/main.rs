//! The same tests with clients from several projects.

mod bugs;
mod curl;
mod lettre_blocking;
mod lettre_tokio;
mod mail_send;
mod ours;
mod python;
mod server;

/// The text that every client sends; its last line has no line end.
const TEXT: &str = "Subject: hi\r\n\r\n.A dot leads this line.";
/// The text that the server receives.
const RECEIVED: &str = "Subject: hi\r\n\r\n.A dot leads this line.\r\n";
