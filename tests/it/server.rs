//! Starting, telling the truth about itself, and stopping in order.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request as HttpRequest};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::harness::{raw::frame, *};

const SERVICES: [&str; 11] = [
    "Account",
    "Admin",
    "Application",
    "Artist",
    "Review",
    "Search",
    "Server",
    "Session",
    "Storage",
    "Submission",
    "Track",
];

async fn health(world: &World, service: &str) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    Ok(HealthClient::new(world.channel()).check(request).await?.into_inner().status())
}

#[tokio::test]
async fn health_is_told_for_each_service_and_for_all() {
    let world = World::start().await;
    assert_eq!(health(&world, "").await.unwrap(), ServingStatus::Serving);
    for service in SERVICES {
        let name = format!("backline.v1.{service}Service");
        assert_eq!(health(&world, &name).await.unwrap(), ServingStatus::Serving, "{name}");
    }
    let unknown = health(&world, "backline.v1.NoService").await.unwrap_err();
    assert_reason(&unknown, Code::NotFound, ErrorReason::ResourceNotFound);
}

#[tokio::test]
async fn without_its_object_store_only_storage_is_down() {
    let world = World::start().await;
    let objects = world.folder.path().join("objects");
    std::fs::rename(&objects, world.folder.path().join("away")).unwrap();
    // A file in the folder's place, so that nobody makes it anew.
    std::fs::write(&objects, "in the way").unwrap();
    let storage = async || health(&world, "backline.v1.StorageService").await.unwrap();
    eventually(async || storage().await == ServingStatus::NotServing).await;
    assert_eq!(health(&world, "").await.unwrap(), ServingStatus::Serving, "the rest goes on");
    let ready = raw::send(world.server().admin_address, Http::One, Method::GET, "/readyz", &[], "").await;
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("degraded"), "{}", ready.text());

    std::fs::remove_file(&objects).unwrap();
    std::fs::rename(world.folder.path().join("away"), &objects).unwrap();
    eventually(async || storage().await == ServingStatus::Serving).await;
}

#[tokio::test]
async fn the_admin_port_tells_whoever_watches() {
    let world = World::start().await;
    world.anonymous().server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
    let ask = async |path: &str| raw::send(world.server().admin_address, Http::One, Method::GET, path, &[], "").await;
    assert_eq!(ask("/livez").await.text(), "alive\n");
    let ready = ask("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.text().contains("\"database\":\"up\"")), (200, true), "{}", ready.text());
    let metrics = ask("/metrics").await.text();
    assert!(metrics.contains("rpc_server_call_duration_seconds"), "{metrics}");
    assert!(!metrics.contains("nowhere"));
    // The main port has none of it.
    assert_eq!(world.http(Http::One, Method::GET, "/metrics", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_call_in_flight_outlives_the_drain_and_no_new_one_begins() {
    let world = World::start().await;
    let (server, _) = world.second_server().await;
    let address = server.address;

    // Half a message is on its way …
    let (body, rest) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(4);
    let body_stream = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(rest));
    let request = HttpRequest::post(format!("http://{address}/backline.v1.ServerService/GetServerInfo"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body_stream)
        .unwrap();
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let message = frame(&[]);
    body.send(Ok(Frame::data(message.slice(..3)))).await.unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    // The call is on its way once the server has answered a later one on another connection.
    raw::send(address, Http::Two, Method::GET, "/verify", &[], "").await;
    raw::send(address, Http::Two, Method::GET, "/verify", &[], "").await;

    // … when the server is told to stop.
    server.drain();
    eventually(async || TcpStream::connect(address).await.is_err()).await;
    body.send(Ok(Frame::data(message.slice(3..)))).await.unwrap();
    drop(body);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let trailers = answer.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
    assert_eq!(trailers.get("grpc-status").map(http::HeaderValue::as_bytes), Some(b"0".as_slice()));
    server.stop().await;
}

#[tokio::test]
async fn clients_learn_what_the_server_is() {
    let world = World::start().await;
    let info = world.anonymous().server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.version.as_str(), info.api_package.as_str()), (env!("CARGO_PKG_VERSION"), "backline.v1"));
    assert_eq!(info.server_time.unwrap().seconds, world.now().micros() / 1_000_000);
    assert!(info.features.is_sorted());
}
