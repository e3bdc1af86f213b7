//! A collector for one test: the services that OTLP publishes, on a port of their own, keeping what arrives.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::Metric,
    trace::v1::Span,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use super::eventually;

/// A running collector. It ends when dropped.
pub struct Collector {
    pub address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Heard {
    spans: Vec<Span>,
    /// Of the last message.
    metrics: Vec<Metric>,
    /// Who it comes from: of the last message with spans.
    resource: Vec<KeyValue>,
    /// Every message whole, with its metadata, as text.
    all: Vec<String>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// At an address that was free a moment ago.
    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, stop) = (Arc::<Mutex<Heard>>::default(), CancellationToken::new());
        let service = Service(Arc::clone(&heard));
        let serving = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(service.clone()))
            .add_service(MetricsServiceServer::new(service))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.clone().cancelled_owned());
        tokio::spawn(serving);
        Self { address, heard, _stop: stop.drop_guard() }
    }

    /// Settings that export everything here, and quickly.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("telemetry.otlp_endpoint", format!("http://{}", self.address)),
            ("telemetry.instance", "instance-7".to_owned()),
            ("telemetry.sample_ratio", "1".to_owned()),
            ("telemetry.export_interval", "100ms".to_owned()),
        ]
    }

    /// All spans of this name, so far.
    pub fn spans(&self, name: &str) -> Vec<Span> {
        self.heard.lock().spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The first span of this name, once it is here.
    pub async fn span(&self, name: &str) -> Span {
        eventually(async || !self.spans(name).is_empty()).await;
        self.spans(name).remove(0)
    }

    /// The span with this id, once it is here.
    pub async fn span_with_id(&self, id: &[u8]) -> Span {
        let find = || self.heard.lock().spans.iter().find(|span| span.span_id == id).cloned();
        eventually(async || find().is_some()).await;
        find().expect("it was there")
    }

    /// A metric of the last message, once it is there.
    pub async fn metric(&self, name: &str) -> Metric {
        let find = || self.heard.lock().metrics.iter().find(|metric| metric.name == name).cloned();
        eventually(async || find().is_some()).await;
        find().expect("it was there")
    }

    /// Who the spans come from.
    pub fn resource(&self, key: &str) -> String {
        text(&self.heard.lock().resource, key)
    }

    /// Every message whole, as text.
    pub fn all(&self) -> Vec<String> {
        self.heard.lock().all.clone()
    }
}

/// An attribute as text; empty if there is none.
pub fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

/// A port where somebody listens and says nothing.
pub async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// How long the server may take to stop, whatever the collector does: two seconds and a little for the rest.
pub const STOPS_WITHIN: Duration = Duration::from_secs(4);

#[derive(Clone)]
struct Service(Arc<Mutex<Heard>>);

impl Service {
    fn keep<T: std::fmt::Debug>(&self, request: &Request<T>) {
        self.0.lock().all.push(format!("{:?} {:?}", request.metadata(), request.get_ref()));
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep(&request);
        let mut heard = self.0.lock();
        for of in request.into_inner().resource_spans {
            heard.resource = of.resource.unwrap_or_default().attributes;
            heard.spans.extend(of.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.keep(&request);
        let all = request.into_inner().resource_metrics.into_iter().flat_map(|of| of.scope_metrics);
        self.0.lock().metrics = all.flat_map(|scope| scope.metrics).collect();
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
