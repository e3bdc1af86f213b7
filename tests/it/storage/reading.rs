//! `ReadObject`.

use super::*;

/// `ReadObject`'s largest `data`.
const BLOCK: usize = 256 * 1024;

#[tokio::test]
async fn a_read_says_first_what_it_reads_and_then_sends_it_in_order() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(3 * BLOCK + 5);
    let upload = world.finalized(&ana, &file).await;
    let pieces = ana.read_pieces(&upload.object_id, 0, 0).await.unwrap();
    assert_eq!((pieces[0].size_bytes, pieces[0].media_type.as_str()), (length(file.len()), "audio/wav"));
    assert_eq!(pieces[0].sha256, sha256(&file));
    let mut at = 0;
    for (number, piece) in pieces.iter().enumerate() {
        assert_eq!(piece.offset, length(at));
        assert!((1..=BLOCK).contains(&piece.data.len()));
        assert!(number == 0 || (piece.size_bytes, piece.media_type.as_str(), piece.sha256.len()) == (0, "", 0));
        assert!(file[at..].starts_with(&piece.data), "the bytes at {at}");
        at += piece.data.len();
    }
    assert_eq!(at, file.len());
}

#[tokio::test]
async fn a_read_begins_anywhere_and_ends_anywhere() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(3 * BLOCK + 5);
    let end = length(file.len());
    let object = world.finalized(&ana, &file).await.object_id;
    for (offset, limit) in
        [(0, 1), (1, 0), (5, 300_000), (end - 1, 0), (end - 1, 100), (262_144, 262_144), (0, i64::MAX)]
    {
        let from = usize::try_from(offset).unwrap();
        let to =
            if limit == 0 { file.len() } else { file.len().min(from.saturating_add(usize::try_from(limit).unwrap())) };
        assert!(ana.read_object(&object, offset, limit).await.unwrap() == file[from..to], "{offset} {limit}");
    }
    // At the end there is nothing more, and that is an answer.
    let pieces = ana.read_pieces(&object, end, 0).await.unwrap();
    assert_eq!((pieces.len(), pieces[0].data.len(), pieces[0].size_bytes), (1, 0, end));

    let refused = ana.read_object(&object, end + 1, 0).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["offset"]);
    let refused = ana.read_object(&object, -1, -1).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["offset", "limit"]);
}

#[tokio::test]
async fn an_object_that_is_not_ones_own_is_not_there() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let rui = world.reviewer("rui").await;
    let admin = world.admin("root").await;
    let upload = world.finalized(&ana, &song(1)).await;
    let absent = tampered(&upload.object_id, upload.object_id.len() - 3).to_lowercase();
    // An upload's id is no object's id.
    for who in [&bea, &rui, &admin] {
        let mut refusals = Vec::new();
        for id in [upload.object_id.as_str(), &upload.upload_id, &absent, "obj_1", "nonsense", ""] {
            refusals.push(who.read_object(id, 0, 0).await.unwrap_err());
            refusals.push(who.download_url(id).await.unwrap_err());
        }
        for refused in &refusals {
            assert_reason(refused, Code::NotFound, ErrorReason::ResourceNotFound);
            assert_alike(refused, &refusals[0]);
        }
    }
    assert_eq!(ana.read_object(&upload.object_id, 0, 4).await.unwrap(), b"RIFF");
}
