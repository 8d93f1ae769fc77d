//! Routes: hosts in their order, null MX, loops, and what a policy permits.
use std::{collections::HashSet, net::IpAddr};

use proptest::{collection::vec, prelude::*};
use smtp_delivery::{Answer, Hop, Name, NoRoute, Proof, Record, alternating, route};

use crate::world::{TTL, name};

fn answer(records: &[(u16, &str)]) -> Answer {
    let records = records.iter().map(|(preference, exchange)| Record::Mx {
        preference: *preference,
        exchange: name(exchange),
    });
    Answer::new(records, TTL, Proof::Insecure)
}

/// Returns the names of the hosts of a route, or why there is none.
fn hosts(records: &[(u16, &str)], ourselves: &[&str], seed: u64) -> Result<Vec<String>, NoRoute> {
    let ourselves: Vec<_> = ourselves.iter().map(|one| name(one)).collect();
    let route = route(&name("example.org"), &answer(records), None, &ourselves, seed)?;
    assert!(route.excluded.is_empty());
    Ok(route.hops.iter().map(ToString::to_string).collect())
}

#[test]
fn hosts_come_in_the_order_of_their_preference() {
    let records = [(30, "c.example"), (10, "a.example"), (20, "b.example")];
    assert_eq!(hosts(&records, &[], 7).unwrap(), ["a.example", "b.example", "c.example"]);
}

#[test]
fn the_seed_shuffles_hosts_of_the_same_preference() {
    let records = [(10, "a.example"), (10, "b.example"), (10, "c.example"), (20, "d.example")];
    let routes: HashSet<_> = (0..100).map(|seed| hosts(&records, &[], seed).unwrap()).collect();
    assert_eq!(routes.len(), 6);
    assert!(routes.iter().all(|route| route[3] == "d.example"));
    // The order of the records in the answer, which changes with each answer, has no influence.
    let mut reversed = records;
    reversed.reverse();
    assert_eq!(hosts(&records, &[], 3), hosts(&reversed, &[], 3));
}

#[test]
fn a_domain_without_mx_records_is_its_own_host() {
    assert_eq!(hosts(&[], &[], 0).unwrap(), ["example.org"]);
    assert_eq!(hosts(&[], &["example.org"], 0), Err(NoRoute::Loop));
    let none = Answer::no_such_name(TTL, Proof::Insecure);
    let found = route(&name("example.org"), &none, None, &[], 0);
    assert_eq!(found, Err(NoRoute::NoSuchDomain));
}

#[test]
fn a_null_mx_means_that_no_mail_is_accepted() {
    assert_eq!(hosts(&[(0, ".")], &[], 0), Err(NoRoute::NullMx));
    // Beside other records it is a mistake, and the others count.
    assert_eq!(hosts(&[(0, "."), (10, "a.example")], &[], 0).unwrap(), ["a.example"]);
    assert_eq!(NoRoute::NullMx.code().get(), 556);
    assert_eq!(NoRoute::NullMx.enhanced_code().unwrap().to_string(), "5.1.10");
}

#[test]
fn mail_never_goes_back_to_hosts_as_far_as_this_machine() {
    let records = [(10, "a.example"), (20, "us.example"), (20, "b.example"), (30, "c.example")];
    assert_eq!(hosts(&records, &["us.example"], 0).unwrap(), ["a.example"]);
    assert_eq!(hosts(&records[1..], &["us.example"], 0), Err(NoRoute::Loop));
}

#[test]
fn a_record_whose_host_cannot_be_one_is_ignored() {
    let records = [(10, "a\\000b.example"), (20, "b.example"), (30, "b.example")];
    assert_eq!(hosts(&records, &[], 0).unwrap(), ["b.example"]);
    assert_eq!(hosts(&records[..1], &[], 0), Err(NoRoute::NoHost));
}

#[test]
fn an_enforced_policy_excludes_hosts() {
    let policy = "version: STSv1\nmode: enforce\nmx: *.example.net\nmax_age: 86400\n";
    let policy = smtp_delivery::StsPolicy::parse(policy.as_bytes()).unwrap();
    let records = [(10, "a.example.net"), (20, "evil.example.org")];
    let found = route(&name("example.org"), &answer(&records), Some(&policy), &[], 0).unwrap();
    let names = |hops: &[Hop]| hops.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (names(&found.hops), names(&found.excluded)),
        (vec!["a.example.net".to_owned()], vec!["evil.example.org".to_owned()],)
    );
}

proptest! {
    #[test]
    fn a_route_has_each_host_once_in_order(
        records in vec((0..4_u16, 0..8_u8), 1..20),
        seed in any::<u64>(),
    ) {
        let names: Vec<_> =
            records.iter().map(|(preference, host)| (*preference, format!("h{host}.example"))).collect();
        let given: Vec<_> = names.iter().map(|(preference, host)| (*preference, &**host)).collect();
        let found = route(&name("example.org"), &answer(&given), None, &[], seed).unwrap();
        let hosts: HashSet<&Name> = found.hops.iter().filter_map(Hop::name).collect();
        let expected: HashSet<_> = names.iter().map(|(_, host)| name(host)).collect();
        prop_assert_eq!(hosts.len(), found.hops.len());
        prop_assert_eq!(hosts.into_iter().cloned().collect::<HashSet<_>>(), expected);
        let preferences: Vec<_> = found.hops.iter().map(|hop| match hop {
            Hop::Mx { host, preference } => {
                let best = names.iter().filter(|(_, one)| name(one) == *host);
                assert_eq!(*preference, best.map(|(preference, _)| *preference).min().unwrap());
                *preference
            }
            other => panic!("{other}"),
        }).collect();
        prop_assert!(preferences.is_sorted());
    }

    #[test]
    fn families_alternate_as_long_as_there_are_both(
        v4 in vec(any::<u8>(), 0..6),
        v6 in vec(any::<u16>(), 0..6),
    ) {
        let v4 = v4.into_iter().map(|last| IpAddr::from([192, 0, 2, last]));
        let v6 = v6.into_iter().map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
        let given: Vec<_> = v4.chain(v6).collect();
        let order = alternating(given.iter().copied());
        prop_assert_eq!(order.iter().collect::<HashSet<_>>(), given.iter().collect::<HashSet<_>>());
        let count = |is: fn(&IpAddr) -> bool| order.iter().filter(|one| is(one)).count();
        let both = count(IpAddr::is_ipv4).min(count(IpAddr::is_ipv6));
        for (position, address) in order[..2 * both].iter().enumerate() {
            prop_assert_eq!(address.is_ipv6(), position % 2 == 0);
        }
    }
}
