//! The path of every call: which method, who is calling, how often, who may, how long, on a task of its own, a typed
//! answer.
//!
//! One service instead of a pile of layers, so that the order can be read from top to bottom. It stands inside the
//! grpc-web bridge and around all services. Below it nobody asks «is anyone signed in?»; they ask *who*.
//!
//! A handler runs on its own tracked task: a client that hangs up, or a deadline that passes, never drops a transaction
//! half-way. What nobody waits for any more ends soon: a transaction's statements have the deadline as their time limit,
//! a single statement has the session's, and whoever waits for a connection stops waiting. Answers that stream have
//! bounds of their own.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Status, body::Body};
use tower::Service;
use tracing::Instrument;

use super::{
    Refusal, Rpc,
    access::{self, Access, Who},
    auth::{self, Authenticate, Standing},
    limit::{self, Limit, Payer},
    outcome, outflow,
};
use crate::{
    kernel::{Caller, Facts, deadline},
    telemetry::Scope,
};

/// When a call arrived. Put into the extensions by the accept loop: waiting for anything counts.
#[derive(Clone, Copy, Debug)]
pub struct Arrived(pub Instant);

/// Until when a call must be answered. Features that wait for something outside look at it.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Cancelled when the connection that a call came by is to end. Streams that only tell of changes end then, and let
/// their client open another elsewhere. Put into the extensions by the accept loop.
#[derive(Clone, Debug)]
pub struct Closing(pub CancellationToken);

/// A call with less time left than this is refused, not begun.
const LEAST_TIME: Duration = Duration::from_millis(20);

/// Guards `inner`, the router of all gRPC services.
#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    shared: Arc<Shared>,
}

struct Shared {
    /// The name that clients know this server by, for traces.
    address: String,
    authenticate: Arc<dyn Authenticate>,
    limit: Arc<dyn Limit>,
    tasks: TaskTracker,
    idle: Duration,
}

impl<S> Gate<S> {
    /// `address` is the name that clients know this server by; `tasks` tracks the running handlers, for the drain to wait
    /// for. An answer of which nothing is taken for `idle` is cut off.
    pub fn new(
        inner: S,
        address: String,
        authenticate: Arc<dyn Authenticate>,
        limit: Arc<dyn Limit>,
        tasks: TaskTracker,
        idle: Duration,
    ) -> Self {
        Self { inner, shared: Arc::new(Shared { address, authenticate, limit, tasks, idle }) }
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        // The clone stays behind; the one that was asked `poll_ready` serves this call.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(shared.answer(inner, request).await) })
    }
}

/// Health and reflection: open to all, small, and not ours to rule.
fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.")
}

