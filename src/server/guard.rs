//! Only what says it is gRPC reaches gRPC.
//!
//! tonic does not look at the content type: a cross-site `text/plain` POST over HTTP/2, which browsers send without asking,
//! would reach a handler. Here anything but the gRPC and gRPC-Web types is refused before routing.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use futures::future::Either;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use tonic::body::Body;
use tower::Service;

const TYPES: [&str; 6] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// Stands before the bridge and all services.
#[derive(Clone, Debug)]
pub struct ContentTypeGuard<S> {
    inner: S,
}

impl<S> ContentTypeGuard<S> {
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for ContentTypeGuard<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let refusal = if request.method() != Method::POST {
            Some(StatusCode::NOT_FOUND)
        } else if is_grpc(&request) {
            None
        } else {
            Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        };
        match refusal {
            None => Either::Left(self.inner.call(request)),
            Some(status) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = status;
                Either::Right(ready(Ok(response)))
            }
        }
    }
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    let Some(value) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known))
}
