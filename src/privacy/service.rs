//! The part of `AccountService` that is about a person's data; [`crate::security`] puts the service together.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use super::{Error, deletion, export, wire};
use crate::{
    app::App,
    entity::data_export,
    kernel::Timestamp,
    objects::Bytestream,
    pb,
    rpc::{self, Refusal, access::Cost, auth::Standing, convert, fields::id_or, gate::Deadline},
};

/// Largest `data` of one message.
const BLOCK_BYTES: usize = 256 * 1024;

/// What a downloading client receives.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<pb::DownloadDataExportResponse, Status>> + Send>>;

/// `StartDataExport`.
///
/// # Errors
/// As the proto says.
pub async fn start_data_export(
    app: &App,
    request: Request<pb::StartDataExportRequest>,
) -> Result<Response<pb::StartDataExportResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let once = app.repeats.of(Some(&caller), request.get_ref(), |begun: &data_export::Model| {
        pb::StartDataExportResponse { export: Some(wire::export(begun)) }
    })?;
    once.run(&app.db, export::start(app, &caller, &once)).await
}

/// `GetDataExport`.
///
/// # Errors
/// As the proto says.
pub async fn get_data_export(
    app: &App,
    request: Request<pb::GetDataExportRequest>,
) -> Result<Response<pb::GetDataExportResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let id = id_or(&request.get_ref().export_id, || Error::ExportNotFound)?;
    let found = export::find(app, &caller, id).await?;
    Ok(Response::new(pb::GetDataExportResponse { export: Some(wire::export(&found)) }))
}

/// `DownloadDataExport`.
///
/// # Errors
/// As the proto says.
pub async fn download_data_export(
    app: &App,
    request: Request<pb::DownloadDataExportRequest>,
) -> Result<Response<Pieces>, Status> {
    let standing = Standing::of(&request)?;
    let given = request.extensions().get::<Deadline>();
    let until = given.map_or_else(|| Instant::now() + Cost::Export.time_limit(), |deadline| deadline.0);
    let (id, offset) = wire::part(request.get_ref())?;
    let (export, bytes) = export::download(app, standing.caller(), id, offset).await?;
    let first = pb::DownloadDataExportResponse {
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        data: Bytes::new(),
        size_bytes: export.size_bytes.unwrap_or(0),
        sha256: export.sha256.map_or_else(Bytes::new, |digest| Bytes::copy_from_slice(digest.as_bytes())),
    };
    Ok(Response::new(pieces(first, bytes, standing, until)))
}

/// The first message says what it is; then come the bytes, for as long as the caller may have them.
fn pieces(first: pb::DownloadDataExportResponse, bytes: Bytestream, standing: Standing, until: Instant) -> Pieces {
    let next = pb::DownloadDataExportResponse { offset: first.offset, ..Default::default() };
    let blocks = bytes.flat_map(|block| {
        stream::iter(match block {
            Ok(block) => cut(block).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(Status::from(Error::Store(error)))],
        })
    });
    let rest = stream::unfold(Some((blocks, standing, next)), move |state| async move {
        let (mut blocks, mut standing, message) = state?;
        if let Err(refusal) = standing.check().await {
            return Some((Err(refusal.into()), None));
        }
        match timeout_at(until, blocks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(data))) => {
                let offset = message.offset + i64::try_from(data.len()).unwrap_or(0);
                let following = pb::DownloadDataExportResponse { offset, ..Default::default() };
                Some((Ok(pb::DownloadDataExportResponse { data, ..message }), Some((blocks, standing, following))))
            }
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Err(_) => Some((Err(Refusal::DeadlineExceeded.into()), None)),
        }
    });
    stream::iter([Ok(first)]).chain(rest).boxed()
}

fn cut(mut block: Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(1);
    while block.len() > BLOCK_BYTES {
        pieces.push(block.split_to(BLOCK_BYTES));
    }
    pieces.push(block);
    pieces
}

/// `DeleteAccount`.
///
/// # Errors
/// As the proto says.
pub async fn delete_account(
    app: &App,
    request: Request<pb::DeleteAccountRequest>,
) -> Result<Response<pb::DeleteAccountResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let message = request.get_ref();
    let reason = wire::reason(message)?;
    let once = app.repeats.of(Some(&caller), message, |purge_at: &Timestamp| pb::DeleteAccountResponse {
        purge_time: Some(convert::timestamp(*purge_at)),
    })?;
    once.run(&app.db, deletion::delete(app, &caller, &reason, &once)).await
}

/// `CancelDeletion`.
///
/// # Errors
/// As the proto says.
pub async fn cancel_deletion(
    app: &App,
    request: Request<pb::CancelDeletionRequest>,
) -> Result<Response<pb::CancelDeletionResponse>, Status> {
    let facts = rpc::facts(&request);
    let message = request.get_ref();
    let token = wire::token(message)?;
    let once = app.repeats.of(None, message, |(): &()| pb::CancelDeletionResponse {})?;
    once.run(&app.db, deletion::cancel(app, &facts, token, &once)).await
}
