//! The whole road of a file, on a real database and real files: in by both doors, checked, out by both doors.

use std::sync::Arc;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use prost::Message;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, PaginatorTrait};
use tempfile::TempDir;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstDecoder;
use tonic_types::StatusExt;
use tower::ServiceExt;

use super::{
    StorageRpc, domain, http as objects_http,
    jobs::{ClearStaging, FinalizeUpload, Sweep},
    pump, wire,
};
use crate::{
    app::{App, World},
    config::Config,
    entity::{account, object_reference, stored_blob, upload_segment},
    jobs::{Registry, Worker},
    kernel::{
        Caller, Clock, Dice, Digest, FactorKinds, Facts, Proof, Role, Roles, StoredHash, Timestamp,
        ids::{AccountId, Id, SessionId},
    },
    pb::{self, storage_service_server::StorageService},
    rpc::{
        Refusal,
        access::Who,
        auth::{Authenticate, Standing},
    },
};

mod coming_in;
mod going_out;

const MIB: usize = 1024 * 1024;

struct Place {
    app: App,
    rpc: StorageRpc,
    ana: Caller,
    rui: Caller,
    _folder: TempDir,
}

async fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
    let clock = Clock::fixed(Timestamp::from_micros(1_800_000_000_000_000));
    let app = App::open(config, World { clock, dice: Dice::seeded(1), mailer: None }).await.unwrap();
    migrations::run(app.db.for_migrations()).await.unwrap();
    let ana = person(&app, "ana@example.org").await;
    let rui = person(&app, "rui@example.org").await;
    Place { rpc: StorageRpc::new(app.clone()), app, ana, rui, _folder: folder }
}

async fn person(app: &App, email: &str) -> Caller {
    let now = app.clock.now();
    let account = AccountId::new(now, &app.dice);
    let row =
        account::Model::person(account, email.parse().unwrap(), "A person".into(), StoredHash::from_phc("none"), now);
    let row = account::ActiveModel::from(row).reset_all();
    account::Entity::insert(row).exec_without_returning(&app.db.write_one()).await.unwrap();
    let facts = Facts::none();
    let session = SessionId::new(now, &app.dice);
    let proof = Proof { authenticated_at: now, factor_kinds: FactorKinds::NONE, ..Proof::never(now) };
    Caller {
        account,
        session,
        roles: Roles::LISTENER,
        roles_version: 1,
        must_enroll: false,
        proof,
        impersonator: None,
        key: None,
        facts,
    }
}

fn wav(length: usize) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
    file.extend((file.len()..length).map(|n| u8::try_from(n * 7 % 251).unwrap()));
    file
}

fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(Standing::new(Arc::new(Trusting), Who::SignedIn, caller.clone()));
    request
}

/// Whoever is asked for is still who they were.
struct Trusting;

#[async_trait::async_trait]
impl Authenticate for Trusting {
    async fn authenticate(&self, _: &str, _: Facts) -> Result<Caller, Refusal> {
        Err(Refusal::AccessTokenInvalid)
    }

    async fn again(&self, caller: &Caller) -> Result<Caller, Refusal> {
        Ok(caller.clone())
    }
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn fact(status: &Status, key: &str) -> String {
    status.get_details_error_info().and_then(|info| info.metadata.get(key).cloned()).unwrap_or_default()
}

impl Place {
    async fn announce(&self, file: &[u8]) -> pb::Upload {
        self.announce_as(&self.ana, file.len(), "audio/x-wav").await.unwrap()
    }

    async fn announce_as(&self, who: &Caller, size: usize, media_type: &str) -> Result<pb::Upload, Status> {
        let message = pb::CreateUploadRequest {
            purpose: pb::UploadPurpose::TrackAudio.into(),
            size_bytes: i64::try_from(size).unwrap(),
            media_type: media_type.into(),
            file_name: "maré.wav".into(),
            ..Default::default()
        };
        Ok(self.rpc.create_upload(by(who, message)).await?.into_inner().upload.unwrap())
    }

