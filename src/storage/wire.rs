//! Messages to our types and back; the only place that refuses malformed input.

use tonic::Status;

use super::{
    domain::{Append, Chunk, Completion, MAX_CHUNK_BYTES, NewUpload, PART_BYTES, SignedParts, SignedUrl, Told},
    error::Error,
    kinds,
    part::Part,
};
use crate::{
    config::UploadsConfig,
    entity::upload::{Purpose, Scan, State},
    kernel::{
        Digest, Timestamp,
        ids::{ObjectId, UploadId},
        text,
    },
    pb,
    rpc::{Fields, convert, fields, page},
};

/// Purposes that an upload may have. Tax forms come by a door of their own.
const PURPOSES: [Purpose; 3] = [Purpose::TrackAudio, Purpose::Artwork, Purpose::Attachment];

pub fn upload_id(text: &str) -> Result<UploadId, Status> {
    fields::id_or(text, || Error::NotFound("upload"))
}

pub fn object_id(text: &str) -> Result<ObjectId, Status> {
    fields::id_or(text, || Error::NotFound("object"))
}

pub fn new_upload(message: &pb::CreateUploadRequest) -> Result<NewUpload, Status> {
    let mut fields = Fields::default();
    let purpose = PURPOSES.into_iter().find(|known| purpose(*known) == message.purpose());
    if purpose.is_none() {
        fields.refuse("purpose", "must be TRACK_AUDIO, ARTWORK or ATTACHMENT");
    }
    fields.expect(message.size_bytes >= 1, "size_bytes", "must be 1 or more");
    let media_type = fields.read("media_type", text::line(&message.media_type, 127));
    let file_name = fields.read("file_name", text::line(&message.file_name, 255));
    if let Some(name) = &file_name {
        let plain = !name.contains(['/', '\\']) && name != "." && name != "..";
        fields.expect(plain, "file_name", "must be a name without a path");
    }
    let sha256 = if message.sha256.is_empty() { Some(None) } else { digest(&mut fields, &message.sha256).map(Some) };
    let size_bytes = message.size_bytes;
    fields.finish(|| {
        Some(NewUpload {
            purpose: purpose?,
            size_bytes,
            media_type: media_type?,
            file_name: file_name?,
            sha256: sha256?,
        })
    })
}

fn digest(fields: &mut Fields, bytes: &[u8]) -> Option<Digest> {
    let digest = <Digest as TryFrom<&[u8]>>::try_from(bytes).map_err(|_| "must be 32 bytes");
    fields.read("sha256", digest)
}

pub fn append(message: pb::AppendChunkRequest) -> Result<(Append, Chunk), Status> {
    let pb::AppendChunkRequest { upload_id: id, offset, data, crc32c, writer_generation, take_over } = message;
    let chunk = chunk(offset, data, crc32c)?;
    Ok((Append { upload: upload_id(&id)?, generation: writer_generation, take_over }, chunk))
}

/// The first message of a stream: its upload, the generation it counts on, its first chunk.
pub fn first_of_stream(message: pb::WriteUploadRequest) -> Result<(UploadId, Option<i64>, Chunk), Status> {
    let pb::WriteUploadRequest { upload_id: id, offset, data, crc32c, writer_generation } = message;
    let chunk = chunk(offset, data, crc32c)?;
    Ok((upload_id(&id)?, writer_generation, chunk))
}

/// A later message of the stream on `upload`.
pub fn next_of_stream(message: pb::WriteUploadRequest, upload: &str) -> Result<Chunk, Status> {
    let mut fields = Fields::default();
    let same = message.upload_id.is_empty() || message.upload_id == upload;
    fields.expect(same, "upload_id", "must be empty or the same in later messages");
    fields.finish(|| Some(()))?;
    chunk(message.offset, message.data, message.crc32c)
}

