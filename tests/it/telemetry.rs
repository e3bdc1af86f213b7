//! What a collector is told, and that nothing waits for it.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::{
    metrics::v1::metric::Data,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};

use crate::harness::{
    collector::{Collector, STOPS_WITHIN, silent, text},
    raw::frame,
    recording::Recording,
    *,
};

const INFO: &str = "backline.v1.ServerService/GetServerInfo";
const REGISTER: &str = "backline.v1.AccountService/Register";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

async fn world_with(collector: &Collector, further: &[(&str, &str)]) -> World {
    let settings = collector.settings();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    settings.extend(further);
    World::with(&settings).await
}

async fn info(world: &World, headers: &[(&str, &str)]) -> Answer {
    world.grpc(&format!("/{INFO}"), headers, frame(&[])).await
}

fn traceparent() -> String {
    format!("00-{TRACE}-{CALLER}-01")
}

fn status_of(span: &Span) -> StatusCode {
    span.status.as_ref().map_or(StatusCode::Unset, opentelemetry_proto::tonic::trace::v1::Status::code)
}

#[tokio::test]
async fn a_call_is_a_span_below_its_trusted_caller() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[("server.trusted_proxies", "127.0.0.0/8")]).await;
    let answer = info(&world, &[("traceparent", &traceparent())]).await;
    let span = collector.span(INFO).await;
    assert_eq!((hex::encode(&span.trace_id), hex::encode(&span.parent_span_id)), (TRACE.into(), CALLER.into()));
    assert_eq!((span.kind(), status_of(&span)), (SpanKind::Server, StatusCode::Unset));
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    for (key, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", INFO),
        ("rpc.response.status_code", "OK"),
        ("server.address", "backline.test"),
        ("backline.request_id", answer.header("x-request-id").unwrap()),
        ("error.type", ""),
    ] {
        assert_eq!(text(&span.attributes, key), value, "{key}");
    }
    for (key, value) in [
        ("service.name", "backline"),
        ("service.instance.id", "instance-7"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(collector.resource(key), value, "{key}");
    }
}

#[tokio::test]
async fn a_stranger_joins_no_trace_and_is_linked() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    let answer = info(&world, &[("traceparent", &traceparent())]).await;
    let span = collector.span(INFO).await;
    assert_ne!(hex::encode(&span.trace_id), TRACE);
    assert_eq!(hex::encode(&span.trace_id), answer.header("x-request-id").unwrap(), "one id to look for");
    assert!(span.parent_span_id.is_empty());
    let links: Vec<_> = span.links.iter().map(|link| hex::encode(&link.trace_id)).collect();
    assert_eq!(links, [TRACE]);

    info(&world, &[("traceparent", "nonsense"), ("x-request-id", "mine")]).await;
    eventually(async || collector.spans(INFO).len() == 2).await;
    let second = &collector.spans(INFO)[1];
    assert!(second.links.is_empty());
    assert_eq!(text(&second.attributes, "backline.request_id"), "", "what a client chose might name somebody");
}

#[tokio::test]
async fn what_a_call_does_stands_below_it_and_its_jobs_are_linked() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    world.register("ana").await;
    world.run_jobs().await;
    let call = collector.span(REGISTER).await;
    let below = |span: &Span| span.parent_span_id == call.span_id && span.trace_id == call.trace_id;
    eventually(async || collector.spans("db.transaction").iter().any(below)).await;
    let transaction = collector.spans("db.transaction").into_iter().find(below).unwrap();
    assert_eq!(transaction.kind(), SpanKind::Client);
    let system = if database::is_postgres() { "postgresql" } else { "sqlite" };
    assert_eq!(text(&transaction.attributes, "db.system.name"), system);

    let link = call.links.first().expect("the letter is a job");
    let job = collector.span_with_id(&link.span_id).await;
    assert_eq!(job.trace_id, link.trace_id);
    assert_eq!((job.name.as_str(), job.kind()), ("notifications.send_letter", SpanKind::Consumer));
    let letter = collector.span("mail.send").await;
    assert_eq!((&letter.parent_span_id, &letter.trace_id), (&job.span_id, &job.trace_id));
}

