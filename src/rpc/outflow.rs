//! Answers that flow for long, and readers who stop taking them.
//!
//! HTTP/2 asks a body for more only while its reader has room: inside it no clock would ever ring for a reader who has
//! none. So a task of its own takes from the body, hands frame by frame to the connection, and lets go of the body, with
//! the file or the watch behind it, once nothing was taken for too long or the whole call took too long. A reader who
//! comes back is told `DEADLINE_EXCEEDED`.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};
use tonic::{Status, body::Body};
use tracing::Instrument;

use super::Refusal;

/// Streams that end by themselves at their deadline do so in this time.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Item = Result<Frame<Bytes>, Status>;

/// The same body, that ends when nobody took anything of it for `idle`, or shortly after `deadline`.
pub fn bounded(body: Body, idle: Duration, deadline: Instant) -> Body {
    if body.is_end_stream() {
        return body;
    }
    // One frame is taken while the next is read.
    let (to, frames) = mpsc::channel(1);
    let cut = Arc::new(AtomicBool::new(false));
    let flowing = flow(body, to, idle, deadline + LAST_WORDS, Arc::clone(&cut));
    tokio::spawn(flowing.in_current_span());
    Body::new(Outflow { frames, cut })
}

async fn flow(mut body: Body, to: mpsc::Sender<Item>, idle: Duration, over: Instant, cut: Arc<AtomicBool>) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // The call is gone.
            () = to.closed() => return,
            () = sleep_until(over) => return cut.store(true, Ordering::Release),
        };
        let Some(frame) = frame else { return };
        if timeout_at(over.min(Instant::now() + idle), to.send(frame)).await.is_err() {
            metrics::counter!("backline_streams_cut_total").increment(1);
            return cut.store(true, Ordering::Release);
        }
    }
}

/// What the connection takes.
struct Outflow {
    frames: mpsc::Receiver<Item>,
    /// Whether it ended before its end.
    cut: Arc<AtomicBool>,
}

impl http_body::Body for Outflow {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(frame) = ready!(self.frames.poll_recv(cx)) {
            return Poll::Ready(Some(frame));
        }
        if !self.cut.swap(false, Ordering::AcqRel) {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::new();
        let status = Status::from(Refusal::DeadlineExceeded);
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::StreamBody;
    use tonic::Code;

    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    fn endless() -> Body {
        Body::new(StreamBody::new(stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::from_static(b"la"))))))
    }

    fn hour() -> Instant {
        Instant::now() + Duration::from_hours(1)
    }

    /// How many frames still come, and what the trailers say.
    async fn drained(mut body: Body) -> (usize, Option<Code>) {
        let (mut frames, mut code) = (0, None);
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_trailers() {
                Ok(trailers) => code = Status::from_header_map(&trailers).map(|status| status.code()),
                Err(_) => frames += 1,
            }
        }
        (frames, code)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_stops_is_cut_off() {
        let mut body = bounded(endless(), IDLE, hour());
        for _ in 0..100 {
            body.frame().await.unwrap().unwrap();
        }
        tokio::time::advance(IDLE / 2).await;
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(IDLE + Duration::from_secs(1)).await;
        let (frames, code) = drained(body).await;
        assert!(frames <= 2, "what was under way, and no more: {frames}");
        assert_eq!(code, Some(Code::DeadlineExceeded));
    }

    #[tokio::test(start_paused = true)]
    async fn no_stream_outlives_its_deadline() {
        let silent = Body::new(StreamBody::new(stream::pending::<Item>()));
        let begun = Instant::now();
        let (frames, code) = drained(bounded(silent, IDLE, begun + Duration::from_mins(30))).await;
        assert_eq!((frames, code), (0, Some(Code::DeadlineExceeded)));
        assert_eq!(begun.elapsed(), Duration::from_mins(30) + LAST_WORDS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_is_not_a_stalled_reader() {
        let slow = stream::unfold(0, async |count| {
            tokio::time::sleep(IDLE * 2).await;
            (count < 3).then(|| (Ok::<_, Status>(Frame::data(Bytes::from_static(b"la"))), count + 1))
        });
        assert_eq!(drained(bounded(Body::new(StreamBody::new(Box::pin(slow))), IDLE, hour())).await, (3, None));
    }
}
