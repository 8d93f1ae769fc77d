//! The servers: each is a program of its own that accepts every message and drops it.
use std::{
    env, fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server. To add one, add a row to [`SERVERS`].
#[derive(Debug)]
pub struct Server {
    /// The library or program.
    pub name: &'static str,
    /// Whether it offers PIPELINING.
    pub pipelining: bool,
    /// Whether it can end after a number of messages, so that a profiler sees its end.
    pub counts: bool,
    /// The largest number of connections that are tried with it.
    pub most_connections: usize,
    /// The command that runs it.
    command: fn(&Task) -> Command,
}

/// What a server is started for.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The port on this machine.
    pub port: u16,
    /// The number of connections that it has to have room for.
    pub connections: usize,
    /// The number of messages after which it ends; 0 for none.
    pub messages: usize,
}

/// All servers; the others are compared with the first.
pub const SERVERS: &[Server] = &[
    Server {
        name: "ours",
        pipelining: true,
        counts: true,
        most_connections: usize::MAX,
        command: |task| receive("ours", task),
    },
    Server {
        name: "smtp-sink",
        pipelining: true,
        counts: true,
        // With more it does not come round to each of them within its timeout.
        most_connections: 5000,
        command: smtp_sink,
    },
    Server {
        name: "mailin",
        pipelining: false,
        counts: true,
        // It has a thread for each; 1,000 of them took minutes for a round.
        most_connections: 100,
        command: |task| receive("mailin", task),
    },
    Server {
        name: "aiosmtpd",
        pipelining: false,
        counts: false,
        most_connections: usize::MAX,
        command: aiosmtpd,
    },
];

/// Ours, with TLS from the first octet.
pub const INSIDE_TLS: Server = Server {
    name: "ours",
    pipelining: true,
    counts: true,
    most_connections: usize::MAX,
    command: |task| receive("ours-tls", task),
};

/// Returns the file in which [`INSIDE_TLS`] at this port leaves its certificate before it listens.
pub fn certificate_file(port: u16) -> PathBuf {
    env::temp_dir().join(format!("smtp-bench-{port}.der"))
}

/// The servers of this crate are one program.
fn receive(name: &str, task: &Task) -> Command {
    let beside = env::current_exe().unwrap_or_default().with_file_name("receive");
    let mut command = Command::new(beside);
    command.arg(name);
    command.args([task.port.to_string(), task.connections.to_string(), task.messages.to_string()]);
    command
}

fn smtp_sink(task: &Task) -> Command {
    let mut command = Command::new("smtp-sink");
    // It does not run as root.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        command.args(["-u", "nobody"]);
    }
    command.args(["-m", &(task.connections + 1).to_string()]);
    if task.messages > 0 {
        command.args(["-M", &task.messages.to_string()]);
    }
    command.args([format!("{}:{}", Ipv4Addr::LOCALHOST, task.port), "4096".to_owned()]);
    command
}

fn aiosmtpd(task: &Task) -> Command {
    let mut command = Command::new("aiosmtpd");
    command.args(["-n", "-c", "aiosmtpd.handlers.Sink", "-s", "104857600", "-l"]);
    command.arg(format!("{}:{}", Ipv4Addr::LOCALHOST, task.port));
    command
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The port on this machine.
    pub port: u16,
}

/// How long a server may take to start: long, because it may be under a profiler.
const START: Duration = Duration::from_secs(60);

impl Server {
    /// Returns the program that is missing, if one is.
    pub fn missing(&self) -> Option<String> {
        let command = (self.command)(&Task { port: 0, connections: 0, messages: 0 });
        let program = command.get_program();
        let path = env::var_os("PATH").unwrap_or_default();
        let found = Path::new(program).is_absolute()
            || env::split_paths(&path).any(|folder| folder.join(program).is_file());
        (!found).then(|| program.to_string_lossy().into_owned())
    }

    /// Starts it on a free port, under this command, and waits until it listens.
    pub fn start(
        &self,
        connections: usize,
        messages: usize,
        under: &[&str],
    ) -> io::Result<Running> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let inner = (self.command)(&Task { port, connections, messages });
        let mut command = match under {
            [] => inner,
            [tool, words @ ..] => {
                let mut outer = Command::new(tool);
                outer.args(words).arg(inner.get_program()).args(inner.get_args());
                outer
            }
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut running = Running { child, port };
        running.wait_for_listener()?;
        Ok(running)
    }
}

impl Running {
    /// Looks at the table of the system: a connection would count as one.
    fn wait_for_listener(&mut self) -> io::Result<()> {
        let listening = format!("0100007F:{:04X} 00000000:0000 0A", self.port);
        let begun = Instant::now();
        while !fs::read_to_string("/proc/net/tcp")?.contains(&listening) {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended: {status}")));
            }
            if begun.elapsed() > START {
                return Err(ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Opens a connection.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Waits for its end.
    pub fn wait(mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }

    /// Returns the time that its threads have spent on a processor, in seconds.
    pub fn processor_time(&self) -> io::Result<f64> {
        let mut nanoseconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may have ended since.
            let times = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let spent = times.split_ascii_whitespace().next().and_then(|time| time.parse().ok());
            nanoseconds += spent.unwrap_or(0.0);
        }
        Ok(nanoseconds / 1e9)
    }

    /// Returns its memory that is resident, in KiB.
    pub fn resident(&self) -> io::Result<u64> {
        self.status("VmRSS")
    }

    /// Returns the most that was resident since [`forget_peak`](Self::forget_peak), in KiB.
    pub fn peak(&self) -> io::Result<u64> {
        self.status("VmHWM")
    }

    /// Begins to look for a new peak of its memory.
    pub fn forget_peak(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let value = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok());
        value.ok_or_else(|| io::Error::other("no such field in the status of the process"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
