//! Connections that are acquired from a mailer.
use std::time::Duration;

use smtp_client::{Attribute, Attributes, Capabilities, Timeouts};
use tokio::time::sleep;

use crate::{
    host::{Answer::Say, Host},
    mailer::{pool, send, spawn},
    stage::perform,
};

#[test]
fn an_acquired_connection_is_returned_with_its_settings_restored() {
    perform(async {
        let (host, connector) = Host::new(|_, line| Host::good(line));
        let mailer = pool(connector, 1).build();
        let mut pooled = mailer.acquire().await.unwrap();
        pooled.noop().await.unwrap();
        *pooled.timeouts_mut() = Timeouts::every_step(Duration::from_secs(1));
        // The only connection is away.
        let waiting = spawn(&mailer, "later");
        sleep(Duration::from_secs(5)).await;
        assert_eq!((mailer.waiting(), host.count("MAIL")), (1, 0));
        pooled.verify("Crispin").await.unwrap();
        drop(pooled);
        assert!(waiting.await.unwrap().unwrap().all_accepted());
        assert_eq!((host.heard().len(), host.count("NOOP"), host.count("VRFY")), (1, 1, 1));
        let mut again = mailer.acquire().await.unwrap();
        assert_eq!(*again.timeouts_mut(), Timeouts::default());
    });
}

#[test]
fn an_acquired_connection_that_has_ended_is_replaced() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            "NOOP" => Say("354 what\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let mut pooled = mailer.acquire().await.unwrap();
        assert!(pooled.noop().await.is_err());
        drop(pooled);
        assert!(send(&mailer).await.unwrap().all_accepted());
        let mut pooled = mailer.acquire().await.unwrap();
        pooled.quit().await.unwrap();
        drop(pooled);
        assert!(send(&mailer).await.unwrap().all_accepted());
        assert_eq!(host.heard().len(), 3);
    });
}

#[test]
fn xclient_on_an_acquired_connection_applies_to_no_other_message() {
    perform(async {
        let (host, connector) = Host::new(|_, line| match line {
            line if line.starts_with("EHLO") => {
                Say("250-hi\r\n250-XFORWARD NAME\r\n250 XCLIENT NAME\r\n")
            }
            line if line.starts_with("XCLIENT") => Say("220 again\r\n"),
            line => Host::good(line),
        });
        let mailer = pool(connector, 1).build();
        let name = Attribute::<&str>::Unavailable;
        let attributes = Attributes::default().with("NAME", name).unwrap();
        for borrowed in 1..4 {
            let mut pooled = mailer.acquire().await.unwrap();
            match borrowed {
                1 => drop(pooled.xforward(&attributes).await.unwrap()),
                2 => drop(pooled.xclient(&attributes).await.unwrap()),
                _ => pooled.set_capabilities(Capabilities::none()),
            }
            drop(pooled);
            assert!(send(&mailer).await.unwrap().all_accepted());
            assert_eq!(host.heard().len(), borrowed + 1);
            assert_eq!(host.count("QUIT"), borrowed);
        }
    });
}
