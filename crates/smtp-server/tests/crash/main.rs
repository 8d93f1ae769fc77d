//! The examples `maildir` and `relay`, killed in the middle of their work, again and again.
//!
//! `KILLS=200 cargo test -p smtp-server --test crash` kills each of them that often.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

mod program;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use program::{Running, example, folder};

/// How often each server is killed.
fn kills() -> u32 {
    std::env::var("KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(10)
}

/// The content of a message: its length depends on its number, and its end can be told.
fn content(number: u64) -> String {
    let lines = (number * 7919 % 3000) as usize;
    let line = format!("line of {number}\r\n");
    format!("Subject: {number}\r\n\r\n{}END {number}\r\n", line.repeat(lines))
}

/// The messages that were accepted.
#[derive(Default)]
struct Accepted {
    numbers: Mutex<BTreeSet<u64>>,
    more: Condvar,
}

/// Sends messages until the connection fails, and notes those that were accepted.
fn send(address: &str, numbers: &AtomicU64, accepted: &Accepted) -> Option<()> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut replies = BufReader::new(stream.try_clone().ok()?);
    let mut ask = |octets: &str, code: &str| {
        stream.write_all(octets.as_bytes()).ok()?;
        let mut line = String::new();
        loop {
            line.clear();
            replies.read_line(&mut line).ok()?;
            match line.as_bytes().get(3)? {
                b'-' => {}
                _ => return line.starts_with(code).then_some(()),
            }
        }
    };
    ask("", "220")?;
    ask("EHLO a.example\r\n", "250")?;
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        ask("MAIL FROM:<a@a.example>\r\n", "250")?;
        ask("RCPT TO:<b@b.example>\r\n", "250")?;
        ask("DATA\r\n", "354")?;
        ask(&format!("{}.\r\n", content(number)), "250")?;
        accepted.numbers.lock().unwrap().insert(number);
        accepted.more.notify_all();
    }
}

/// Sends to a server that is started and killed again and again. Returns what was accepted.
fn load(start: impl Fn() -> Running) -> BTreeSet<u64> {
    let (numbers, accepted) = (AtomicU64::new(0), Accepted::default());
    let address = Mutex::new(None::<String>);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let address = address.lock().unwrap().clone();
                    if let Some(address) = address {
                        send(&address, &numbers, &accepted);
                    }
                    thread::yield_now();
                }
            });
        }
        for kill in 0..kills() {
            let before = accepted.numbers.lock().unwrap().len();
            let running = start();
            *address.lock().unwrap() = Some(running.1.clone());
            // Some are accepted each time, and others are on their way then.
            let enough = before + 1 + kill as usize * 5 % 13;
            let numbers = accepted.numbers.lock().unwrap();
            drop(accepted.more.wait_while(numbers, |numbers| numbers.len() < enough).unwrap());
            drop(running);
        }
        over.store(true, Ordering::Relaxed);
    });
    accepted.numbers.into_inner().unwrap()
}

/// Returns how often each message is in the mailbox, and checks that each is whole.
fn delivered(mailbox: &Path) -> BTreeMap<u64, usize> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(mailbox.join("new")) else { return found };
    for entry in entries {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let number = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        let number = number.unwrap().parse().unwrap();
        assert!(text.ends_with(&content(number)), "message {number} is not whole");
        *found.entry(number).or_default() += 1;
    }
    found
}

#[test]
fn a_maildir_has_every_message_that_was_accepted_whole_and_once() {
    let program = example("maildir");
    let root = folder("maildir");
    let mailbox = root.join("b@b.example");
    fs::create_dir(&mailbox).unwrap();
    let path = root.to_str().unwrap();
    let accepted = load(|| Running::start(&program, &["--listen", "127.0.0.1:0", path]));
    let found = delivered(&mailbox);
    assert!(accepted.len() > 10, "the server accepted {} messages", accepted.len());
    let missing: Vec<_> = accepted.iter().filter(|number| !found.contains_key(number)).collect();
    assert!(missing.is_empty(), "accepted, and not there: {missing:?}");
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "there more than once: {twice:?}");
    println!("{} kills, {} accepted, {} found", kills(), accepted.len(), found.len());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_relay_passes_on_every_message_once_or_names_it_as_doubtful() {
    let (relay, maildir) = (example("relay"), example("maildir"));
    let (root, spool) = (folder("relay"), folder("spool"));
    let mailbox = root.join("b@b.example");
    fs::create_dir(&mailbox).unwrap();
    let next = Running::start(&maildir, &["--listen", "127.0.0.1:0", root.to_str().unwrap()]);
    let url = format!("smtp://{}", next.1);
    let path = spool.to_str().unwrap();
    let start = || Running::start(&relay, &["--listen", "127.0.0.1:0", "--to", &url, path]);
    let accepted = load(start);

    // The last one works off what was left.
    let running = start();
    let is_empty = |state: &str| fs::read_dir(spool.join(state)).unwrap().next().is_none();
    while !(is_empty("queue") && is_empty("active")) {
        thread::sleep(Duration::from_millis(20));
    }
    drop(running);
    let found = delivered(&mailbox);
    let mut doubtful = BTreeSet::new();
    for entry in fs::read_dir(spool.join("doubt")).unwrap() {
        let message = spool.join("message").join(entry.unwrap().file_name());
        let mut text = String::new();
        fs::File::open(message).unwrap().read_to_string(&mut text).unwrap();
        let number = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        doubtful.insert(number.unwrap().parse::<u64>().unwrap());
    }
    assert!(accepted.len() > 10, "the relay accepted {} messages", accepted.len());
    let is_known = |number: &&u64| found.contains_key(number) || doubtful.contains(number);
    let missing: Vec<_> = accepted.iter().filter(|number| !is_known(number)).collect();
    assert!(missing.is_empty(), "accepted, and lost: {missing:?}");
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "passed on more than once: {twice:?}");
    println!(
        "{} kills, {} accepted, {} passed on, {} doubtful",
        kills(),
        accepted.len(),
        found.len(),
        doubtful.len()
    );
    drop(next);
    fs::remove_dir_all(root).unwrap();
    fs::remove_dir_all(spool).unwrap();
}
