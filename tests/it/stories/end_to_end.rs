//! The whole story: a person registers, proves the mailbox, signs in, applies as an artist, is approved by staff,
//! uploads a track, submits it; staff review, approve and publish it; a listener finds it and downloads the same bytes.
//!
//! It is told twice, over gRPC and over gRPC-Web, with nothing but bytes on the wire.

use backline::rpc::RpcRequest;
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::harness::{audio, raw::frame, world::email_of, *};

/// What carries the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// HTTP/2, as servers and phones do.
    Grpc,
    /// HTTP/1.1, as browsers do.
    Web,
}

/// Somebody with an access token, or none yet.
struct Person {
    over: Over,
    token: String,
}

impl Person {
    fn new(over: Over) -> Self {
        Self { over, token: String::new() }
    }

    async fn send(&self, world: &World, path: &str, body: Bytes) -> Vec<Bytes> {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        if self.token.is_empty() {
            headers.clear();
        }
        let answer = match self.over {
            Over::Grpc => world.grpc(path, &headers, body).await,
            Over::Web => {
                headers.extend([("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")]);
                world.http(Http::One, http::Method::POST, path, &headers, body).await.web()
            }
        };
        let status = answer.grpc();
        assert_eq!((status.code(), status.message()), (Code::Ok, ""), "{path} over {:?}", self.over);
        answer.messages()
    }

    async fn call<R: Message + Default>(&self, world: &World, message: impl RpcRequest) -> R {
        let body = frame(&message.encode_to_vec());
        let replies = self.send(world, path_of(&message), body).await;
        assert_eq!(replies.len(), 1);
        R::decode(replies[0].clone()).unwrap()
    }

    /// Registers, opens the letter, signs in. Returns the account's id.
    async fn join(&mut self, world: &World, name: &str) -> String {
        let register = pb::RegisterRequest {
            email: email_of(name),
            password: PASSWORD.to_owned(),
            display_name: name.to_owned(),
            ..Default::default()
        };
        let _: pb::RegisterResponse = self.call(world, register).await;
        let token = world.newest_letter_to(&email_of(name)).await.token().to_owned();
        let verify = pb::VerifyEmailRequest { token, ..Default::default() };
        let verified: pb::VerifyEmailResponse = self.call(world, verify).await;
        world.run_jobs().await;
        self.sign_in(world, name).await;
        verified.account.unwrap().account_id
    }

    async fn sign_in(&mut self, world: &World, name: &str) {
        let login = pb::LoginRequest { email: email_of(name), password: PASSWORD.to_owned(), ..Default::default() };
        let reply: pb::LoginResponse = self.call(world, login).await;
        let Some(pb::login_response::Outcome::SignedIn(signed_in)) = reply.outcome else { panic!("{reply:?}") };
        self.token = signed_in.tokens.unwrap().access_token;
    }

    /// Sends a file in pieces: as one stream over gRPC, piece by piece over gRPC-Web, which has no such streams.
    async fn upload(&self, world: &World, file: &[u8]) -> String {
        let create = pb::CreateUploadRequest {
            purpose: pb::UploadPurpose::TrackAudio.into(),
            size_bytes: file.len().try_into().unwrap(),
            media_type: "audio/wav".into(),
            file_name: "midnight ferry.wav".into(),
            sha256: Sha256::digest(file).to_vec().into(),
            ..Default::default()
        };
        let created: pb::CreateUploadResponse = self.call(world, create).await;
        let upload_id = created.upload.unwrap().upload_id;
        let pieces = file.chunks(200_000).enumerate().map(|(number, piece)| {
            let offset = i64::try_from(number * 200_000).unwrap();
            (offset, Bytes::copy_from_slice(piece), Some(crc32c::crc32c(piece)))
        });
        if self.over == Over::Grpc {
            let mut stream = Vec::new();
            for (offset, data, crc32c) in pieces {
                let upload_id = if offset == 0 { upload_id.clone() } else { String::new() };
                let piece = pb::WriteUploadRequest { upload_id, offset, data, crc32c, ..Default::default() };
                stream.extend(frame(&piece.encode_to_vec()));
            }
            self.send(world, "/backline.v1.StorageService/WriteUpload", stream.into()).await;
        } else {
            for (offset, data, crc32c) in pieces {
                let upload_id = upload_id.clone();
                let piece = pb::AppendChunkRequest { upload_id, offset, data, crc32c, ..Default::default() };
                let _: pb::AppendChunkResponse = self.call(world, piece).await;
            }
        }
        let complete = pb::CompleteUploadRequest {
            upload_id: upload_id.clone(),
            size_bytes: file.len().try_into().unwrap(),
            sha256: Sha256::digest(file).to_vec().into(),
            ..Default::default()
        };
        let _: pb::CompleteUploadResponse = self.call(world, complete).await;
        upload_id
    }

    /// Searches, and downloads what is found in both ways.
    async fn find_and_download(&self, world: &World, query: &str, expected: &[u8]) {
        let search = pb::SearchRequest { query: query.to_owned(), ..Default::default() };
        let found: pb::SearchResponse = self.call(world, search).await;
        let item = found.results.into_iter().find_map(|result| result.item);
        let Some(pb::search_result::Item::Track(track)) = item else { panic!("no track for {query}: {item:?}") };
        assert_eq!(track.title, "Midnight Ferry");

        let create = pb::CreateDownloadUrlRequest { object_id: track.audio_object_id.clone() };
        let created: pb::CreateDownloadUrlResponse = self.call(world, create).await;
        let path = created.url.strip_prefix("http://backline.test").unwrap();
        let answer = world.http(Http::One, http::Method::GET, path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("audio/wav")));
        assert!(answer.body == expected, "the URL gives the same bytes");

