//! Reading in blocks.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use object_store::{GetResult, GetResultPayload};
use tokio::{sync::mpsc, time::timeout};

use super::ObjectError;

/// Bytes read from a local file at once. The store's own stream reads 8 KiB at a time, six times slower.
const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks that may wait for a slow reader.
const BLOCKS_AHEAD: usize = 4;

/// The bytes of an object, in order.
pub struct Bytestream(BoxStream<'static, Result<Bytes, ObjectError>>);

impl Bytestream {
    pub(super) fn empty() -> Self {
        Self(futures::stream::empty().boxed())
    }

    /// Each block comes within `patience`, or none does.
    pub(super) fn of(found: GetResult, patience: Duration) -> Self {
        let range = found.range;
        match found.payload {
            GetResultPayload::File(file, _) => Self(blocks(file, range).boxed()),
            GetResultPayload::Stream(stream) => Self(
                futures::stream::unfold(Some(stream), move |stream| async move {
                    let mut stream = stream?;
                    match timeout(patience, stream.next()).await {
                        Ok(Some(Ok(block))) => Some((Ok(block), Some(stream))),
                        Ok(Some(Err(error))) => Some((Err(error.into()), None)),
                        Ok(None) => None,
                        Err(_) => Some((Err(ObjectError::TimedOut), None)),
                    }
                })
                .boxed(),
            ),
        }
    }
}

impl Stream for Bytestream {
    type Item = Result<Bytes, ObjectError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// Reads a file on one blocking task, a few blocks ahead of whoever takes them. Ends early when nobody does.
fn blocks(file: File, range: Range<u64>) -> impl Stream<Item = Result<Bytes, ObjectError>> {
    let (sender, mut receiver) = mpsc::channel(BLOCKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send_blocks(file, range, &sender) {
            drop(sender.blocking_send(Err(error.into())));
        }
    });
    futures::stream::poll_fn(move |cx| receiver.poll_recv(cx))
}

fn send_blocks(
    mut file: File,
    range: Range<u64>,
    to: &mpsc::Sender<Result<Bytes, ObjectError>>,
) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    while left > 0 {
        let mut block = BytesMut::zeroed(left.min(BLOCK_BYTES));
        file.read_exact(&mut block)?;
        left -= block.len();
        if to.blocking_send(Ok(block.freeze())).is_err() {
            break;
        }
    }
    Ok(())
}
