//! Sends messages to servers: to all in turn for times, or to one that runs under a profiler.

use std::{
    env, fs,
    io::{self, ErrorKind, Read, Write},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use smtp_bench::{
    client::{Failure, Target},
    job::{Job, Size},
    load::{Load, Pace, Script, converse, greeted, greeted_inside_tls},
    median,
    server::{INSIDE_TLS, Running, SERVERS, Server, certificate_file},
};

const USAGE: &str = "\
usage: load list                                every server, and whether it can count
       load speed SIZE CONNECTIONS PACE         seconds for a message, and on a processor, with ratios
       load count SERVER SIZE N PACE TOOL...    N messages to a server that runs under TOOL
       load memory SIZE                         KiB that one message takes in each server
       load idle CONNECTIONS                    KiB of a connection: greeted, and after EHLO and MAIL
       load idle-tls CONNECTIONS                the same inside TLS, of ours
PACE is `each`, to wait for the reply to each command, or `grouped`";

/// Odd, so that there is a median.
const ROUNDS: usize = 11;

/// The duration of one server's work in a round.
const ROUND: Duration = Duration::from_millis(150);

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            SERVERS.iter().for_each(|server| println!("{}\t{}", server.name, server.counts))
        }
        ["speed", size, connections, pace] => {
            let (job, pace) = (Job::new(Size(size.parse()?), 1), named(pace)?);
            speed(&Script::new(&job, pace), connections.parse()?, pace)?;
        }
        ["count", server, size, messages, pace, ref tool @ ..] => {
            let server = SERVERS.iter().find(|known| known.name == server);
            let script = Script::new(&Job::new(Size(size.parse()?), 1), named(pace)?);
            let messages = messages.parse()?;
            let running = server.ok_or("unknown server")?.start(1, messages, tool)?;
            count(&running, &script, messages)?;
            running.wait()?;
        }
        ["memory", size] => {
            let job = Job::new(Size(size.parse()?), 1);
            each(1, |running| Ok(format!("{}", memory(running, &job)?)));
        }
        ["idle", connections] => {
            let connections = connections.parse()?;
            each(connections, |running| idle(running, connections, greeted));
        }
        ["idle-tls", connections] => {
            let connections = connections.parse()?;
            let running = INSIDE_TLS.start(connections, 0, &[])?;
            let file = certificate_file(running.port);
            let certificate = Some(fs::read(&file)?.into());
            fs::remove_file(file)?;
            let tls = Target { port: running.port, certificate }.tls()?.ok_or("no certificate")?;
            let open = |running: &Running| greeted_inside_tls(running, &tls);
            println!("{}\t{}", INSIDE_TLS.name, idle(&running, connections, open)?);
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

/// Sends messages to a server that ends after the last.
fn count(running: &Running, script: &Script, messages: usize) -> io::Result<()> {
    match Load::connect(running, 1)?.send(script, messages) {
        // smtp-sink ends before it replies to the last message.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        sent => sent,
    }
}

fn named(pace: &str) -> Result<Pace, Failure> {
    match pace {
        "each" => Ok(Pace::Each),
        "grouped" => Ok(Pace::Grouped),
        _ => Err(format!("unknown pace `{pace}`").into()),
    }
}

/// The servers that are installed, and take so many connections.
fn installed(connections: usize) -> impl Iterator<Item = &'static Server> {
    SERVERS.iter().filter(move |server| match server.missing() {
        Some(program) => {
            eprintln!("{}: {program} is not installed", server.name);
            false
        }
        None => server.most_connections >= connections,
    })
}

/// Prints a line for each server; for one that fails, an error instead.
fn each(connections: usize, figures: impl Fn(&Running) -> io::Result<String>) {
    for server in installed(connections) {
        match server.start(connections, 0, &[]).and_then(|running| figures(&running)) {
            Ok(figures) => println!("{}\t{figures}", server.name),
            Err(error) => eprintln!("{}: {error}", server.name),
        }
    }
}

/// Returns the peak of the server's memory while it takes a message, beyond that before.
fn memory(running: &Running, job: &Job) -> io::Result<u64> {
    let mut load = Load::connect(running, 1)?;
    load.send(&Script::new(&Job::new(Size(1024), 1), Pace::Each), 3)?;
    running.forget_peak()?;
    let before = running.resident()?;
    load.send(&Script::new(job, Pace::Each), 1)?;
    Ok(running.peak()?.saturating_sub(before))
}