        let read = pb::ReadObjectRequest { object_id: track.audio_object_id, ..Default::default() };
        let messages = self.send(world, path_of(&read), frame(&read.encode_to_vec())).await;
        let mut bytes = Vec::new();
        for message in messages {
            let piece = pb::ReadObjectResponse::decode(message).unwrap();
            assert_eq!(usize::try_from(piece.offset).unwrap(), bytes.len());
            bytes.extend_from_slice(&piece.data);
        }
        assert!(bytes == expected, "the stream gives the same bytes");
    }
}

fn path_of<M: RpcRequest>(_: &M) -> &'static str {
    M::RPC.path()
}

pub async fn the_story(over: Over, mut world: World) {
    let file = audio::wav(15.0, 11);

    // Staff: the administrator comes from the command line, and makes rui a reviewer.
    drop(world.admin("sam").await);
    let (mut sam, mut rui) = (Person::new(over), Person::new(over));
    sam.sign_in(&world, "sam").await;
    let ruis_account = rui.join(&world, "rui").await;
    let set_roles = pb::SetRolesRequest {
        account_id: ruis_account,
        roles: vec![pb::Role::Listener.into(), pb::Role::Reviewer.into()],
        reason: "Knows the trade.".into(),
        ..Default::default()
    };
    let _: pb::SetRolesResponse = sam.call(&world, set_roles).await;
    // With an office one signs in anew.
    rui.sign_in(&world, "rui").await;

    // Ana becomes an artist.
    let mut ana = Person::new(over);
    ana.join(&world, "ana").await;
    let apply = pb::CreateApplicationRequest { stage_name: "The Examples".into(), ..Default::default() };
    let applied: pb::CreateApplicationResponse = ana.call(&world, apply).await;
    let application_id = applied.application.unwrap().application_id;
    let submit = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
    let _: pb::SubmitApplicationResponse = ana.call(&world, submit).await;
    let waiting: pb::ListApplicationsResponse = rui.call(&world, pb::ListApplicationsRequest::default()).await;
    assert_eq!(waiting.applications[0].application_id, application_id);
    let approve = pb::ApproveApplicationRequest { application_id, ..Default::default() };
    let _: pb::ApproveApplicationResponse = rui.call(&world, approve).await;
    assert!(world.newest_letter_to(&email_of("ana")).await.text.contains("The Examples"));
    let mine: pb::ListArtistsResponse =
        ana.call(&world, pb::ListArtistsRequest { mine: true, ..Default::default() }).await;

    // She uploads a track and hands it in.
    let upload_id = ana.upload(&world, &file).await;
    world.restart().await;
    world.run_jobs().await;
    let got: pb::GetUploadResponse = ana.call(&world, pb::GetUploadRequest { upload_id: upload_id.clone() }).await;
    assert_eq!(got.upload.unwrap().state(), pb::UploadState::Finalized);
    let create = pb::CreateTrackRequest {
        artist_id: mine.artists[0].artist_id.clone(),
        title: "Midnight Ferry".into(),
        isrc: "PT-ABC-26-00001".into(),
        language: "pt".into(),
        audio_upload_id: upload_id,
        allow_download: true,
        ..Default::default()
    };
    let created: pb::CreateTrackResponse = ana.call(&world, create).await;
    let track_id = created.track.unwrap().track_id;
    let offer = pb::CreateSubmissionRequest { track_id, note: "Our best.".into(), ..Default::default() };
    let offered: pb::CreateSubmissionResponse = ana.call(&world, offer).await;
    let submission_id = offered.submission.unwrap().submission_id;
    let hand_in = pb::SubmitSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    let handed_in: pb::SubmitSubmissionResponse = ana.call(&world, hand_in).await;
    assert_eq!(handed_in.submission.unwrap().state(), pb::SubmissionState::Submitted);
    world.restart().await;

    // Staff review, approve and publish it.
    let queue: pb::ListQueueResponse = rui.call(&world, pb::ListQueueRequest::default()).await;
    assert_eq!(queue.submissions[0].submission_id, submission_id);
    let id = || submission_id.clone();
    let start = pb::StartReviewRequest { submission_id: id(), ..Default::default() };
    let _: pb::StartReviewResponse = rui.call(&world, start).await;
    let approve = pb::ApproveSubmissionRequest { submission_id: id(), note: "Yes!".into(), ..Default::default() };
    let _: pb::ApproveSubmissionResponse = rui.call(&world, approve).await;
    assert!(world.newest_letter_to(&email_of("ana")).await.text.contains("Yes!"));
    let publish = pb::PublishSubmissionRequest { submission_id: id(), ..Default::default() };
    let published: pb::PublishSubmissionResponse = rui.call(&world, publish).await;
    assert_eq!(published.submission.unwrap().state(), pb::SubmissionState::Published);
    assert_eq!(world.newest_letter_to(&email_of("ana")).await.subject, "“Midnight Ferry” was published");

    // A listener finds it and gets the same bytes, and so after a restart.
    let mut eva = Person::new(over);
    eva.join(&world, "eva").await;
    eva.find_and_download(&world, "midnight", &file).await;
    world.restart().await;
    eva.find_and_download(&world, "the examples ferry", &file).await;
}

#[tokio::test]
async fn the_story_end_to_end() {
    the_story(Over::Grpc, World::start().await).await;
}

#[tokio::test]
async fn the_story_end_to_end_in_a_browser() {
    the_story(Over::Web, World::start().await).await;
}
