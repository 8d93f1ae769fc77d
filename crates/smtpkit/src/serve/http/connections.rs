//! The connections of the page and the API: bounded in number, and in the time for a request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at one time. Others wait in the queue of the listener.
const CONNECTIONS: usize = 512;
/// The time in which the header section of a request must arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of a header section.
const LARGEST_HEADER: usize = 64 * 1024;
/// The pause after an error of `accept`, which is mostly a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(listener: TcpListener, router: Router) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropping the set ends the connections.
    let mut connections = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let Ok((stream, _peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            builder.max_buf_size(LARGEST_HEADER);
            // How a connection ends does not matter to the server.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}
