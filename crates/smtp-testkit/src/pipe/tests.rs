//! Tests of the pipe alone.

use std::pin::pin;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn read(pipe: &mut Pipe, most: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; most];
    let count = pipe.read(&mut octets).await?;
    octets.truncate(count);
    Ok(octets)
}

/// Returns whether a future is pending.
async fn waits(future: impl Future) -> bool {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_read_returns_octets_of_one_segment() {
    let (mut one, mut other) = pipe(64);
    one.write_all(b"first").await.unwrap();
    one.write_all(b"second").await.unwrap();
    assert_eq!(read(&mut other, 3).await.unwrap(), b"fir");
    assert_eq!(read(&mut other, 64).await.unwrap(), b"st");
    assert_eq!(read(&mut other, 64).await.unwrap(), b"second");
    assert!(waits(read(&mut other, 64)).await);
}

#[tokio::test]
async fn both_directions_have_a_window_of_their_own() {
    let (mut one, mut other) = pipe(4);
    assert_eq!(one.write(b"abcdef").await.unwrap(), 4);
    assert!(waits(one.write(b"ef")).await);
    assert_eq!(other.write(b"gh").await.unwrap(), 2);

    assert_eq!(read(&mut other, 1).await.unwrap(), b"a");
    assert_eq!(one.write(b"ef").await.unwrap(), 1);
    assert_eq!(read(&mut other, 64).await.unwrap(), b"bcd");
    assert_eq!(read(&mut other, 64).await.unwrap(), b"e");
}

#[tokio::test]
async fn a_writer_that_waits_is_woken_by_a_read() {
    let (mut one, mut other) = pipe(1);
    let writer = tokio::spawn(async move { one.write_all(b"abc").await });
    for octet in [b'a', b'b', b'c'] {
        assert_eq!(other.read_u8().await.unwrap(), octet);
    }
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_the_end() {
    let (one, mut other) = pipe(1);
    let reader = tokio::spawn(async move { read(&mut other, 1).await });
    tokio::task::yield_now().await;
    drop(one);
    assert_eq!(reader.await.unwrap().unwrap(), b"");
}

#[tokio::test]
async fn shutdown_closes_one_half() {
    let (mut one, mut other) = pipe(64);
    one.write_all(b"last").await.unwrap();
    one.shutdown().await.unwrap();
    assert_eq!(read(&mut other, 64).await.unwrap(), b"last");
    assert_eq!(read(&mut other, 64).await.unwrap(), b"");
    other.write_all(b"reply").await.unwrap();
    assert_eq!(read(&mut one, 64).await.unwrap(), b"reply");
    let error = one.write(b"more").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn octets_written_before_a_drop_can_be_read() {
    let (mut one, mut other) = pipe(64);
    one.write_all(b"last").await.unwrap();
    drop(one);
    let error = other.write(b"reply").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(read(&mut other, 64).await.unwrap(), b"last");
    assert_eq!(read(&mut other, 64).await.unwrap(), b"");
}

#[tokio::test]
async fn a_reset_loses_unread_octets() {
    let (mut one, mut other) = pipe(64);
    one.write_all(b"lost").await.unwrap();
    one.reset();
    for error in [read(&mut other, 64).await.unwrap_err(), other.write(b"a").await.unwrap_err()] {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_end_can_be_sent_to_another_thread() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    check::<Pipe>();
}
