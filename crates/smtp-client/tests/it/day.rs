//! A mailer for a day, between a server that restarts and pauses that are longer than its timeouts.
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    host::{
        Answer::{Close, CloseWith},
        Host,
    },
    limited::send_all,
    mailer::pool,
    stage::perform,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const IDLE: Duration = Duration::from_secs(60);

#[test]
fn a_mailer_lasts_for_a_day() {
    perform(async {
        let (host, connector) = Host::new(|number, line| match line {
            "" if number % 5 == 4 => CloseWith("421 4.3.2 restarting\r\n"),
            // It takes the message, and its reply is lost.
            "." if number % 7 == 6 => Close,
            line => Host::good(line),
        });
        let mailer = pool(connector, 3).idle_timeout(IDLE).build();
        let begun = Instant::now();
        let (mut round, mut accepted, mut in_doubt) = (0, 0, 0);
        while begun.elapsed() < DAY {
            round += 1;
            for result in send_all(&mailer, 1 + round % 5).await {
                match result {
                    Ok(delivery) => {
                        assert!(delivery.all_accepted(), "{delivery:?}");
                        accepted += 1;
                    }
                    Err(error) => {
                        assert!(error.in_doubt(), "{error}");
                        in_doubt += 1;
                    }
                }
            }
            let pause = Duration::from_secs((round * 37 % 400) as u64);
            sleep(pause).await;
            if pause > IDLE {
                assert_eq!((mailer.connections(), host.open_now()), (0, 0), "round {round}");
            }
        }
        mailer.close().await;
        assert_eq!((mailer.connections(), mailer.waiting(), host.open_now()), (0, 0, 0));
        assert_eq!(host.count("."), accepted + in_doubt, "each message went once");
        assert!(in_doubt > 50 && accepted > 500, "{accepted} accepted, {in_doubt} in doubt");
        // One for each message, and those that were refused or lost their reply.
        let connections = host.heard().len();
        assert!(connections < 2 * (accepted + in_doubt), "{connections} connections");
        assert_eq!(host.most_at_once(), 3);
    });
}