fn chunk(offset: i64, data: bytes::Bytes, crc32c: Option<u32>) -> Result<Chunk, Status> {
    let mut fields = Fields::default();
    fields.expect(offset >= 0, "offset", "must not be negative");
    fields.expect(!data.is_empty(), "data", "must not be empty");
    fields.expect(data.len() <= MAX_CHUNK_BYTES, "data", "must have at most 1048576 bytes");
    fields.finish(|| Some(Chunk { offset, data, crc32c }))
}

/// Parts that one call may name.
const MAX_PARTS: usize = 16;

pub fn parts_to_sign(message: &pb::SignUploadPartsRequest) -> Result<(Append, Vec<Part>), Status> {
    let parts = parts(&message.parts)?;
    let (generation, take_over) = (message.writer_generation, message.take_over);
    Ok((Append { upload: upload_id(&message.upload_id)?, generation, take_over }, parts))
}

/// Parts in the order of the file, which do not overlap.
pub fn parts(given: &[pb::UploadPart]) -> Result<Vec<Part>, Status> {
    let mut fields = Fields::default();
    fields.expect((1..=MAX_PARTS).contains(&given.len()), "parts", "must be 1 to 16 parts");
    let mut end = 0;
    let mut parts = Vec::with_capacity(given.len().min(MAX_PARTS));
    for (number, part) in given.iter().take(MAX_PARTS).enumerate() {
        let (offset, size_bytes) = (part.offset, part.size_bytes);
        let fits = (1..=length(PART_BYTES)).contains(&size_bytes);
        fields.expect(fits, &format!("parts[{number}].size_bytes"), "must be 1 to 8388608");
        let follows = offset >= end;
        fields.expect(follows, &format!("parts[{number}].offset"), "must not be before the end of the part before");
        let part = Part { offset, size_bytes, crc32c: part.crc32c };
        end = part.end().max(end);
        parts.push(part);
    }
    fields.finish(|| Some(parts))
}

pub fn signed_parts(signed: &SignedParts, now: Timestamp) -> pb::SignUploadPartsResponse {
    let part = |(part, url): &(Part, String)| pb::SignedUploadPart {
        part: Some(pb::UploadPart { offset: part.offset, size_bytes: part.size_bytes, crc32c: part.crc32c }),
        url: url.clone(),
    };
    pb::SignUploadPartsResponse {
        upload: Some(upload(&signed.told)),
        parts: signed.urls.iter().map(part).collect(),
        expire_time: Some(convert::timestamp(signed.expires_at)),
        lifetime: Some(convert::duration(signed.expires_at.since(now))),
    }
}

pub fn completion(message: &pb::CompleteUploadRequest) -> Result<Completion, Status> {
    let mut fields = Fields::default();
    fields.expect(message.size_bytes >= 1, "size_bytes", "must be 1 or more");
    let sha256 = digest(&mut fields, &message.sha256);
    fields.finish(|| Some(Completion { size_bytes: message.size_bytes, sha256: sha256? }))
}

/// The offset and the limit of a read.
pub fn part(message: &pb::ReadObjectRequest) -> Result<(u64, Option<u64>), Status> {
    let mut fields = Fields::default();
    let offset = fields.read("offset", u64::try_from(message.offset).map_err(|_| "must not be negative"));
    let limit = fields.read("limit", u64::try_from(message.limit).map_err(|_| "must not be negative"));
    fields.finish(|| Some((offset?, limit.map(|limit| (limit > 0).then_some(limit))?)))
}

pub fn limits(config: &UploadsConfig, max_bytes: impl Fn(Purpose) -> i64) -> pb::GetLimitsResponse {
    pb::GetLimitsResponse {
        purposes: PURPOSES
            .into_iter()
            .map(|known| pb::PurposeLimits {
                purpose: purpose(known).into(),
                max_bytes: max_bytes(known),
                media_types: kinds::allowed(known).map(str::to_owned).collect(),
            })
            .collect(),
        max_chunk_bytes: length(MAX_CHUNK_BYTES),
        part_bytes: length(PART_BYTES),
        max_open_uploads: i32::try_from(config.max_open).unwrap_or(i32::MAX),
        max_in_flight_bytes: config.max_in_flight_bytes,
        default_page_size: i32::try_from(page::DEFAULT_SIZE).unwrap_or(i32::MAX),
        max_page_size: i32::try_from(page::MAX_SIZE).unwrap_or(i32::MAX),
    }
}

