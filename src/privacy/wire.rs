//! Copies and ends on the wire.

use bytes::Bytes;
use tonic::Status;

use super::Error;
use crate::{
    entity::data_export::{Model, State},
    kernel::{
        ids::{ExportId, Id},
        text,
    },
    pb,
    rpc::{Fields, convert},
};

const MAX_REASON: usize = 500;
const MAX_TOKEN: usize = 200;

pub fn export(export: &Model) -> pb::DataExport {
    let is_ready = export.state == State::Ready;
    pb::DataExport {
        export_id: export.id.to_string(),
        state: match export.state {
            State::Pending => pb::DataExportState::Pending,
            State::Ready => pb::DataExportState::Ready,
            State::Failed => pb::DataExportState::Failed,
            State::Expired => pb::DataExportState::Expired,
        }
        .into(),
        size_bytes: export.size_bytes.filter(|_| is_ready).unwrap_or(0),
        sha256: export
            .sha256
            .filter(|_| is_ready)
            .map_or_else(Bytes::new, |digest| Bytes::copy_from_slice(digest.as_bytes())),
        create_time: Some(convert::timestamp(export.created_at)),
        expire_time: export.expires_at.filter(|_| is_ready).map(convert::timestamp),
    }
}

/// Which export, and from which byte on.
pub fn part(message: &pb::DownloadDataExportRequest) -> Result<(ExportId, u64), Status> {
    let mut fields = Fields::default();
    let offset = fields.read("offset", u64::try_from(message.offset).map_err(|_| "must not be negative"));
    let offset = fields.finish(|| offset)?;
    let id = ExportId::parse(&message.export_id).map_err(|_| Error::ExportNotFound)?;
    Ok((id, offset))
}

pub fn reason(message: &pb::DeleteAccountRequest) -> Result<String, Status> {
    let mut fields = Fields::default();
    let reason = fields.read("reason", text::optional_line(&message.reason, MAX_REASON));
    fields.finish(|| reason)
}

pub fn token(message: &pb::CancelDeletionRequest) -> Result<&str, Status> {
    let mut fields = Fields::default();
    fields.expect(!message.token.is_empty(), "token", "must not be empty");
    fields.expect(message.token.len() <= MAX_TOKEN, "token", "must have at most 200 characters");
    fields.finish(|| Some(message.token.as_str()))
}
