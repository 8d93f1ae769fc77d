//! Servers of every manner, and servers that fall silent at every point: whatever is done comes to
//! the same as with the client on tokio.
use std::{mem::discriminant, net::SocketAddr, thread, time::Duration};

use smtp_client::{Broken, ErrorKind, Step, Timeouts};
use smtp_testkit::pipe;
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot, time::Instant};

use super::{PATIENCE, SHORT, short_at};
use crate::{
    act::{Act, Came},
    manner::{Manner, Stuck, serve},
    stage::{connector, perform},
};

/// A server that serves one client in this manner, until it is dropped.
struct Host {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Host {
    fn new(act: Act, manner: Manner) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let serving = async {
                    let listener = TcpListener::from_std(listener).unwrap();
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    serve(stream, act.service(), manner).await;
                };
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, _stop: stop }
    }
}

fn blocked(act: Act, manner: Manner, timeouts: Timeouts) -> Came {
    let host = Host::new(act, manner);
    let connector = super::connector(host.address, act.service().dialect);
    let mut connection = connector.connect().unwrap();
    act.perform_blocking(&mut connection.scoped_timeouts(timeouts))
}

fn awaited(act: Act, manner: Manner, timeouts: Timeouts) -> (Came, Duration) {
    perform(async {
        let (client, server) = pipe(65_536);
        let service = act.service();
        let server = tokio::spawn(serve(server, service, manner));
        let mut connection = connector(service.dialect).connect_over(client).await.unwrap();
        let begun = Instant::now();
        let came = act.perform(&mut connection.scoped_timeouts(timeouts)).await;
        server.abort();
        (came, begun.elapsed())
    })
}

/// What is told of it: the verdicts, the reply, and the error.
#[track_caller]
fn check(act: Act, manner: Manner, timeouts: Timeouts) {
    let came = blocked(act, manner, timeouts);
    let (awaited, _) = awaited(act, manner, timeouts);
    let cell = format!("{act:?}, {manner:?}: {came:?}, awaited {awaited:?}");
    assert_eq!(came.verdicts(), awaited.verdicts(), "{cell}");
    match (&came, &awaited) {
        (Came::Reply(Ok(one)), Came::Reply(Ok(other))) => assert_eq!(one, other, "{cell}"),
        _ => assert_eq!(came.error().is_none(), awaited.error().is_none(), "{cell}"),
    }
    if let (Some(one), Some(other)) = (came.error(), awaited.error()) {
        assert_eq!((one.step(), one.in_doubt()), (other.step(), other.in_doubt()), "{cell}");
        assert_eq!(discriminant(one.kind()), discriminant(other.kind()), "{cell}");
        assert_eq!(timed_out(one.kind()), timed_out(other.kind()), "{cell}");
    }
}

/// After which time it was given up, or how long the whole operation was to take.
fn timed_out(kind: &ErrorKind) -> Option<Duration> {
    match kind {
        ErrorKind::Broken(Broken::TimedOut { after: time } | Broken::Deadline { limit: time }) => {
            Some(*time)
        }
        _ => None,
    }
}

#[test]
fn each_act_comes_to_the_same_with_each_server() {
    use Manner::{LateAtTheEnd, OctetByOctet, Prompt, RefusingAll, RefusingTheText, Slow};
    for act in Act::all() {
        for manner in [Prompt, OctetByOctet, Slow, LateAtTheEnd, RefusingAll, RefusingTheText] {
            check(act, manner, Timeouts::every_step(PATIENCE));
        }
    }
}

/// Lets the server be stuck at each point of each act.
#[track_caller]
fn check_stalls(how: Stuck, acts: impl Iterator<Item = Act>, bounds: impl Fn(Step) -> Timeouts) {
    for act in acts {
        for replies in 0.. {
            let manner = Manner::Stuck(replies, how);
            let (came, elapsed) = awaited(act, manner, Timeouts::default());
            if elapsed.is_zero() {
                assert!(replies > 0, "{act:?} was never stuck");
                break;
            }
            check(act, manner, bounds(came.error().map_or(Step::Quit, |error| error.step())));
        }
    }
}

#[test]
fn a_silent_server_is_given_up_at_each_step_in_its_time() {
    check_stalls(Stuck::Silent, Act::all(), short_at);
}

#[test]
fn a_dribbling_server_is_given_up_at_each_step_in_its_time() {
    check_stalls(Stuck::Dribbling, Act::all(), short_at);
}

#[test]
fn a_deadline_ends_each_step() {
    let mut timeouts = Timeouts::every_step(PATIENCE);
    timeouts.operation = Some(10 * SHORT);
    let first = Act::all().find(|act| matches!(act, Act::Send(_)));
    let others = Act::all().filter(|act| !matches!(act, Act::Send(_)));
    check_stalls(Stuck::Silent, others.chain(first), |_| timeouts);
}
