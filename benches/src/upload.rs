//! One large upload by a client stream.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use backline::pb::{self, storage_service_client::StorageServiceClient};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tonic::Request;

use crate::server::Server;

const CHUNK: usize = 1024 * 1024;

pub async fn measure(binary: &Path, mib: usize) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(binary, data.path()).await?;
    let token = server.account(data.path()).await?;
    let mut storage = StorageServiceClient::new(server.channel.clone()).max_encoding_message_size(4 * CHUNK);
    let size = i64::try_from(mib * CHUNK)?;
    let created = storage
        .create_upload(signed(
            &token,
            pb::CreateUploadRequest {
                purpose: pb::UploadPurpose::TrackAudio.into(),
                size_bytes: size,
                media_type: "audio/wav".into(),
                file_name: "long.wav".into(),
                ..Default::default()
            },
        )?)
        .await?
        .into_inner();
    let upload_id = created.upload.context("no upload")?.upload_id;
    let chunks = wav_chunks(mib);
    let digest = {
        let mut sha = Sha256::new();
        for at in 0..mib {
            sha.update(chunk(&chunks, at));
        }
        sha.finalize().to_vec()
    };

    let before = server.memory_kib("VmRSS")?;
    let begun = Instant::now();
    let (head, body, id) = (chunks.0.clone(), chunks.1.clone(), upload_id.clone());
    let stream = futures::stream::iter((0..mib).map(move |at| {
        let data = if at == 0 { head.clone() } else { body.clone() };
        pb::WriteUploadRequest {
            upload_id: if at == 0 { id.clone() } else { String::new() },
            offset: i64::try_from(at * CHUNK).unwrap_or(i64::MAX),
            crc32c: Some(crc32c::crc32c(&data)),
            data,
            ..Default::default()
        }
    }));
    storage.write_upload(signed(&token, stream)?).await?;
    let sent = begun.elapsed();
    storage
        .complete_upload(signed(
            &token,
            pb::CompleteUploadRequest {
                upload_id: upload_id.clone(),
                size_bytes: size,
                sha256: digest.into(),
                ..Default::default()
            },
        )?)
        .await?;
    loop {
        let reply = storage.get_upload(signed(&token, pb::GetUploadRequest { upload_id: upload_id.clone() })?).await?;
        let upload = reply.into_inner().upload.context("no upload")?;
        match upload.state() {
            pb::UploadState::Finalized => break,
            pb::UploadState::Verifying => tokio::time::sleep(Duration::from_millis(20)).await,
            other => bail!("the upload is {other:?}: {}", upload.reject_reason),
        }
    }
    let finalized = begun.elapsed();
    let highest = server.memory_kib("VmHWM")?;
    let control = write_plainly(data.path(), &chunks.1, mib)?;
    let speed = |span: Duration| f64::from(u32::try_from(mib).unwrap_or(u32::MAX)) / span.as_secs_f64();
    println!("WriteUpload of {mib} MiB, durable:            {:>7.0} MiB/s", speed(sent));
    println!("… until finalised (read, hashed, rewritten): {:>7.0} MiB/s", speed(finalized));
    println!("control: write and sync of the same bytes:   {:>7.0} MiB/s", speed(control));
    println!(
        "memory: {before} KiB before, {highest} KiB at its highest, grown by {:.1} MiB",
        f64::from(u32::try_from(highest - before)?) / 1024.0
    );
    server.stop().await
}

fn signed<T>(token: &str, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    Ok(request)
}

/// The first mebibyte, with a WAV header, and the one that follows again and again.
fn wav_chunks(mib: usize) -> (Bytes, Bytes) {
    let body: Vec<u8> = (0..CHUNK).map(|at| u8::try_from(at * 31 % 251).unwrap_or(0)).collect();
    let mut head = body.clone();
    let data_bytes = u32::try_from(mib * CHUNK - 44).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(44);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&(data_bytes + 36).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&1_u16.to_le_bytes());
    header.extend_from_slice(&2_u16.to_le_bytes());
    header.extend_from_slice(&44_100_u32.to_le_bytes());
    header.extend_from_slice(&176_400_u32.to_le_bytes());
    header.extend_from_slice(&4_u16.to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    head[..44].copy_from_slice(&header);
    (head.into(), body.into())
}

fn chunk(chunks: &(Bytes, Bytes), at: usize) -> &Bytes {
    if at == 0 { &chunks.0 } else { &chunks.1 }
}

fn write_plainly(folder: &Path, block: &Bytes, mib: usize) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut file = std::fs::File::create(folder.join("control"))?;
    for _ in 0..mib {
        file.write_all(block)?;
    }
    file.sync_all()?;
    Ok(begun.elapsed())
}
