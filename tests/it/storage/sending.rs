//! `AppendChunk`: one chunk, durable when the reply arrives.

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn chunks_move_the_prefix_and_say_so() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let told = ana.append(&id, 0, &file[..1000]).await.unwrap();
    assert_eq!((told.state(), told.persisted_bytes), (pb::UploadState::Receiving, 1000));
    let told = ana.append(&id, 1000, &file[1000..1001]).await.unwrap();
    assert_eq!(told.persisted_bytes, 1001);
    // Without a checksum it is taken on trust; the digest of the whole file guards it.
    let plain = pb::AppendChunkRequest { crc32c: None, ..chunk(&id, 1001, &file[1001..]) };
    assert_eq!(ana.append_chunk(plain).await.unwrap().persisted_bytes, length(file.len()));
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, length(file.len()));
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file);
}

#[tokio::test]
async fn a_gap_is_refused_and_says_where_to_go_on() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let refused = ana.append(&id, 1001, &file[1001..2000]).await.unwrap_err();
    assert_reason(&refused, Code::OutOfRange, ErrorReason::OffsetGap);
    let facts = (fact(&refused, "expected").unwrap(), fact(&refused, "provided").unwrap());
    assert_eq!(facts, ("1000".to_owned(), "1001".to_owned()));
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 1000);
}

#[tokio::test]
async fn bytes_sent_again_are_compared_and_written_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    ana.append(&id, 1000, &file[1000..2000]).await.unwrap();
    let stored = world.stored_files();
    // A whole segment, both, parts of both, a single byte.
    for (from, to) in [(0, 1000), (1000, 2000), (0, 2000), (300, 1700), (1999, 2000)] {
        let (told, statements) = world.statements(async || ana.append(&id, from, &file[from..to]).await).await;
        assert_eq!(told.unwrap().persisted_bytes, 2000, "{from}..{to}");
        assert!(statements <= 3, "{from}..{to} cost {statements} statements");
    }
    assert_eq!(world.stored_files(), stored, "a repeat writes nothing");

    // What overlaps and goes on is taken from where the prefix ends.
    assert_eq!(ana.append(&id, 1500, &file[1500..2500]).await.unwrap().persisted_bytes, 2500);

    for (from, to) in [(0, 1000), (300, 1700), (2000, 2500), (2400, 2600)] {
        let mut other = file[from..to].to_vec();
        other[50] ^= 1;
        let refused = ana.append(&id, from, &other).await.unwrap_err();
        assert_reason(&refused, Code::Aborted, ErrorReason::ChunkConflict);
        assert_eq!(fact(&refused, "offset"), Some(from.to_string()));
    }
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 2500);
    ana.append(&id, 2500, &file[2500..]).await.unwrap();
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Finalized);
}

#[tokio::test]
async fn bytes_that_do_not_match_their_checksum_are_discarded() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..10]).await.unwrap();
    let stored = world.stored_files();
    let bad = pb::AppendChunkRequest { crc32c: Some(7), ..chunk(&id, 10, &file[10..]) };
    let refused = ana.append_chunk(bad).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ChunkChecksumMismatch);
    assert_eq!(fact(&refused, "offset").as_deref(), Some("10"));
    // Bytes that are there already pass no wrong checksum either.
    let bad = pb::AppendChunkRequest { crc32c: Some(7), ..chunk(&id, 0, &file[..10]) };
    assert_reason(&ana.append_chunk(bad).await.unwrap_err(), Code::InvalidArgument, ErrorReason::ChunkChecksumMismatch);
    assert_eq!((ana.upload(&id).await.unwrap().persisted_bytes, world.stored_files()), (10, stored));
}

