//! Queries to a name server of this host that validates DNSSEC itself.
use std::sync::Arc;

use hickory_resolver::{
    ConnectionProvider as _, PoolContext,
    config::NameServerConfig,
    net::{DnsHandle as _, NetError, runtime::TokioRuntimeProvider, xfer::FirstAnswer as _},
    proto::{
        dnssec::Proof,
        op::{DnsRequest, DnsRequestOptions, DnsResponse, Query},
    },
};

/// Believes the bit AD. It sends each query itself, since the pool of name servers keeps no header of
/// a denial.
pub(super) struct Trusting {
    pub(super) servers: Vec<NameServerConfig>,
    pub(super) context: Arc<PoolContext>,
    pub(super) attempts: usize,
}

impl Trusting {
    pub(super) async fn ask(
        &self,
        query: &Query,
        options: DnsRequestOptions,
    ) -> Result<DnsResponse, NetError> {
        let mut result = Err(NetError::NoConnections);
        for _ in 0..self.attempts.max(1) {
            for server in &self.servers {
                result = self.ask_server(server, query, options).await;
                if result.is_ok() {
                    return result;
                }
            }
        }
        result
    }

    /// Asks over UDP, and over TCP if the response was truncated.
    async fn ask_server(
        &self,
        server: &NameServerConfig,
        query: &Query,
        options: DnsRequestOptions,
    ) -> Result<DnsResponse, NetError> {
        let mut request = DnsRequest::from_query(query.clone(), options);
        request.metadata.authentic_data = true;
        for connection in &server.connections {
            let provider = TokioRuntimeProvider::default();
            let connecting = provider.new_connection(server.ip, connection, &self.context)?;
            let response = connecting.await?.send(request.clone()).first_answer().await?;
            if !response.truncation {
                return Ok(marked(response));
            }
        }
        Err(NetError::Truncated)
    }
}

/// Notes at each record what the header says of all of them.
fn marked(mut response: DnsResponse) -> DnsResponse {
    let proof = if response.authentic_data { Proof::Secure } else { Proof::Insecure };
    for record in &mut response.answers {
        record.proof = proof;
    }
    response
}