    async fn append(&self, id: &str, offset: usize, data: &[u8]) -> Result<pb::Upload, Status> {
        self.append_as(id, offset, data, None, false).await
    }

    async fn append_as(
        &self,
        id: &str,
        offset: usize,
        data: &[u8],
        writer_generation: Option<i64>,
        take_over: bool,
    ) -> Result<pb::Upload, Status> {
        let message = pb::AppendChunkRequest {
            upload_id: id.into(),
            offset: i64::try_from(offset).unwrap(),
            data: Bytes::copy_from_slice(data),
            crc32c: Some(crc32c::crc32c(data)),
            writer_generation,
            take_over,
        };
        Ok(self.rpc.append_chunk(by(&self.ana, message)).await?.into_inner().upload.unwrap())
    }

    /// Streams `data` from `offset` on; `cut` breaks the stream instead of ending it.
    async fn stream(&self, id: &str, offset: usize, data: &[u8], cut: bool) -> Result<domain::Told, Status> {
        let mut frames = BytesMut::new();
        for (place, piece) in data.chunks(MIB).enumerate() {
            let message = pb::WriteUploadRequest {
                upload_id: if place == 0 { id.into() } else { String::new() },
                offset: i64::try_from(offset + place * MIB).unwrap(),
                data: Bytes::copy_from_slice(piece),
                crc32c: Some(crc32c::crc32c(piece)),
                writer_generation: None,
            };
            frames.put_u8(0);
            frames.put_u32(u32::try_from(message.encoded_len()).unwrap());
            message.encode(&mut frames).unwrap();
        }
        if cut {
            frames.put_slice(&[0, 0, 0]);
        }
        let decoder = ProstDecoder::<pb::WriteUploadRequest>::default();
        let messages = Streaming::new_request(decoder, Full::new(frames.freeze()), None, Some(2 * MIB));
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
        pump::write(&self.app, &self.ana, messages, deadline).await
    }

    async fn complete(&self, id: &str, file: &[u8]) -> Result<pb::Upload, Status> {
        let message = pb::CompleteUploadRequest {
            upload_id: id.into(),
            size_bytes: i64::try_from(file.len()).unwrap(),
            sha256: Digest::sha256(file).as_bytes().to_vec().into(),
            request_id: uuid::Uuid::from(wire::upload_id(id).unwrap()).to_string(),
        };
        Ok(self.rpc.complete_upload(by(&self.ana, message)).await?.into_inner().upload.unwrap())
    }

    async fn get(&self, id: &str) -> pb::Upload {
        let message = pb::GetUploadRequest { upload_id: id.into() };
        self.rpc.get_upload(by(&self.ana, message)).await.unwrap().into_inner().upload.unwrap()
    }

    async fn work(&self) {
        let registry = Registry::default().with::<FinalizeUpload>().with::<ClearStaging>().with::<Sweep>();
        Worker::new(self.app.clone(), registry).run_due().await.unwrap();
    }

    /// Uploads `file` in one stream and has it checked.
    async fn finish(&self, file: &[u8]) -> pb::Upload {
        let upload = self.announce(file).await;
        self.stream(&upload.upload_id, 0, file, false).await.unwrap();
        self.complete(&upload.upload_id, file).await.unwrap();
        self.work().await;
        self.get(&upload.upload_id).await
    }

    async fn read(&self, who: &Caller, object: &str, offset: i64, limit: i64) -> Result<Vec<u8>, Status> {
        let message = pb::ReadObjectRequest { object_id: object.into(), offset, limit };
        let mut pieces = self.rpc.read_object(by(who, message)).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            assert_eq!(piece.offset, offset + i64::try_from(bytes.len()).unwrap());
            bytes.extend_from_slice(&piece.data);
        }
        Ok(bytes)
    }

    fn files(&self) -> usize {
        fn count(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.app.config.data_dir.join("objects"))
    }
}
