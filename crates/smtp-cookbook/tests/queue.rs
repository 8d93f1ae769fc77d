//! Runs the queue worker on a PostgreSQL server of its own. Where that is not installed, the test
//! says so and tries nothing.
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]
#![cfg(unix)]
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use smtp_testkit::{Rule, Server};

/// A database in a temporary directory, which is reached through a socket there.
struct Database {
    directory: PathBuf,
    server: Child,
}

/// A command for a program of PostgreSQL, which refuses to run as root.
fn postgres(program: &str) -> Option<Command> {
    let look = format!("command -v {program} || ls /usr/lib/postgresql/*/bin/{program} | tail -1");
    let found = Command::new("sh").args(["-c", &look]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?;
    let path = path.trim();
    if path.is_empty() {
        return None;
    }
    let id = Command::new("id").arg("-u").output().ok()?.stdout;
    if id != b"0\n" {
        return Some(Command::new(path));
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "nobody", "--", path]);
    Some(command)
}

impl Database {
    fn start() -> Option<Self> {
        let directory = std::env::temp_dir().join(format!("smtp-queue-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.join("data");
        let mut initdb = postgres("initdb")?;
        initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"]).arg(&data);
        initdb.current_dir(&directory);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = postgres("postgres")?;
        server.arg("-D").arg(&data).arg("-k").arg(&directory).args(["-h", "", "-F"]);
        server.current_dir(&directory).stderr(Stdio::null()).stdout(Stdio::null());
        let database = Self { server: server.spawn().unwrap(), directory };
        let ready = "for i in $(seq 200); do test -S \"$0\"/.s.PGSQL.5432 && exit 0; sleep 0.1; done; exit 1";
        let ready = Command::new("sh").args(["-c", ready]).arg(&database.directory).status();
        assert!(ready.unwrap().success());
        Some(database)
    }

    fn url(&self) -> String {
        format!("host={} user=postgres dbname=postgres", self.directory.display())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.directory.join("data/postmaster.pid"));
        if let Some(pid) = pid.ok().as_deref().and_then(|text| text.lines().next()) {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn worker(database: &Database, server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_queue_worker"));
    command.env("DATABASE_URL", database.url()).arg("once");
    command.env("SMTP_URL", format!("smtp://127.0.0.1:{}?timeout=2s", server.addr().port()));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn each_message_is_sent_once_by_one_of_many_workers() {
    let Some(database) = Database::start() else {
        eprintln!("initdb is not installed: nothing was tried");
        return;
    };
    let server = Server::builder().offer("PIPELINING").own_thread();
    let server = server
        .rule(Rule::on("RCPT TO:<later@example.org>").reply("450 4.2.0 later"))
        .rule(Rule::on("RCPT TO:<never@example.org>").reply("550 5.1.1 no such user"))
        // The first text has no reply.
        .rule(Rule::text().times(1).answer("[close]".parse().unwrap()))
        .tcp()
        .unwrap();
    succeeded(&worker(&database, &server).output().unwrap());
    let (client, connection) =
        tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let queue = async |statements: &str| client.batch_execute(statements).await.unwrap();
    queue(
        "INSERT INTO message (sender, content) VALUES ('ann@example.com', 'Subject: 1');
         INSERT INTO recipient (message, address) VALUES (1, 'doubt@example.org');",
    )
    .await;
    succeeded(&worker(&database, &server).output().unwrap());
    queue(
        "INSERT INTO message (sender, content)
             SELECT 'ann@example.com', convert_to('Subject: ' || n || E'\\n\\nhello\\n', 'UTF8')
             FROM generate_series(2, 51) AS n;
         INSERT INTO recipient (message, address)
             SELECT id, 'bob' || id || '@example.org' FROM message WHERE id > 1;
         INSERT INTO recipient (message, address) VALUES
             (2, 'later@example.org'), (2, 'never@example.org'), (3, 'not an address');
         INSERT INTO message (sender, content) VALUES ('ann@example.com', 'Subject: lost');
         INSERT INTO recipient (message, address, state, due)
             VALUES (52, 'lost@example.org', 'sending', now() - interval '2 hours')",
    )
    .await;

    let workers: Vec<Child> = (0..4).map(|_| worker(&database, &server).spawn().unwrap()).collect();
    for worker in workers {
        succeeded(&worker.wait_with_output().unwrap());
    }
    let rows =
        client.query("SELECT address, state, attempts, reply FROM recipient", &[]).await.unwrap();
    let state = |address: &str| -> (String, i32) {
        let row = rows.iter().find(|row| row.get::<_, String>("address") == address).unwrap();
        (row.get("state"), row.get("attempts"))
    };
    assert_eq!(state("bob4@example.org"), ("accepted".into(), 1));
    assert_eq!(state("later@example.org"), ("waiting".into(), 1));
    assert_eq!(state("never@example.org"), ("refused".into(), 1));
    assert_eq!(state("not an address"), ("refused".into(), 1));
    assert_eq!(state("bob3@example.org"), ("refused".into(), 1));
    assert_eq!(state("doubt@example.org"), ("in doubt".into(), 1));
    assert_eq!(state("lost@example.org"), ("in doubt".into(), 0));
    let accepted = rows.iter().filter(|row| row.get::<_, &str>("state") == "accepted").count();
    assert_eq!(accepted, 49);
    // The first one, which is in doubt, had arrived, and was not sent again.
    let received = server.messages(50).wait().unwrap();
    let recipients = received.iter().flat_map(|one| one.recipients());
    let mut recipients: Vec<String> = recipients.collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((received.len(), recipients.len()), (50, 50));
}
