//! A server that replies at once to any input, for dialogues that no script can describe.
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    task::JoinHandle,
};

/// Answers every line with what `answer` makes of it, and waits until the answer is taken before
/// it reads on. After a 354 it hears a text, and answers the dot. It ends when the client has
/// closed, with the lines that it heard; the last may have no end.
pub(crate) fn answer_all(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut answer: impl FnMut(&str) -> String + Send + 'static,
) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        let mut in_text = false;
        let _ = stream.write_all(answer("").as_bytes()).await;
        loop {
            let mut line = Vec::new();
            match stream.read_until(b'\n', &mut line).await {
                Ok(read) if read > 0 => {}
                _ => return heard,
            }
            let whole = line.ends_with(b"\r\n");
            let line = String::from_utf8(line).unwrap();
            heard.push(line.trim_end_matches("\r\n").to_owned());
            if !whole {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                return heard;
            }
            let line = line.trim_end_matches("\r\n");
            if in_text && line != "." {
                continue;
            }
            let reply = answer(line);
            in_text = reply.starts_with("354");
            // A client that is gone hears no more, and what it said before still counts.
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
}
