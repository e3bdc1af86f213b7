//! What every request brings and every HTTP answer carries.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    csrf::CsrfLayer,
};

use super::{accept::Peer, proxies};
use crate::{
    app::App,
    config::Config,
    kernel::{ClientAddress, Facts, Trace},
    limits::Calls,
    rpc::limit::{Class, Limit, Payer},
    telemetry::Scope,
};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 128;
const MAX_USER_AGENT: usize = 256;

/// On every answer that is not gRPC: nothing is framed, sniffed, scripted or told onwards.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Puts the request's facts before `routes`, and the headers behind it.
pub fn around(app: &App, routes: Router) -> Router {
    routes.layer(middleware::from_fn_with_state(app.clone(), follow)).layer(CatchPanicLayer::new())
}

async fn follow(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let facts = facts(&app, request.headers(), request.extensions().get::<Peer>());
    let request_id = facts.request_id.clone();
    let scope = Scope::of(&facts);
    request.extensions_mut().insert(facts);

    let mut response = scope.run(next.run(request)).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    let is_grpc =
        headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc {
        for (name, value) in SECURITY_HEADERS {
            headers.entry(name).or_insert(value);
        }
        if app.config.tls.is_on() || app.config.public_url().starts_with("https://") {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
    }
    response
}

/// Counts what the buttons of `pages` do like the methods that do the same: by the client's address.
pub fn limited(pages: Router, calls: Arc<Calls>) -> Router {
    pages.layer(middleware::from_fn_with_state(calls, count))
}

async fn count(State(calls): State<Arc<Calls>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Facts>().map(|facts| facts.address);
    if let (Method::POST, Some(address)) = (request.method().clone(), address)
        && let Err(exceeded) = calls.admit(Class::Try, Payer::Address(address)).await
    {
        let wait = (exceeded.retry_after.as_secs() + 1).to_string();
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)], exceeded.to_string()).into_response();
    }
    next.run(request).await
}

/// The request's id is the client's, if it is one we can log, or a new one.
fn facts(app: &App, headers: &HeaderMap, peer: Option<&Peer>) -> Facts {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = text(&REQUEST_ID);
    let usable = (1..=MAX_REQUEST_ID).contains(&given.len())
        && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    let new = (!usable).then(|| app.dice.bytes::<16>());
    // Only our load balancers say to which trace a call belongs. An id that we made is also that of the trace.
    let trusted = peer.is_some_and(|peer| proxies::trusts(&app.config.server, peer.0));
    let trace = Trace::of_call(text(&HeaderName::from_static("traceparent")), trusted, || {
        new.unwrap_or_else(|| app.dice.bytes())
    });
    Facts {
        request_id: new.map_or_else(|| given.to_owned(), hex::encode),
        request_id_is_ours: !usable,
        trace,
        address: peer.map_or(ClientAddress::NONE, |peer| proxies::client(&app.config.server, peer.0, headers)),
        user_agent: text(&header::USER_AGENT).chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect(),
    }
}

/// Which other origins' pages may call. Listed exactly: `*` would not cover `authorization`, and a mirrored origin is
/// everyone. Their pages may send the cookie, too: the browser keeps it from those of another site by itself.
///
/// # Errors
/// When an allowed origin fits no header.
pub fn cors(config: &Config) -> anyhow::Result<CorsLayer> {
    let origins = origins(config).map(|origin| origin.parse()).collect::<Result<Vec<HeaderValue>, _>>();
    let name = HeaderName::from_static;
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.context("web.allowed_origins")?))
        .allow_credentials(true)
        .allow_methods([Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            name("x-grpc-web"),
            name("x-user-agent"),
            name("grpc-timeout"),
            name("x-backline-csrf"),
            REQUEST_ID.clone(),
            name("traceparent"),
        ])
        .expose_headers([
            name("grpc-status"),
            name("grpc-message"),
            name("grpc-status-details-bin"),
            REQUEST_ID.clone(),
        ])
        .max_age(Duration::from_hours(2)))
}

/// Refuses what another site's page sends: by `Sec-Fetch-Site` and `Origin`.
///
/// # Errors
/// When an allowed origin is malformed.
pub fn csrf(config: &Config) -> anyhow::Result<CsrfLayer> {
    origins(config)
        .try_fold(CsrfLayer::new(), |layer, origin| layer.add_trusted_origin(&origin).context("web.allowed_origins"))
}

fn origins(config: &Config) -> impl Iterator<Item = String> {
    config.web.allowed_origins.iter().map(|origin| origin.origin().ascii_serialization())
}
