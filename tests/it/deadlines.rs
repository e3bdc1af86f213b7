//! How long a call may take: what the client says, what the server says, and what ends with it.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use backline::rpc::access::Cost;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use sea_orm::{ConnectionTrait, Statement};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::harness::{
    database::is_postgres,
    files::{announcement, song, stream_of},
    raw::frame,
    *,
};

const WHOAMI: &str = "/backline.v1.AccountService/GetAccount";

/// A body that is written while the answer is awaited, and the answer.
async fn open(
    world: &World,
    who: &Actor,
    method: &str,
    headers: &[(&str, &str)],
) -> (mpsc::Sender<Bytes>, tokio::task::JoinHandle<http::Response<Incoming>>) {
    let (body, rest) = mpsc::channel::<Bytes>(4);
    let frames = tokio_stream::StreamExt::map(ReceiverStream::new(rest), |data| Ok::<_, Infallible>(Frame::data(data)));
    let address = world.server().address;
    let mut request = http::Request::post(format!("http://{address}/backline.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {}", who.access_token()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    // Small windows: a reader who stops is felt soon.
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = request.body(StreamBody::new(frames)).unwrap();
    let answer = tokio::spawn(async move { sender.send_request(request).await.unwrap() });
    (body, answer)
}

/// The status of an answer, and how many bytes came before it.
async fn ended(answer: http::Response<Incoming>) -> (Status, usize) {
    let in_headers = Status::from_header_map(answer.headers());
    let (mut body, mut bytes, mut in_trailers) = (answer.into_body(), 0, None);
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_trailers() {
            Ok(trailers) => in_trailers = Status::from_header_map(&trailers),
            Err(frame) => bytes += frame.into_data().unwrap().len(),
        }
    }
    (in_headers.or(in_trailers).expect("a status"), bytes)
}

#[track_caller]
fn assert_late(status: &Status) {
    assert_reason(status, Code::DeadlineExceeded, ErrorReason::DeadlineExceeded);
}

#[tokio::test]
async fn a_clients_time_limit_counts_over_both_protocols() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bearer = format!("Bearer {}", ana.access_token());
    let asked = async |timeout: &str, web: bool| {
        let mut headers = vec![("authorization", bearer.as_str()), ("grpc-timeout", timeout)];
        if !web {
            return world.grpc(WHOAMI, &headers, frame(&[])).await.grpc();
        }
        headers.extend([("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")]);
        world.http(Http::One, http::Method::POST, WHOAMI, &headers, frame(&[])).await.web().grpc()
    };
    for web in [false, true] {
        for short in ["0S", "1n", "999u", "19m", "00000001m"] {
            assert_late(&asked(short, web).await);
        }
        for enough in ["2000m", "2S", "1M", "99999999H"] {
            assert_eq!(asked(enough, web).await.code(), Code::Ok, "{enough}");
        }
        // What is no time limit is none, and the server's own holds.
        for malformed in ["soon", "S", "-1S", "1s", "1.5S", "123456789S", "1"] {
            assert_eq!(asked(malformed, web).await.code(), Code::Ok, "{malformed}");
        }
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_ends_in_the_database_too() {
    let world = World::start().await;
    world.expect_error("request failed");
    let ana = world.account("ana").await;
    let bearer = format!("Bearer {}", ana.access_token());
    // Somebody else has what the call needs: the only writer, or the rows.
    let holder = world.app().db.begin_write().await.unwrap();
    if is_postgres() {
        holder.execute_unprepared("LOCK TABLE account IN EXCLUSIVE MODE").await.unwrap();
    }
    let update = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    let headers = [("authorization", bearer.as_str()), ("grpc-timeout", "500m")];
    let begun = Instant::now();
    let path = "/backline.v1.AccountService/UpdateAccount";
    let refused = world.grpc(path, &headers, frame(&update.encode_to_vec())).await.grpc();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    if is_postgres() {
        assert_late(&refused);
        // Long before the two seconds that a statement may wait for a lock.
        let db = world.db().await;
        let waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        let waiting = || Statement::from_string(sea_orm::DbBackend::Postgres, waiting);
        eventually_within(Duration::from_secs(1), async || {
            let row = db.query_one_raw(waiting()).await.unwrap().unwrap();
            row.try_get::<i64>("", "n").unwrap() == 0
        })
        .await;
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        db.close().await.unwrap();
    } else {
        assert_reason(&refused, Code::Unavailable, ErrorReason::DependencyDown);
    }
    holder.rollback().await.unwrap();
    assert_eq!(ana.whoami().await.unwrap().display_name, "Ana", "nothing was done behind the client's back");
}

#[tokio::test]
async fn an_upload_that_brings_nothing_is_ended_and_what_came_is_kept() {
    let world = World::with(&[("server.stream_idle_timeout", "400ms")]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let (body, answer) = open(&world, &ana, "StorageService/WriteUpload", &[]).await;
    let messages = stream_of(&id, 0, &file, file.len() / 2 + 1);
    body.send(frame(&messages[0].encode_to_vec())).await.unwrap();
    let quiet = Instant::now();
    let (status, _) = ended(answer.await.unwrap()).await;
    assert_late(&status);
    assert!((300..2000).contains(&quiet.elapsed().as_millis()), "{:?}", quiet.elapsed());
    let kept = ana.upload(&id).await.unwrap().persisted_bytes;
    assert_eq!(kept, i64::try_from(messages[0].data.len()).unwrap());

    // Nor does one that says nothing at all.
    let (_body, answer) = open(&world, &ana, "StorageService/WriteUpload", &[]).await;
    assert_late(&ended(answer.await.unwrap()).await.0);
}

#[tokio::test]
async fn a_steady_upload_is_ended_when_its_whole_time_is_over() {
    let world = World::with(&[("server.stream_idle_timeout", "10s")]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let begun = Instant::now();
    let (body, answer) = open(&world, &ana, "StorageService/WriteUpload", &[("grpc-timeout", "800m")]).await;
    // A few bytes at a time, for longer than it may take.
    let sending = tokio::spawn(async move {
        for message in stream_of(&id, 0, &file, 16) {
            if body.send(frame(&message.encode_to_vec())).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let (status, _) = ended(answer.await.unwrap()).await;
    assert_late(&status);
    assert!((700..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    sending.abort();
}

#[tokio::test]
async fn a_reader_who_takes_nothing_is_cut_off() {
    let world = World::with(&[("server.stream_idle_timeout", "400ms")]).await;
    let ana = world.account("ana").await;
    let mut file = song(1);
    file.resize(4 * 1024 * 1024, 7);
    let upload = world.checked(&ana, announcement(&file), &file).await;
    let request = pb::ReadObjectRequest { object_id: upload.object_id, ..Default::default() };

    let cuts = async || {
        let admin = world.server().admin_address;
        let text = raw::send(admin, Http::One, http::Method::GET, "/metrics", &[], "").await.text();
        let line = text.lines().find(|line| line.starts_with("backline_streams_cut_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = cuts().await;
    let (body, answer) = open(&world, &ana, "StorageService/ReadObject", &[]).await;
    body.send(frame(&request.encode_to_vec())).await.unwrap();
    drop(body);
    let answer = answer.await.unwrap();
    let stalled = Instant::now();
    eventually(async || cuts().await > before).await;
    eprintln!("a stalled reader was cut off after {:?}", stalled.elapsed());
    let (status, bytes) = ended(answer).await;
    assert_late(&status);
    assert!(bytes < file.len() / 2, "{bytes} bytes came all the same");
}

#[tokio::test]
async fn a_quiet_watch_shows_that_it_is_alive_and_ends_cleanly() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bearer = format!("Bearer {}", ana.access_token());
    let request = pb::WatchSessionRequest::default().encode_to_vec();
    let headers = [("authorization", bearer.as_str()), ("grpc-timeout", "17S")];
    let begun = Instant::now();
    let answer = world.grpc("/backline.v1.SessionService/WatchSession", &headers, frame(&request)).await;
    let took = begun.elapsed();
    assert_eq!(answer.grpc().code(), Code::Ok, "{:?}", answer.grpc());
    let beats = answer.messages().into_iter().filter(|message| {
        let event = pb::WatchSessionResponse::decode(message.clone()).unwrap().event;
        matches!(event, Some(pb::watch_session_response::Event::Heartbeat(_)))
    });
    assert_eq!(beats.count(), 1, "one after 15 s");
    assert!((16_500..18_500).contains(&took.as_millis()), "{took:?}");
    assert_eq!(Cost::Watch.time_limit(), Duration::from_mins(30), "what holds where the client says nothing");
}