#[tokio::test]
async fn a_file_is_never_longer_than_declared() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let mut longer = file.clone();
    longer.push(0);
    for (offset, data) in [(0, longer.as_slice()), (file.len(), &[0])] {
        let refused = ana.append(&id, offset, data).await.unwrap_err();
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::SizeMismatch);
        assert_eq!(fact(&refused, "size_bytes"), Some(file.len().to_string()));
    }
    let far = pb::AppendChunkRequest { offset: i64::MAX, ..chunk(&id, 0, &[1]) };
    assert_reason(&ana.append_chunk(far).await.unwrap_err(), Code::FailedPrecondition, ErrorReason::SizeMismatch);
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 0);
}

#[tokio::test]
async fn a_malformed_chunk_is_refused_with_every_violation() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let id = ana.announced(&long_wav(4 * MIB)).await;
    let bad = pb::AppendChunkRequest { offset: -1, ..chunk(&id, 0, &[]) };
    let refused = ana.append_chunk(bad).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["offset", "data"]);

    let refused = ana.append(&id, 0, &vec![7; MIB + 1]).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["data"]);
    // What is larger still does not even get as far as that.
    let refused = ana.append(&id, 0, &vec![7; 2 * MIB]).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::MessageTooLarge);
    assert_eq!(ana.append(&id, 0, &vec![7; MIB]).await.unwrap().persisted_bytes, length(MIB));
}

#[tokio::test]
async fn whoever_takes_over_stops_the_writer_before() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let with = |offset: usize, data: &[u8], generation: Option<i64>, take_over: bool| pb::AppendChunkRequest {
        writer_generation: generation,
        take_over,
        ..chunk(&id, offset, data)
    };
    let mine = ana.append_chunk(with(0, &file[..10], None, true)).await.unwrap().writer_generation;
    assert_eq!(mine, 1);
    ana.append_chunk(with(10, &file[10..20], Some(mine), false)).await.unwrap();

    let theirs = phone.append_chunk(with(20, &file[20..30], None, true)).await.unwrap().writer_generation;
    assert_eq!(theirs, 2);
    // The bytes may be the very next, or there already: the writer is told in any case.
    for (from, to) in [(30, 40), (0, 10)] {
        let refused = ana.append_chunk(with(from, &file[from..to], Some(mine), false)).await.unwrap_err();
        assert_reason(&refused, Code::Aborted, ErrorReason::WriterSuperseded);
        assert_eq!(fact(&refused, "writer_generation").as_deref(), Some("2"));
    }
    let told = phone.append_chunk(with(30, &file[30..40], Some(theirs), false)).await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (40, 2));
    // Whoever names no generation is not fenced.
    assert_eq!(ana.append(&id, 40, &file[40..50]).await.unwrap().persisted_bytes, 50);
    // Taking over with bytes that are there already works, too.
    let told = ana.append_chunk(with(0, &file[..50], Some(mine), true)).await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (50, 3));
}

#[tokio::test]
async fn equal_chunks_at_once_all_succeed_and_are_written_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    for round in 0..5 {
        let (from, to) = (round * 500, (round + 1) * 500);
        for reply in join_all((0..6).map(|_| ana.append(&id, from, &file[from..to]))).await {
            assert_eq!(reply.unwrap().persisted_bytes, length(to));
        }
    }
    assert_eq!(rows(&world).await.0, 5);
    assert_eq!(world.stored_files().len(), 5, "the losers' bytes are gone");
}

#[tokio::test]
async fn two_different_files_at_once_never_mix() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (one, other) = (song(1), song(2));
    let id = ana.announced(&one).await;
    // The first sample differs; the header does not.
    ana.append(&id, 0, &one[..44]).await.unwrap();
    let (mine, theirs) = tokio::join!(ana.append(&id, 44, &one[44..]), ana.append(&id, 44, &other[44..]));
    assert_ne!(mine.is_ok(), theirs.is_ok(), "one of them wins");
    let (won, lost) = if let Err(refused) = theirs { (one, refused) } else { (other, mine.unwrap_err()) };
    assert_reason(&lost, Code::Aborted, ErrorReason::ChunkConflict);
    ana.complete(&id, &won).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Finalized);
}
