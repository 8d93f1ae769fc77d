//! Changes: what the caller may set between two operations, and what the next message would
//! notice.
use smtp_caps::Capabilities;
use smtp_codec::HelloName;

use super::Session;

impl Session {
    /// Changes the name for the next EHLO, HELO or LHLO.
    pub fn set_hello_name(&mut self, name: HelloName) {
        self.hello_name = name;
        self.changes += 1;
    }

    /// Takes away or changes capabilities until the next [`Hello`](super::Hello) replaces them.
    pub fn set_capabilities(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
        self.changes += 1;
    }

    /// Changes whenever something was changed that the next message would notice: who the client
    /// is, for whom it speaks, and what it takes for offered.
    pub fn changes(&self) -> u32 {
        self.changes
    }
}
