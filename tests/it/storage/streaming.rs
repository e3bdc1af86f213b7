//! `WriteUpload`: a run of chunks in one stream.

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Endpoint;

use super::*;

/// A stream under way. Dropping it breaks it off, as a client does that dies.
struct Stream {
    messages: Option<mpsc::UnboundedSender<pb::WriteUploadRequest>>,
    call: JoinHandle<Result<pb::Upload, Status>>,
}

impl Stream {
    fn open(who: &Actor) -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        let who = who.clone();
        let call = tokio::spawn(async move {
            let reply = who.storage().write_upload(UnboundedReceiverStream::new(received)).await?.into_inner();
            Ok(reply.upload.unwrap())
        });
        Self { messages: Some(messages), call }
    }

    fn send(&self, messages: Vec<pb::WriteUploadRequest>) {
        for message in messages {
            // The server may have refused the stream already; its reply tells.
            let _ = self.messages.as_ref().unwrap().send(message);
        }
    }

    /// Ends the stream and waits for its reply.
    async fn end(mut self) -> Result<pb::Upload, Status> {
        self.messages = None;
        (&mut self.call).await.unwrap()
    }

    /// The reply of a stream that the server ends by itself.
    async fn refused(mut self) -> Status {
        (&mut self.call).await.unwrap().unwrap_err()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.call.abort();
    }
}

#[tokio::test]
async fn a_stream_carries_a_whole_file() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(19 * MIB + 17);
    let id = ana.announced(&file).await;
    let told = ana.write(&id, 0, &file).await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (length(file.len()), 1));
    // Two full parts and the rest.
    assert_eq!(rows(&world).await.0, 3);
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!((upload.state(), upload.sha256.clone()), (pb::UploadState::Finalized, sha256(&file)));
    assert!(ana.read_object(&upload.object_id, 0, 0).await.unwrap() == file, "the same bytes come back");
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 1), 1), "nothing is left but the object");
}

#[tokio::test]
async fn a_stream_cut_in_the_middle_goes_on_from_get_upload() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(12 * MIB);
    let id = ana.announced(&file).await;

    // A call that is given up: the server is told.
    let stream = Stream::open(&ana);
    stream.send(stream_of(&id, 0, &file[..3 * MIB], 700_000));
    eventually(async || ana.upload(&id).await.unwrap().writer_generation == 1).await;
    drop(stream);
    eventually(async || ana.upload(&id).await.unwrap().persisted_bytes > 0).await;
    let there = usize::try_from(ana.upload(&id).await.unwrap().persisted_bytes).unwrap();
    assert!(there <= 3 * MIB);

    // A connection that goes away under a stream, in the middle of a message.
    let address = world.server().address;
    let line = ana.through(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy());
    let stream = Stream::open(&line);
    stream.send(stream_of(&id, there, &file[there..11 * MIB], MIB));
    eventually(async || ana.upload(&id).await.unwrap().persisted_bytes > length(there)).await;
    drop((stream, line));

    let now = ana.upload(&id).await.unwrap();
    let there = usize::try_from(now.persisted_bytes).unwrap();
    assert_eq!(now.state(), pb::UploadState::Receiving);
    // The next stream goes on; it may also begin a little before.
    let told = ana.write(&id, there.saturating_sub(1000), &file[there.saturating_sub(1000)..]).await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (length(file.len()), 3));
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!((upload.state(), upload.sha256), (pb::UploadState::Finalized, sha256(&file)));
}

#[tokio::test]
async fn a_stream_may_end_before_the_file_does() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let told = ana.write(&id, 0, &file[..1000]).await.unwrap();
    assert_eq!((told.state(), told.persisted_bytes), (pb::UploadState::Receiving, 1000));
    // The two doors lead to the same place.
    ana.append(&id, 1000, &file[1000..1500]).await.unwrap();
    assert_eq!(ana.write(&id, 1500, &file[1500..]).await.unwrap().persisted_bytes, length(file.len()));
    assert_eq!(ana.write(&id, 0, &file).await.unwrap().persisted_bytes, length(file.len()), "sent twice");
}

#[tokio::test]
async fn a_stream_that_waits_has_its_bytes_durable_within_two_seconds() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let stream = Stream::open(&ana);
    stream.send(stream_of(&id, 0, &file[..1000], 100));
    eventually_within(Duration::from_secs(4), async || ana.upload(&id).await.unwrap().persisted_bytes == 1000).await;
    stream.send(stream_of(&id, 1000, &file[1000..], 300));
    assert_eq!(stream.end().await.unwrap().persisted_bytes, length(file.len()));
}