#[tokio::test]
async fn of_calls_that_were_not_chosen_only_failures_are_kept() {
    let collector = Collector::start().await;
    let mut world = world_with(&collector, &[("telemetry.sample_ratio", "0")]).await;
    world.register("ana").await;
    // Wrong by the caller's own fault, and by ours.
    let wrong = world.grpc(&format!("/{REGISTER}"), &[], frame(&[])).await;
    assert_eq!(wrong.grpc().code(), Code::InvalidArgument);
    let late = info(&world, &[("grpc-timeout", "1m")]).await;
    assert_eq!(late.grpc().code(), Code::DeadlineExceeded);
    world.run_jobs().await;
    world.stop_telemetry().await;
    let span = collector.span(INFO).await;
    assert_eq!(status_of(&span), StatusCode::Error);
    assert_eq!(text(&span.attributes, "error.type"), "DEADLINE_EXCEEDED");
    for name in [REGISTER, "db.transaction", "notifications.send_letter", "mail.send"] {
        assert!(collector.spans(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn what_a_trusted_caller_decided_holds() {
    let collector = Collector::start().await;
    let settings = [("server.trusted_proxies", "127.0.0.0/8"), ("telemetry.sample_ratio", "0")];
    let mut world = world_with(&collector, &settings).await;
    info(&world, &[("traceparent", &traceparent())]).await;
    info(&world, &[("traceparent", &traceparent().replace("-01", "-00"))]).await;
    info(&world, &[]).await;
    world.stop_telemetry().await;
    let told: Vec<_> = collector.spans(INFO).iter().map(|span| hex::encode(&span.trace_id)).collect();
    assert_eq!(told, [TRACE], "of three calls the one that was chosen before us");
}

#[tokio::test]
async fn the_collector_is_told_the_metrics_of_the_page() {
    let collector = Collector::start().await;
    let world = world_with(&collector, &[]).await;
    info(&world, &[]).await;
    let duration = async || {
        let metric = collector.metric("rpc.server.call.duration").await;
        let Some(Data::Histogram(histogram)) = metric.data else { panic!("no histogram: {metric:?}") };
        assert_eq!(metric.unit, "s");
        // Tests of this process share their metrics.
        histogram.data_points.into_iter().find(|point| {
            text(&point.attributes, "rpc.method") == INFO && text(&point.attributes, "rpc.response.status_code") == "OK"
        })
    };
    eventually(async || duration().await.is_some()).await;
    let point = duration().await.unwrap();
    assert_eq!(text(&point.attributes, "rpc.system.name"), "grpc");
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    let statements = collector.metric("backline.db_statements").await;
    assert!(matches!(statements.data, Some(Data::Sum(sum)) if sum.is_monotonic));
    assert!(matches!(collector.metric("backline.calls_in_flight").await.data, Some(Data::Gauge(_))));
}

#[tokio::test]
async fn a_collector_that_is_away_changes_nothing() {
    let (listener, silent) = silent().await;
    let closed = {
        let (listener, url) = collector::silent().await;
        drop(listener);
        url
    };
    for url in [silent, closed] {
        let settings = [
            ("telemetry.otlp_endpoint", url.as_str()),
            ("telemetry.sample_ratio", "1"),
            ("telemetry.export_interval", "100ms"),
        ];
        let mut world = World::with(&settings).await;
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(info(&world, &[]).await.grpc().code(), Code::Ok);
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "calls do not wait: {:?}", begun.elapsed());
        let begun = Instant::now();
        world.stop_telemetry().await;
        assert!(begun.elapsed() < STOPS_WITHIN, "{:?}", begun.elapsed());
    }
    drop(listener);
}

#[tokio::test]
async fn a_collector_that_comes_back_hears_the_next_calls() {
    let (listener, url) = silent().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings = [
        ("telemetry.otlp_endpoint", url.as_str()),
        ("telemetry.sample_ratio", "1"),
        ("telemetry.export_interval", "100ms"),
    ];
    let world = World::with(&settings).await;
    info(&world, &[]).await;
    let collector = Collector::start_at(address).await;
    eventually(async || {
        info(&world, &[]).await;
        !collector.spans(INFO).is_empty()
    })
    .await;
}

#[tokio::test]
async fn the_collector_is_told_no_secret() {
    let collector = Collector::start().await;
    let headers = "authorization=Bearer collector-token";
    let mut world = world_with(&collector, &[("telemetry.otlp_headers", headers)]).await;
    let log = Recording::default();
    let listening = log.listen_beside(world.traces());
    let ana = world.account("canary-ana").await;
    let bearer = format!("Bearer {}", ana.access_token());
    let planted = [
        ("authorization", bearer.as_str()),
        ("user-agent", "canary-agent/1.0"),
        ("cookie", "canary-cookie=1"),
        ("x-request-id", "canary-request"),
        ("x-forwarded-for", "192.0.2.99"),
        ("tracestate", "canary=state"),
        ("traceparent", &traceparent()),
    ];
    info(&world, &planted).await;
    assert!(world.login("canary-nobody@example.org", "canary password of nobody").await.is_err());
    world.run_jobs().await;
    world.stop_telemetry().await;
    drop(listening);

    let all = collector.all();
    assert!(all.iter().any(|message| message.contains("backline.v1.SessionService/Login")), "{all:?}");
    let secrets = ["canary", "example.org", PASSWORD, &ana.access_token(), "192.0.2.99", "127.0.0.1"];
    for message in &all {
        for secret in secrets {
            assert!(!message.contains(secret), "the collector was told «{secret}»: {message}");
        }
        assert!(message.contains("authorization"), "each message carries the collector's own headers: {message}");
    }
    for line in log.lines().iter().chain(&world.logged()) {
        assert!(!line.contains("collector-token"), "{line}");
    }
}

#[tokio::test]
async fn the_program_tells_what_is_left_before_it_ends() {
    if database::is_postgres() {
        return;
    }
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::backline(folder.path(), &[]);
    command
        .env("BACKLINE_TELEMETRY_OTLP_ENDPOINT", format!("http://{}", collector.address))
        .env("BACKLINE_TELEMETRY_SAMPLE_RATIO", "1")
        .env("BACKLINE_TELEMETRY_EXPORT_INTERVAL", "5m");
    let mut server = program::Running::start(&mut command, &folder.path().join("log"));
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let path = format!("/{INFO}");
    let answer = raw::send(server.address, Http::Two, http::Method::POST, &path, &headers, frame(&[])).await;
    assert_eq!(answer.grpc().code(), Code::Ok);
    server.signal("INT");
    eventually(async || server.has_ended()).await;
    assert_eq!(text(&collector.span(INFO).await.attributes, "rpc.response.status_code"), "OK");
    assert!(!collector.metric("rpc.server.call.duration").await.name.is_empty());
}
