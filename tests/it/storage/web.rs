//! Files over gRPC-Web and HTTP/1.1, as browsers send them.

use prost::Message;

use super::*;
use crate::harness::raw::frame;

async fn call<R: Message + Default>(
    world: &World,
    who: &Actor,
    method: &str,
    request: &impl Message,
) -> Result<R, Status> {
    let authorization = format!("Bearer {}", who.access_token());
    let headers = [
        ("content-type", "application/grpc-web+proto"),
        ("x-grpc-web", "1"),
        ("authorization", authorization.as_str()),
    ];
    let path = format!("/backline.v1.StorageService/{method}");
    let answer =
        world.http(Http::One, http::Method::POST, &path, &headers, frame(&request.encode_to_vec())).await.web();
    match answer.grpc() {
        status if status.code() == Code::Ok => Ok(R::decode(answer.messages().remove(0)).unwrap()),
        status => Err(status),
    }
}

#[tokio::test]
async fn a_browser_uploads_by_chunks_and_reads_the_file_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(2 * MIB + 100);
    let created: pb::CreateUploadResponse = call(&world, &ana, "CreateUpload", &announcement(&file)).await.unwrap();
    let id = created.upload.unwrap().upload_id;
    let mut at = 0;
    for piece in file.chunks(MIB) {
        let told: pb::AppendChunkResponse = call(&world, &ana, "AppendChunk", &chunk(&id, at, piece)).await.unwrap();
        at += piece.len();
        assert_eq!(told.upload.unwrap().persisted_bytes, length(at));
    }
    let again: pb::AppendChunkResponse = call(&world, &ana, "AppendChunk", &chunk(&id, 0, &file[..MIB])).await.unwrap();
    assert_eq!(again.upload.unwrap().persisted_bytes, length(at));
    let refused = call::<pb::AppendChunkResponse>(&world, &ana, "AppendChunk", &chunk(&id, at + 1, &[1])).await;
    assert_reason(&refused.unwrap_err(), Code::FailedPrecondition, ErrorReason::SizeMismatch);
    let _: pb::CompleteUploadResponse = call(&world, &ana, "CompleteUpload", &completion(&id, &file)).await.unwrap();
    world.run_jobs().await;
    let object_id = ana.upload(&id).await.unwrap().object_id;

    let request = pb::ReadObjectRequest { object_id, ..Default::default() };
    let authorization = format!("Bearer {}", ana.access_token());
    let headers = [("content-type", "application/grpc-web+proto"), ("authorization", authorization.as_str())];
    let path = "/backline.v1.StorageService/ReadObject";
    let answer = world.http(Http::One, http::Method::POST, path, &headers, frame(&request.encode_to_vec())).await.web();
    assert_eq!(answer.grpc().code(), Code::Ok);
    let pieces = answer.messages().into_iter().map(|piece| pb::ReadObjectResponse::decode(piece).unwrap().data);
    assert!(pieces.collect::<Vec<_>>().concat() == file, "the same bytes come back");
}
