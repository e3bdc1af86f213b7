//! A peer that connects and says nothing is let go.
//!
//! hyper bounds the time for HTTP/1 headers, but waits for an HTTP/2 preface for ever (hyper issue 4170).

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// Bytes of the HTTP/2 preface; an HTTP/1 request line and its headers are longer.
const PREFACE_BYTES: usize = 24;

/// A stream whose first 24 bytes must come in time.
pub struct FirstBytes<S> {
    stream: S,
    /// Gone, with its memory, once the bytes have come.
    timer: Option<Pin<Box<Sleep>>>,
    missing: usize,
}

impl<S> FirstBytes<S> {
    pub fn within(limit: Duration, stream: S) -> Self {
        Self { stream, timer: Some(Box::pin(tokio::time::sleep(limit))), missing: PREFACE_BYTES }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(timer) = &mut this.timer else {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        };
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_pending() && timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer said nothing")));
        }
        this.missing = this.missing.saturating_sub(buffer.filled().len() - before);
        if this.missing == 0 {
            this.timer = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