#[tokio::test]
async fn a_newer_stream_stops_the_older_one() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    let file = long_wav(10 * MIB);
    let id = ana.announced(&file).await;
    let generation = async || ana.upload(&id).await.unwrap().writer_generation;

    let old = Stream::open(&ana);
    old.send(stream_of(&id, 0, &file[..MIB], MIB));
    eventually(async || generation().await == 1).await;
    let new = Stream::open(&phone);
    new.send(stream_of(&id, 0, &file[..2 * MIB], MIB));
    eventually(async || generation().await == 2).await;

    // The old one is told when it next makes something durable; nothing of it is.
    old.send(stream_of(&id, MIB, &file[MIB..9 * MIB], MIB));
    let refused = old.refused().await;
    assert_reason(&refused, Code::Aborted, ErrorReason::WriterSuperseded);
    assert_eq!(fact(&refused, "writer_generation").as_deref(), Some("2"));

    new.send(stream_of(&id, 2 * MIB, &file[2 * MIB..], MIB));
    let told = new.end().await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (length(file.len()), 2));
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().sha256, sha256(&file));
}

#[tokio::test]
async fn a_stream_may_insist_that_nobody_wrote_since() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let since = |generation: i64, offset: usize, data: &[u8]| {
        let mut messages = stream_of(&id, offset, data, MIB);
        messages[0].writer_generation = Some(generation);
        messages
    };
    let told = ana.write_messages(since(0, 0, &file[..10])).await.unwrap();
    assert_eq!(told.writer_generation, 1);
    let refused = ana.write_messages(since(0, 10, &file[10..])).await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::WriterSuperseded);
    assert_eq!(ana.write_messages(since(1, 10, &file[10..])).await.unwrap().writer_generation, 2);
}

#[tokio::test]
async fn what_came_before_a_bad_chunk_stays() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let good = |id: &str| stream_of(id, 0, &file[..1000], 500);
    let next = |id: &str| stream_of(id, 1000, &file[1000..1500], 500).remove(0);
    type Spoil = fn(pb::WriteUploadRequest) -> pb::WriteUploadRequest;
    let cases: [(Code, ErrorReason, Spoil); 6] = [
        (Code::OutOfRange, ErrorReason::OffsetGap, |bad| pb::WriteUploadRequest { offset: 1001, ..bad }),
        (Code::InvalidArgument, ErrorReason::ChunkChecksumMismatch, |bad| pb::WriteUploadRequest {
            crc32c: Some(1),
            ..bad
        }),
        (Code::Aborted, ErrorReason::ChunkConflict, |bad| pb::WriteUploadRequest { offset: 100, ..bad }),
        (Code::InvalidArgument, ErrorReason::FieldInvalid, |bad| pb::WriteUploadRequest {
            data: bytes::Bytes::new(),
            ..bad
        }),
        (Code::InvalidArgument, ErrorReason::FieldInvalid, |bad| pb::WriteUploadRequest {
            upload_id: "upl_other".into(),
            ..bad
        }),
        (Code::FailedPrecondition, ErrorReason::SizeMismatch, |bad| pb::WriteUploadRequest {
            data: vec![1; 9000].into(),
            crc32c: None,
            ..bad
        }),
    ];
    for (code, reason, spoil) in cases {
        let id = ana.announced(&file).await;
        let mut messages = good(&id);
        messages.push(spoil(next(&id)));
        messages.extend(stream_of(&id, 1500, &file[1500..], MIB));
        let refused = ana.write_messages(messages).await.unwrap_err();
        assert_reason(&refused, code, reason);
        assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 1000, "{reason:?}");
        assert_eq!(ana.write(&id, 1000, &file[1000..]).await.unwrap().persisted_bytes, length(file.len()));
    }
}

#[tokio::test]
async fn a_stream_without_a_chunk_is_malformed() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let refused = ana.write_messages(Vec::new()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["data"]);

    let id = ana.announced(&long_wav(4 * MIB)).await;
    let large = pb::WriteUploadRequest { data: vec![1; 2 * MIB].into(), ..stream_of(&id, 0, &[1], 1).remove(0) };
    let mut messages = stream_of(&id, 0, &[82; 10], 5);
    messages.push(large);
    let refused = ana.write_messages(messages).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::MessageTooLarge);
    eventually(async || ana.upload(&id).await.unwrap().persisted_bytes == 10).await;
}
