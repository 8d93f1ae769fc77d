//! Servers with different behaviors: each gives the same replies, in its own way.
use std::{future::pending, io, time::Duration};

use smtp_client::session::Dialect;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    task::yield_now,
    time::sleep,
};

/// How a server behaves once it has answered the first EHLO or LHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Prompt,
    OctetByOctet,
    /// It answers after many turns.
    Slow,
    /// Its final replies come late.
    LateAtTheEnd,
    RefusingAll,
    RefusingTheText,
    /// It refuses the text as too long as soon as it begins, and closes.
    RefusingEarly,
    /// It sends every reply twice, and so is out of step.
    Twice,
    /// It sends this number of replies, and then this happens.
    Stuck(usize, Stuck),
}

/// What happens in place of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The server reads on and sends nothing.
    Silent,
    /// The reply comes by an octet a second, without end.
    Dribbling,
    /// The server sends nothing, and has stopped reading with its last reply.
    Deaf,
}

/// What a server offers and accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) dialect: Dialect,
    /// What the reply to EHLO or LHLO lists.
    pub(crate) keywords: &'static [&'static str],
    /// Whether each recipient has its own reply after the text (PRDR).
    pub(crate) each: bool,
    /// The answers to each of the recipients `r0`, `r1` and so on; to those beyond, 250.
    pub(crate) rcpts: &'static [u16],
}

/// Serves one client in this manner. Every reply names the line that it answers.
pub(crate) async fn serve<S>(stream: S, service: Service, manner: Manner)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = BufReader::new(stream);
    let host =
        Host { stream, service, manner, taken: Vec::new(), mails: 0, given: 0, polite: true };
    // A client that is gone ends it.
    let _ = host.serve().await;
}

struct Host<S> {
    stream: BufReader<S>,
    service: Service,
    manner: Manner,
    /// The accepted recipients of the transaction.
    taken: Vec<usize>,
    mails: usize,
    /// How many replies were given.
    given: usize,
    /// The manner does not show before the client has been greeted.
    polite: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Host<S> {
    async fn serve(mut self) -> io::Result<()> {
        self.stream.write_all(b"220 hi\r\n").await?;
        self.line().await?;
        let hello = self.hello();
        self.stream.write_all(hello.as_bytes()).await?;
        self.polite = false;
        loop {
            let line = self.line().await?;
            match line.split(' ').next().unwrap() {
                "DATA" => {
                    if self.reply_to(&line).await?.starts_with("354") {
                        self.hear_text().await?;
                        self.answer_text(".").await?;
                    }
                }
                "BDAT" => {
                    self.hear_chunk(&line).await?;
                    if line.ends_with("LAST") {
                        self.answer_text(&line).await?;
                    } else {
                        self.reply_to(&line).await?;
                    }
                }
                _ => drop(self.reply_to(&line).await?),
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        if let Manner::Stuck(given, Stuck::Deaf) = self.manner
            && self.given >= given
            && !self.polite
        {
            return pending().await;
        }
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end_matches("\r\n").to_owned()),
        }
    }

    fn hello(&self) -> String {
        let lines = self.service.keywords.iter().map(|keyword| format!("250-{keyword}\r\n"));
        format!("250-hi\r\n{}250 8BITMIME\r\n", lines.collect::<String>())
    }

    async fn hear_text(&mut self) -> io::Result<()> {
        while self.line().await? != "." {
            self.perhaps_refuse_early().await?;
        }
        Ok(())
    }

    async fn hear_chunk(&mut self, line: &str) -> io::Result<()> {
        self.perhaps_refuse_early().await?;
        let size: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
        self.stream.read_exact(&mut vec![0; size]).await.map(drop)
    }

    async fn perhaps_refuse_early(&mut self) -> io::Result<()> {
        if self.manner == Manner::RefusingEarly && !self.taken.is_empty() {
            self.stream.write_all(b"552 5.3.4 too long\r\n").await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// The reply to this line, which it gives.
    async fn reply_to(&mut self, line: &str) -> io::Result<String> {
        let code = match line.split(' ').next().unwrap() {
            _ if self.manner == Manner::RefusingAll => "550 5.7.1",
            "EHLO" | "LHLO" => {
                let hello = self.hello();
                return self.give(hello).await;
            }
            "MAIL" => {
                self.taken.clear();
                self.mails += 1;
                "250 2.1.0"
            }
            "RCPT" => self.answer_rcpt(line),
            "DATA" if self.taken.is_empty() => "554 5.5.1",
            "BDAT" if self.taken.is_empty() => "503 5.5.1",
            "DATA" => "354",
            "QUIT" => "221 2.0.0",
            "HELP" => "214 2.0.0",
            "AUTH" => "235 2.7.0",
            "XCLIENT" => "220 2.0.0",
            _ => "250 2.0.0",
        };
        self.give(format!("{code} to {line}\r\n")).await
    }

    fn answer_rcpt(&mut self, line: &str) -> &'static str {
        let number = line.trim_start_matches("RCPT TO:<r").split('@').next().unwrap();
        let number: usize = number.parse().unwrap();
        match self.service.rcpts.get(number) {
            Some(550) => return "550 5.1.1",
            // It accepts the rest in another transaction.
            Some(452) if self.mails == 1 => return "452 4.5.3",
            _ => {}
        }
        self.taken.push(number);
        "250 2.1.5"
    }

    /// Sends the reply to a text: a different one for `r2`, where each recipient has its own reply.
    async fn answer_text(&mut self, end: &str) -> io::Result<()> {
        if self.taken.is_empty() || self.manner == Manner::RefusingAll {
            self.give(format!("503 5.5.1 to {end}\r\n")).await?;
            return Ok(());
        }
        if self.manner == Manner::LateAtTheEnd {
            turns(40).await;
        }
        let refusing = self.manner == Manner::RefusingTheText;
        let taken = std::mem::take(&mut self.taken);
        if self.service.each {
            self.give(format!("353 to {end}\r\n")).await?;
        }
        if self.service.each || self.service.dialect == Dialect::Lmtp {
            for number in taken {
                let code = if refusing || number == 2 { "552 5.2.2" } else { "250 2.1.5" };
                self.give(format!("{code} to {end} for r{number}\r\n")).await?;
            }
        }
        if self.service.dialect == Dialect::Smtp {
            let code = if refusing { "554 5.6.0" } else { "250 2.6.0" };
            self.give(format!("{code} to {end}\r\n")).await?;
        }
        Ok(())
    }

    async fn give(&mut self, reply: String) -> io::Result<String> {
        self.given += 1;
        match self.manner {
            _ if self.polite => {}
            Manner::Stuck(given, how) if self.given > given => return self.stick(how).await,
            Manner::Slow => turns(7).await,
            Manner::OctetByOctet => {
                for octet in reply.as_bytes() {
                    self.stream.write_all(&[*octet]).await?;
                    yield_now().await;
                }
                return Ok(reply);
            }
            Manner::Twice => self.stream.write_all(reply.repeat(2).as_bytes()).await?,
            _ => {}
        }
        if self.manner != Manner::Twice {
            self.stream.write_all(reply.as_bytes()).await?;
        }
        Ok(reply)
    }

    async fn stick<T>(&mut self, how: Stuck) -> io::Result<T> {
        match how {
            Stuck::Silent => {
                self.stream.read_to_end(&mut Vec::new()).await?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Stuck::Dribbling => {
                self.stream.write_all(b"250 ").await?;
                loop {
                    sleep(Duration::from_secs(1)).await;
                    self.stream.write_all(b"x").await?;
                }
            }
            Stuck::Deaf => pending().await,
        }
    }
}

async fn turns(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}
