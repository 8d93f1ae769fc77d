//! Sends thousands of messages through connections that are cut at random points, and compares each
//! claim of the client with what the server has.

mod claims;
mod identity;
mod letter;
mod manner;
mod misfortune;
mod proxy;
mod random;
mod record;
mod sending;
mod sink;
mod storm;
mod table;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use lexopt::{
    Arg::{Long, Short},
    ValueExt,
};

use storm::Storm;

type Problem = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "\
usage: cargo xtask storm [OPTIONS]

Sends messages through a proxy that cuts the connections at random points, in every manner of
sending, and compares what the client claims of each with what the server has accepted.

  --seed N          decides the messages and the misfortunes (default: from the clock)
  --messages N      how many messages are sent, over all manners (default: 10000)
  --manner TEXT     only the manners whose name has this text
  --server ADDRESS  sends to this server, such as 127.0.0.1:2525, instead of our own, in the
                    manners over SMTP in clear
  --record DIR      where that server puts what it accepts: each message a file with a field
                    Delivered-To, one for each recipient
  --domain NAME     the domain of the recipients, r1 to r92 and nobody, who is to be refused
                    (default: example.test)
  --trace DIR       writes the octets of each connection into this folder
  --help            prints this text

exit status:
  0  every claim is true
  1  a claim is false, or the client did not come to an end
  2  wrong usage, or the run could not begin";

fn main() -> ExitCode {
    let outcome = parse().and_then(|storm| match storm {
        Some(storm) => storm.run(),
        None => Ok(true),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("storm: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Parses the arguments; `None` if they asked for the text, which was printed.
fn parse() -> Result<Option<Storm>, Problem> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut storm = Storm::new(since.as_secs());
    let (mut server, mut record) = (None, None::<PathBuf>);
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seed") => storm.post.seed = parser.value()?.parse()?,
            Long("messages") => storm.messages = parser.value()?.parse()?,
            Long("manner") => storm.only = Some(parser.value()?.string()?),
            Long("server") => server = Some(parser.value()?.parse()?),
            Long("record") => record = Some(parser.value()?.into()),
            Long("domain") => storm.post.domain = parser.value()?.string()?,
            Long("trace") => storm.trace = Some(parser.value()?.into()),
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(None);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    storm.other = match (server, record) {
        (Some(server), Some(record)) => Some((server, record)),
        (None, None) => None,
        _ => return Err("--server and --record are given together".into()),
    };
    Ok(Some(storm))
}
