//! Messages whose callers have gone while they were queued: what they hold is freed.
use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use smtp_client::{MailData, Mailer};
use tokio::time::{sleep, timeout};

use crate::{
    host::{Answer::Late, Host},
    mailer::{envelope, pool, spawn},
    stage::perform,
};

/// The content of a message, which is counted as long as the mailer has it.
struct Counted {
    content: &'static [u8],
    _count: Arc<()>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.content
    }
}

/// Sends a message, and drops its future while it is queued.
async fn cancel(mailer: &Mailer, count: &Arc<()>) {
    let counted = Counted { content: b"a: b\r\n", _count: Arc::clone(count) };
    let content = MailData::new(Bytes::from_owner(counted)).unwrap();
    let sent = timeout(Duration::from_millis(1), mailer.send(envelope("b"), content)).await;
    assert!(sent.is_err(), "{sent:?}");
}

/// A mailer whose only connection is busy for a minute.
async fn busy() -> Mailer {
    let (_, connector) = Host::new(|_, line| match line {
        "." => Late(Duration::from_secs(60), "250 taken\r\n"),
        line => Host::good(line),
    });
    let mailer = pool(connector, 1).queue_limit(4).build();
    drop(spawn(&mailer, "a"));
    sleep(Duration::from_secs(1)).await;
    mailer
}

#[test]
fn messages_of_callers_that_have_gone_do_not_pile_up() {
    perform(async {
        let (mailer, count) = (busy().await, Arc::new(()));
        for _ in 0..100 {
            cancel(&mailer, &count).await;
        }
        // Twice as many as have a place, and a few more.
        assert!(Arc::strong_count(&count) <= 12, "{}", Arc::strong_count(&count));
    });
}

#[test]
fn messages_of_callers_that_have_gone_are_freed_when_the_connection_looks_for_the_next() {
    perform(async {
        let (mailer, count) = (busy().await, Arc::new(()));
        for _ in 0..3 {
            cancel(&mailer, &count).await;
        }
        assert_eq!((Arc::strong_count(&count), mailer.waiting()), (4, 0));
        sleep(Duration::from_secs(60)).await;
        assert_eq!((Arc::strong_count(&count), mailer.connections()), (1, 1));
    });
}
