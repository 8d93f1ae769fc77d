//! The sink as a program: `sink prompt|plain|held|late:MILLISECONDS [FILE]`.
//!
//! It prints its port, writes its certificate to FILE if that is given and then uses TLS, and
//! serves until its standard input ends.

use std::{
    env, fs,
    io::{self, Read, Write},
    process, thread,
    time::Duration,
};

use smtp_bench::{
    client::{Failure, certify},
    sink::{Pace, Sink},
};

fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (pace, file) = match words[..] {
        [pace] => (pace, None),
        [pace, file] => (pace, Some(file)),
        _ => return Err("usage: sink prompt|plain|held|late:MILLISECONDS [FILE]".into()),
    };
    let pace = match (pace, pace.strip_prefix("late:")) {
        ("prompt", _) => Pace::Prompt,
        ("plain", _) => Pace::Plain,
        ("held", _) => Pace::Held,
        (_, Some(delay)) => Pace::Late(Duration::from_millis(delay.parse()?)),
        _ => return Err(format!("unknown pace `{pace}`").into()),
    };
    let tls = match file {
        Some(file) => {
            let (certificate, config) = certify()?;
            fs::write(file, certificate)?;
            Some(config)
        }
        None => None,
    };
    let sink = Sink::bind(pace, tls)?;
    println!("{}", sink.port()?);
    io::stdout().flush()?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    Ok(sink.serve()?)
}
