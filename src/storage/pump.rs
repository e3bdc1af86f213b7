//! The two streams: bytes from a client into a [`Writer`], and from the store to a client.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use super::{
    domain::{Reading, Told, Writer},
    error::Error,
    wire,
};
use crate::{
    app::App,
    kernel::Caller,
    pb,
    rpc::{Refusal, auth::Standing},
};

/// Largest `data` of one message to a client.
const BLOCK_BYTES: usize = 256 * 1024;

/// What a reading client receives.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<pb::ReadObjectResponse, Status>> + Send>>;

/// Writes what a client streams, until it ends or the deadline passes.
///
/// However it ends, what arrived whole is made durable: the client goes on from there.
pub async fn write(
    app: &App,
    caller: &Caller,
    mut messages: Streaming<pb::WriteUploadRequest>,
    deadline: Instant,
) -> Result<Told, Status> {
    let idle = app.config.server.stream_idle_timeout;
    let first = timeout_at(deadline.min(Instant::now() + idle), messages.message()).await;
    let first = first.map_err(|_| Refusal::DeadlineExceeded)??;
    let (id, generation, chunk) = wire::first_of_stream(first.unwrap_or_default())?;
    let mut writer = Writer::open(app, caller, id, generation).await?;
    let ended = match writer.take(chunk).await {
        Ok(()) => feed(&mut writer, &mut messages, &id.to_string(), (idle, deadline)).await,
        Err(error) => Err(error.into()),
    };
    let kept = writer.finish().await;
    ended?;
    Ok(kept?)
}

async fn feed(
    writer: &mut Writer,
    messages: &mut Streaming<pb::WriteUploadRequest>,
    upload: &str,
    (idle, deadline): (Duration, Instant),
) -> Result<(), Status> {
    let mut patience = Instant::now() + idle;
    loop {
        let over = deadline.min(patience);
        let flush_at = writer.due();
        match timeout_at(flush_at.map_or(over, |due| due.min(over)), messages.message()).await {
            Ok(message) => match message? {
                Some(message) => {
                    writer.take(wire::next_of_stream(message, upload)?).await?;
                    patience = Instant::now() + idle;
                    // A slow but steady client never lets the wait run out; its bytes grow old all the same.
                    if writer.due().is_some_and(|due| due <= Instant::now()) {
                        writer.flush().await?;
                    }
                }
                None => return Ok(()),
            },
            Err(_) if Instant::now() >= over => return Err(Refusal::DeadlineExceeded.into()),
            Err(_) => writer.flush().await?,
        }
    }
}

/// Sends what is read, in blocks, for as long as the caller may read; the first message also says what it is.
pub fn read(reading: Reading, standing: Standing, deadline: Instant) -> Pieces {
    let first = pb::ReadObjectResponse {
        offset: i64::try_from(reading.range.start).unwrap_or(i64::MAX),
        data: Bytes::new(),
        size_bytes: reading.blob.size_bytes,
        media_type: reading.object.media_type,
        sha256: Bytes::copy_from_slice(reading.blob.sha256.as_bytes()),
    };
    if reading.range.is_empty() {
        return stream::iter([Ok(first)]).boxed();
    }
    // S3 may send larger blocks than we do.
    let blocks = reading.bytes.flat_map(|block| {
        stream::iter(match block {
            Ok(block) => pieces(block).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    });
    let start = Some((blocks, standing, first));
    stream::unfold(start, move |state| async move {
        let (mut blocks, mut standing, mut message) = state?;
        if let Err(refusal) = standing.check().await {
            return Some((Err(refusal.into()), None));
        }
        let failed = match timeout_at(deadline, blocks.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(block))) => {
                let length = i64::try_from(block.len()).unwrap_or(i64::MAX);
                message.data = block;
                let next = pb::ReadObjectResponse { offset: message.offset + length, ..Default::default() };
                return Some((Ok(message), Some((blocks, standing, next))));
            }
            Ok(Some(Err(error))) => Status::from(Error::Store(error)),
            Err(_) => Refusal::DeadlineExceeded.into(),
        };
        Some((Err(failed), None))
    })
    .boxed()
}

fn pieces(mut block: Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(1);
    while block.len() > BLOCK_BYTES {
        pieces.push(block.split_to(BLOCK_BYTES));
    }
    pieces.push(block);
    pieces
}