pub fn upload(told: &Told) -> pb::Upload {
    let row = &told.upload;
    let open = matches!(row.state, State::Pending | State::Receiving);
    let sha256 = row.final_sha256.filter(|_| row.state == State::Finalized).or(row.expected_sha256);
    pb::Upload {
        upload_id: row.id.to_string(),
        purpose: purpose(row.purpose).into(),
        state: state(row.state).into(),
        size_bytes: row.size_bytes,
        media_type: row.media_type.clone(),
        file_name: row.file_name.clone(),
        sha256: sha256.map(|digest| digest.as_bytes().to_vec().into()).unwrap_or_default(),
        persisted_bytes: row.persisted_bytes,
        writer_generation: row.writer_generation,
        object_id: row.object_id.map(|id| id.to_string()).unwrap_or_default(),
        reject_reason: row.reject_reason.clone().unwrap_or_default(),
        detected_media_type: row.detected_media_type.clone().unwrap_or_default(),
        scan: scan(row.scan).into(),
        limits: Some(pb::UploadLimits {
            max_bytes: told.max_bytes,
            max_chunk_bytes: length(MAX_CHUNK_BYTES),
            part_bytes: length(PART_BYTES),
        }),
        create_time: Some(convert::timestamp(row.created_at)),
        update_time: Some(convert::timestamp(row.updated_at)),
        expire_time: open.then(|| convert::timestamp(row.expires_at)),
    }
}

pub fn created(told: &Told) -> pb::CreateUploadResponse {
    pb::CreateUploadResponse { upload: Some(upload(told)) }
}

pub fn completed(told: &Told) -> pb::CompleteUploadResponse {
    pb::CompleteUploadResponse { upload: Some(upload(told)) }
}

pub fn cancelled(told: &Told) -> pb::CancelUploadResponse {
    pb::CancelUploadResponse { upload: Some(upload(told)) }
}

pub fn url(signed: SignedUrl, now: Timestamp) -> pb::CreateDownloadUrlResponse {
    let lifetime = signed.expires_at.since(now);
    pb::CreateDownloadUrlResponse {
        url: signed.url,
        expire_time: Some(convert::timestamp(signed.expires_at)),
        lifetime: Some(convert::duration(lifetime)),
    }
}

const fn purpose(purpose: Purpose) -> pb::UploadPurpose {
    match purpose {
        Purpose::TrackAudio => pb::UploadPurpose::TrackAudio,
        Purpose::Artwork => pb::UploadPurpose::Artwork,
        Purpose::TaxForm => pb::UploadPurpose::TaxForm,
        Purpose::Attachment => pb::UploadPurpose::Attachment,
    }
}

const fn state(state: State) -> pb::UploadState {
    match state {
        State::Pending => pb::UploadState::Pending,
        State::Receiving => pb::UploadState::Receiving,
        State::Verifying => pb::UploadState::Verifying,
        State::Finalized => pb::UploadState::Finalized,
        State::Rejected => pb::UploadState::Rejected,
        State::Cancelled => pb::UploadState::Cancelled,
        State::Expired => pb::UploadState::Expired,
    }
}

const fn scan(scan: Scan) -> pb::ScanState {
    match scan {
        Scan::NotConfigured => pb::ScanState::NotConfigured,
        Scan::Pending => pb::ScanState::Pending,
        Scan::Clean => pb::ScanState::Clean,
        Scan::Infected => pb::ScanState::Infected,
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
