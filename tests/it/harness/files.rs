//! What people do with files: announce, send, complete, read, download.
//!
//! A plain method does what a careful client does and gives the refusal if it is refused; where a test wants to be
//! careless, the message goes in whole.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tonic::Status;

use super::{Actor, World, audio, pb};

/// Largest `data` of one message.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// The SHA-256 of some bytes, as messages carry it.
pub fn sha256(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(bytes))
}

/// A small sound; another seed, another file.
pub fn song(seed: u32) -> Vec<u8> {
    audio::wav(0.1, seed)
}

/// What a careful client says about a WAV file before it sends it.
pub fn announcement(file: &[u8]) -> pb::CreateUploadRequest {
    pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes: length(file.len()),
        media_type: "audio/wav".to_owned(),
        file_name: "tide.wav".to_owned(),
        ..Default::default()
    }
}

/// One chunk, with its checksum.
pub fn chunk(upload_id: &str, offset: usize, data: &[u8]) -> pb::AppendChunkRequest {
    pb::AppendChunkRequest {
        upload_id: upload_id.to_owned(),
        offset: length(offset),
        data: Bytes::copy_from_slice(data),
        crc32c: Some(crc32c::crc32c(data)),
        ..Default::default()
    }
}

/// The messages of a stream that sends `data` from `offset` on, `step` bytes in each.
pub fn stream_of(upload_id: &str, offset: usize, data: &[u8], step: usize) -> Vec<pb::WriteUploadRequest> {
    let message = |(number, piece): (usize, &[u8])| pb::WriteUploadRequest {
        upload_id: if number == 0 { upload_id.to_owned() } else { String::new() },
        offset: length(offset + number * step),
        data: Bytes::copy_from_slice(piece),
        crc32c: Some(crc32c::crc32c(piece)),
        writer_generation: None,
    };
    data.chunks(step).enumerate().map(message).collect()
}

/// What a careful client says about a part of its file.
pub fn part(file: &[u8], from: usize, to: usize) -> pb::UploadPart {
    let size_bytes = length(to - from);
    pb::UploadPart { offset: length(from), size_bytes, crc32c: crc32c::crc32c(&file[from..to]) }
}

/// What a careful client says when all bytes are sent.
pub fn completion(upload_id: &str, file: &[u8]) -> pb::CompleteUploadRequest {
    pb::CompleteUploadRequest {
        upload_id: upload_id.to_owned(),
        size_bytes: length(file.len()),
        sha256: sha256(file),
        ..Default::default()
    }
}

/// Sizes and offsets as messages carry them.
pub fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("no file of a test is so long")
}

macro_rules! calls {
    ($($name:ident = $rpc:ident($request:ident);)*) => {
        impl Actor {$(
            pub async fn $name(&self, request: pb::$request) -> Result<pb::Upload, Status> {
                let reply = self.storage().$rpc(request).await?.into_inner();
                Ok(reply.upload.expect("the reply has an upload"))
            }
        )*}
    };
}

calls! {
    create_upload = create_upload(CreateUploadRequest);
    append_chunk = append_chunk(AppendChunkRequest);
    complete_upload = complete_upload(CompleteUploadRequest);
    cancel_upload = cancel_upload(CancelUploadRequest);
    get_upload = get_upload(GetUploadRequest);
}

impl Actor {
    /// Announces a WAV file; the upload's id.
    pub async fn announced(&self, file: &[u8]) -> String {
        self.create_upload(announcement(file)).await.unwrap().upload_id
    }

    /// Sends bytes by `AppendChunk`, as many as one takes.
    pub async fn append(&self, upload_id: &str, offset: usize, data: &[u8]) -> Result<pb::Upload, Status> {
        self.append_chunk(chunk(upload_id, offset, data)).await
    }

    /// Sends bytes by one `WriteUpload`.
    pub async fn write(&self, upload_id: &str, offset: usize, data: &[u8]) -> Result<pb::Upload, Status> {
        self.write_messages(stream_of(upload_id, offset, data, CHUNK_BYTES)).await
    }