/// Returns the KiB for each connection.
fn idle<S: Read + Write>(
    running: &Running,
    connections: usize,
    open_one: impl Fn(&Running) -> io::Result<S>,
) -> io::Result<String> {
    let before = running.resident()?;
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(open_one(running)?);
    }
    let greeted = running.resident()?;
    for stream in &mut open {
        converse(stream, b"EHLO client.example.org\r\n", 1)?;
        converse(stream, b"MAIL FROM:<alice@mail.example.org>\r\n", 1)?;
    }
    let begun = running.resident()?;
    let each = |after: u64| (after as f64 - before as f64) / connections as f64;
    Ok(format!("{:.2}\t{:.2}", each(greeted), each(begun)))
}

/// Each round runs every server, so that other load on the machine slows all of them.
fn speed(script: &Script, connections: usize, pace: Pace) -> Result<(), Failure> {
    let under = pin()?;
    let mut runners = Vec::new();
    for server in installed(connections) {
        if pace == Pace::Grouped && !server.pipelining {
            continue;
        }
        match Runner::start(server, script, connections, under) {
            Ok(runner) => runners.push(runner),
            Err(error) => eprintln!("{}: {error}", server.name),
        }
    }
    for _ in 0..ROUNDS {
        let mut ours = None;
        for runner in &mut runners {
            match runner.round(script) {
                Ok(round) => runner.rounds.push((round, *ours.get_or_insert(round))),
                Err(error) => eprintln!("{}: {error}", runner.name),
            }
        }
    }
    for Runner { name, rounds, .. } in runners {
        let figure = |of: fn(&(Times, Times)) -> f64| -> f64 {
            median(&mut rounds.iter().map(of).collect::<Vec<_>>())
        };
        let (passed, spent) = (figure(|(it, _)| it.passed), figure(|(it, _)| it.spent));
        let passed_ratio = figure(|(it, ours)| it.passed / ours.passed);
        let spent_ratio = figure(|(it, ours)| it.spent / ours.spent);
        println!("{name}\t{passed:.9}\t{passed_ratio:.4}\t{spent:.9}\t{spent_ratio:.4}");
    }
    Ok(())
}

/// Keeps this process on one processor, and returns the command that keeps a server on another; an
/// empty one where there are no two, or no `taskset`.
fn pin() -> io::Result<&'static [&'static str]> {
    let processors = thread::available_parallelism()?.get();
    let own = process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", "0", &own]).stdout(Stdio::null()).status();
    let is_pinned = processors > 1 && pinned.is_ok_and(|status| status.success());
    Ok(if is_pinned { &["taskset", "-c", "1"] } else { &[] })
}

/// A server between two rounds.
struct Runner {
    name: &'static str,
    running: Running,
    load: Load,
    messages: usize,
    /// The times of the server, and those of ours in the same round.
    rounds: Vec<(Times, Times)>,
}

/// Seconds for a message.
#[derive(Clone, Copy)]
struct Times {
    passed: f64,
    /// On a processor, by the server.
    spent: f64,
}

impl Runner {
    /// Connects, and finds the number of messages that fill a round.
    fn start(
        server: &Server,
        script: &Script,
        connections: usize,
        under: &[&str],
    ) -> io::Result<Self> {
        let running = server.start(connections, 0, under)?;
        let load = Load::connect(&running, connections)?;
        let (name, rounds) = (server.name, Vec::new());
        let mut runner = Self { name, running, load, messages: connections, rounds };
        while runner.round(script)?.passed * (runner.messages as f64) < ROUND.as_secs_f64() {
            runner.messages *= 2;
        }
        Ok(runner)
    }

    fn round(&mut self, script: &Script) -> io::Result<Times> {
        let before = self.running.processor_time()?;
        let begun = Instant::now();
        self.load.send(script, self.messages)?;
        let passed = begun.elapsed().as_secs_f64() / self.messages as f64;
        let spent = (self.running.processor_time()? - before) / self.messages as f64;
        Ok(Times { passed, spent })
    }
}
