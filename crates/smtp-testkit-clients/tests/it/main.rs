//! One server, and clients of several makes.

mod bugs;
mod curl;
mod lettre_blocking;
mod lettre_tokio;
mod mail_send;
mod ours;
mod python;

/// What every client is given to send; its last line has no end.
const TEXT: &str = "Subject: hi\r\n\r\n.A dot leads this line.";
/// What the server is to have in the end.
const RECEIVED: &str = "Subject: hi\r\n\r\n.A dot leads this line.\r\n";