    /// Sends any messages by one `WriteUpload`.
    pub async fn write_messages(&self, messages: Vec<pb::WriteUploadRequest>) -> Result<pb::Upload, Status> {
        let reply = self.storage().write_upload(futures::stream::iter(messages)).await?.into_inner();
        Ok(reply.upload.expect("the reply has an upload"))
    }

    pub async fn complete(&self, upload_id: &str, file: &[u8]) -> Result<pb::Upload, Status> {
        self.complete_upload(completion(upload_id, file)).await
    }

    pub async fn cancel(&self, upload_id: &str) -> Result<pb::Upload, Status> {
        self.cancel_upload(pb::CancelUploadRequest { upload_id: upload_id.to_owned(), ..Default::default() }).await
    }

    /// How an upload stands.
    pub async fn upload(&self, upload_id: &str) -> Result<pb::Upload, Status> {
        self.get_upload(pb::GetUploadRequest { upload_id: upload_id.to_owned() }).await
    }

    /// The bytes of an object from `offset` on, at most `limit` of them; 0 is up to the end.
    pub async fn read_object(&self, object_id: &str, offset: i64, limit: i64) -> Result<Vec<u8>, Status> {
        let pieces = self.read_pieces(object_id, offset, limit).await?;
        Ok(pieces.iter().flat_map(|piece| piece.data.iter().copied()).collect())
    }

    /// The same, message by message.
    pub async fn read_pieces(
        &self,
        object_id: &str,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<pb::ReadObjectResponse>, Status> {
        let request = pb::ReadObjectRequest { object_id: object_id.to_owned(), offset, limit };
        let mut stream = self.storage().read_object(request).await?.into_inner();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.message().await? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// URLs for parts, one after another as given.
    pub async fn sign_parts(&self, upload_id: &str, parts: &[pb::UploadPart]) -> Result<Vec<String>, Status> {
        let request =
            pb::SignUploadPartsRequest { upload_id: upload_id.to_owned(), parts: parts.to_vec(), ..Default::default() };
        let reply = self.storage().sign_upload_parts(request).await?.into_inner();
        Ok(reply.parts.into_iter().map(|signed| signed.url).collect())
    }

    pub async fn commit_parts(&self, upload_id: &str, parts: &[pb::UploadPart]) -> Result<pb::Upload, Status> {
        let request = pb::CommitUploadPartsRequest {
            upload_id: upload_id.to_owned(),
            parts: parts.to_vec(),
            ..Default::default()
        };
        Ok(self.storage().commit_upload_parts(request).await?.into_inner().upload.expect("the reply has an upload"))
    }

    pub async fn download_url(&self, object_id: &str) -> Result<pb::CreateDownloadUrlResponse, Status> {
        let request = pb::CreateDownloadUrlRequest { object_id: object_id.to_owned() };
        Ok(self.storage().create_download_url(request).await?.into_inner())
    }
}

impl World {
    /// Puts bytes to a signed URL by an ordinary HTTP client, wherever the URL leads.
    pub async fn put(&self, url: &str, bytes: Vec<u8>) -> http::StatusCode {
        let ours = format!("http://{}", self.server().address);
        let url = url.replacen("http://backline.test", &ours, 1);
        reqwest::Client::new().put(url).body(bytes).send().await.unwrap().status()
    }

    /// Announces, sends, completes and checks a WAV file: the finalised upload.
    pub async fn finalized(&self, who: &Actor, file: &[u8]) -> pb::Upload {
        self.checked(who, announcement(file), file).await
    }

    /// Sends a file as announced, completes it and has it checked, however the check comes out.
    pub async fn checked(&self, who: &Actor, announcement: pb::CreateUploadRequest, file: &[u8]) -> pb::Upload {
        let id = who.create_upload(announcement).await.unwrap().upload_id;
        who.write(&id, 0, file).await.unwrap();
        who.complete(&id, file).await.unwrap();
        self.run_jobs().await;
        who.upload(&id).await.unwrap()
    }

    /// Files below the data folder's `objects`.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        files_below(&self.folder.path().join("objects"))
    }
}

/// Every file below a folder, in order; none if there is no such folder. Files may go while this looks.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
