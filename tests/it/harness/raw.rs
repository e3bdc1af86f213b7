//! Calls that no generated client would make: any bytes, any headers, over HTTP/2 or HTTP/1.1.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// Which protocol carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// A whole answer. Over HTTP/1.1 trailers stand inside gRPC-Web's body; [`Answer::web`] takes them out.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// The gRPC status, wherever it stands; `UNKNOWN` if there is none.
    pub fn grpc(&self) -> Status {
        Status::from_header_map(&self.trailers)
            .or_else(|| Status::from_header_map(&self.headers))
            .unwrap_or_else(|| Status::new(Code::Unknown, format!("no gRPC status in {self:?}")))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The messages of a gRPC body.
    pub fn messages(&self) -> Vec<Bytes> {
        let mut body = self.body.clone();
        let mut messages = Vec::new();
        while body.has_remaining() {
            let _flags = body.get_u8();
            let length = body.get_u32() as usize;
            messages.push(body.split_to(length));
        }
        messages
    }

    /// A gRPC-Web answer as if it had come over gRPC: the trailers' frame becomes trailers.
    #[must_use]
    pub fn web(mut self) -> Self {
        let mut body = self.body.clone();
        let mut end = 0;
        while body.has_remaining() {
            let flags = body.get_u8();
            let length = body.get_u32() as usize;
            let frame = body.split_to(length);
            if flags & 0x80 == 0 {
                end += 5 + length;
                continue;
            }
            for line in String::from_utf8(frame.to_vec()).unwrap().lines() {
                let (name, value) = line.split_once(':').expect("trailers are name: value");
                let name: HeaderName = name.trim().parse().unwrap();
                self.trailers.insert(name, HeaderValue::from_str(value.trim()).unwrap());
            }
        }
        self.body.truncate(end);
        self
    }
}

/// A message in gRPC's envelope.
pub fn frame(message: &[u8]) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed.into()
}

/// Sends one request on a connection of its own.
pub async fn send(
    address: std::net::SocketAddr,
    http: Http,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let uri = if http == Http::Two { format!("http://{address}{path}") } else { path.to_owned() };
    let mut request = Request::builder().method(method).uri(uri);
    if http == Http::One && !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();

    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let io = TokioIo::new(stream);
    let response = match http {
        Http::One => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        }
        Http::Two => {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        }
    };
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Answer { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
}