impl Shared {
    async fn answer<S>(&self, inner: S, mut request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
        S::Future: Send,
    {
        let arrived = request.extensions().get::<Arrived>().map_or_else(Instant::now, |arrived| arrived.0);
        let facts = request.extensions().get::<Facts>().cloned();
        let rpc = Rpc::find(request.uri().path());
        let method = outcome::method(rpc, request.uri().path());
        let watch = outcome::Watch::begin(method, &self.address, arrived, facts.as_ref());
        let (span, scope) = (watch.span(), watch.scope());

        let work = async {
            match rpc {
                Some(rpc) => match self.admit_in_time(rpc, arrived, &mut request).await {
                    Ok(deadline) if access::of(rpc).cost.is_long() => {
                        let response = self.run(inner, request, deadline, watch.scope()).await;
                        response.map(|body| outflow::bounded(body, self.idle, deadline))
                    }
                    Ok(deadline) => self.run(inner, request, deadline, watch.scope()).await,
                    Err(refusal) => Status::from(refusal).into_http(),
                },
                None if is_infrastructure(request.uri().path()) => serve(inner, request).await,
                None => Status::from(Refusal::MethodUnknown).into_http(),
            }
        };
        let response = scope.run(work.instrument(span)).await;
        watch.finish(response)
    }

    /// Admits a call whose time is not over yet: what admitting it takes counts.
    async fn admit_in_time(&self, rpc: Rpc, arrived: Instant, request: &mut Request<Body>) -> Result<Instant, Refusal> {
        let wanted = client_timeout(request.headers()).unwrap_or(Duration::MAX);
        let deadline = arrived + wanted.min(access::of(rpc).cost.time_limit());
        if deadline < Instant::now() + LEAST_TIME {
            metrics::counter!("backline_deadlines_exceeded_total", "stage" => "before").increment(1);
            return Err(Refusal::DeadlineExceeded);
        }
        deadline::until(deadline, self.admit(rpc, deadline, request)).await
    }

    /// Decides whether the call may begin, and leaves in its extensions what the handler needs. Returns until when.
    async fn admit(&self, rpc: Rpc, mut deadline: Instant, request: &mut Request<Body>) -> Result<Instant, Refusal> {
        let access = access::of(rpc);
        let facts = request.extensions().get::<Facts>().cloned();
        let caller = match (auth::bearer(request.headers()), facts.clone()) {
            (Ok(Some(token)), Some(facts)) => Some(self.authenticate.authenticate(token, facts).await),
            (Ok(_), _) => None,
            (Err(refusal), _) => Some(Err(refusal)),
        };
        let (caller, payer) = match (access.who, caller) {
            // A stale token on an open method is no reason to refuse: refreshing and signing in again are such methods.
            (Who::Anyone, found) => (found.and_then(Result::ok), facts.map(|facts| Payer::Address(facts.address))),
            (_, None) => return Err(Refusal::AccessTokenMissing),
            (_, Some(found)) => {
                let caller = found?;
                let payer = Payer::of(&caller, limit::class(rpc));
                (Some(caller), Some(payer))
            }
        };
        if let Some(payer) = payer {
            let admitted = self.limit.admit(limit::class(rpc), payer).await?;
            request.extensions_mut().insert(admitted);
        }
        if let Some(caller) = caller {
            if access.who != Who::Anyone {
                judge(rpc, access, &caller)?;
            }
            // No stream outlives the look that opened it.
            if let Some(look) = caller.impersonator {
                deadline = deadline.min(Instant::now() + look.until.since(caller.proof.now));
            }
            if access.cost.is_long() {
                let standing = Standing::new(Arc::clone(&self.authenticate), access.who, caller.clone());
                request.extensions_mut().insert(standing);
            }
            request.extensions_mut().insert(caller);
        }
        request.extensions_mut().insert(Deadline(deadline));
        Ok(deadline)
    }

    /// Runs the handler on its own task, and waits for it until the deadline.
    async fn run<S>(&self, inner: S, request: Request<Body>, deadline: Instant, scope: Scope) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
        S::Future: Send,
    {
        let work = scope.run(deadline::until(deadline, serve(inner, request))).in_current_span();
        let handler = tokio::spawn(self.tasks.track_future(work));
        match tokio::time::timeout_at(deadline, handler).await {
            Ok(Ok(response)) => response,
            Ok(Err(join)) => {
                metrics::counter!("backline_handler_panics_total").increment(1);
                tracing::error!(panicked = join.is_panic(), "a handler did not finish");
                Status::from(Refusal::Internal).into_http()
            }
            Err(_) => {
                metrics::counter!("backline_deadlines_exceeded_total", "stage" => "under_way").increment(1);
                Status::from(Refusal::DeadlineExceeded).into_http()
            }
        }
    }
}

/// Whether this caller may call this method at all. Whose things it is about is the feature's business.
fn judge(rpc: Rpc, access: Access, caller: &Caller) -> Result<(), Refusal> {
    if let Who::With(permission) = access.who {
        if caller.must_enroll {
            return Err(Refusal::StepUpRequired { methods: "enroll".to_owned() });
        }
        if !caller.may(permission) {
            return Err(Refusal::PermissionMissing(permission));
        }
    }
    if let Some(key) = caller.key
        && !rpc.only_reads()
    {
        // What people do with what is their own is not for tools, whatever their scopes.
        match access.who {
            Who::With(_) if key.read_only => return Err(Refusal::NotByKey("write")),
            Who::With(_) | Who::Anyone => {}
            Who::SignedIn => return Err(Refusal::NotByKey("person")),
        }
    }
    // Signing out ends the look through another's eyes, and nothing of the other's.
    if caller.impersonator.is_some() && !rpc.only_reads() && rpc != Rpc::SessionLogout {
        return Err(Refusal::ImpersonationReadsOnly);
    }
    if access.fresh && !caller.proof.is_fresh() {
        let by_nothing = caller.key.is_some() || caller.impersonator.is_some();
        let methods = if by_nothing { String::new() } else { caller.proof.method().to_owned() };
        return Err(Refusal::StepUpRequired { methods });
    }
    Ok(())
}

async fn serve<S>(mut inner: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    match inner.call(request).await {
        Ok(response) => response,
        Err(impossible) => match impossible {},
    }
}

/// `grpc-timeout`: up to eight digits and a unit (the gRPC wire protocol). Malformed ones are ignored.
fn client_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| {
            client_timeout(&http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                http::HeaderValue::from_str(text).unwrap(),
            )]))
        };
        assert_eq!(read("1m"), Some(Duration::from_millis(1)));
        assert_eq!(read("2S"), Some(Duration::from_secs(2)));
        assert_eq!(read("99999999H"), Some(Duration::from_hours(99_999_999)));
        for malformed in ["", "S", "1", "-1S", "1s", "123456789S", "1.5S"] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
    }
}
