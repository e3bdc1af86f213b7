//! The client of a store on the network: each of its calls is a span, and carries whose call it serves.
//!
//! Parts of a large object are sent by tasks of the library's own, which serve nobody in particular.

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector},
};

use crate::telemetry::Step;

/// Connects as `object_store` would by itself.
#[derive(Debug, Default)]
pub struct Connector(ReqwestConnector);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Traced(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Traced(HttpClient);

#[async_trait]
impl HttpService for Traced {
    /// The headers come after the signature, which does not cover them: stores take what they do not know.
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let step = Step::objects(operation(request.method()));
        if let Some(onward) = step.onward() {
            for (name, value) in [("traceparent", onward.traceparent), ("x-request-id", onward.request_id)] {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    request.headers_mut().insert(HeaderName::from_static(name), value);
                }
            }
        }
        step.ends(self.0.execute(request).await)
    }
}

fn operation(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "PUT" => "put",
        "POST" => "post",
        "DELETE" => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, aws::AmazonS3Builder, path::Path};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{
        kernel::{Facts, RemoteSpan, Trace},
        telemetry::Scope,
    };

    /// Takes one request, and gives its head.
    async fn one_request(listener: TcpListener) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut block = [0; 1024];
            let count = stream.read(&mut block).await.unwrap();
            heard.extend_from_slice(&block[..count]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&heard).to_lowercase()
    }

    #[tokio::test]
    async fn the_store_hears_whose_call_it_serves() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = AmazonS3Builder::new()
            .with_url("s3://bucket")
            .with_endpoint(format!("http://{}", listener.local_addr().unwrap()))
            .with_allow_http(true)
            .with_access_key_id("key")
            .with_secret_access_key("secret")
            .with_http_connector(Connector::default())
            .build()
            .unwrap();
        let server = tokio::spawn(one_request(listener));
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::of_call(traceparent, true, || unreachable!("the caller's is taken"));
        let facts = Facts { request_id: "the-request".to_owned(), trace, ..Facts::none() };
        Scope::of(&facts).run(store.put(&Path::from("object"), "bytes".into())).await.unwrap();
        let head = server.await.unwrap();
        assert!(head.starts_with("put /bucket/object"), "{head}");
        assert!(head.contains("\r\nx-request-id: the-request\r\n"), "{head}");
        let told = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
        assert_eq!(RemoteSpan::parse(told), RemoteSpan::parse(traceparent), "nothing is exported: as it came");
    }
}
