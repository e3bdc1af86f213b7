//! The gRPC face of the trail.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::{
    domain,
    verify::{self, Range},
    wire,
};
use crate::{
    app::App,
    pb::{self, audit_service_server::AuditService},
    rpc::{
        self, Refusal, Rpc,
        access::Cost,
        auth::Standing,
        gate::Deadline,
        page::{self, Query},
    },
};

/// What a call keeps for its answer's way back.
const RESERVE: Duration = Duration::from_millis(300);

#[derive(Clone, Debug)]
pub struct AuditRpc {
    app: App,
}

impl AuditRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

fn deadline<T>(request: &Request<T>, cost: Cost) -> Instant {
    let given = request.extensions().get::<Deadline>();
    given.map_or_else(|| Instant::now() + cost.time_limit(), |deadline| deadline.0)
}

#[tonic::async_trait]
impl AuditService for AuditRpc {
    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let wanted = wire::wanted(&message.filter)?;
        let query = Query { rpc: Rpc::AuditListEvents, caller: Some(caller.account), filter: &message.filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let before = page::before_id(&page)?;
        let slice = domain::list(&self.app, wanted, &page, before).await.map_err(Refusal::from)?;
        Ok(Response::new(wire::listed(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn verify_chain(
        &self,
        request: Request<pb::VerifyChainRequest>,
    ) -> Result<Response<pb::VerifyChainResponse>, Status> {
        let until = deadline(&request, Cost::Read).checked_sub(RESERVE);
        let range = Range { until, ..wire::range(request.get_ref())? };
        let finding = verify::verify(&self.app, range).await.map_err(Refusal::from)?;
        Ok(Response::new(wire::found(&finding)))
    }

    type ExportEventsStream = Pin<Box<dyn Stream<Item = Result<pb::ExportEventsResponse, Status>> + Send>>;

    async fn export_events(
        &self,
        request: Request<pb::ExportEventsRequest>,
    ) -> Result<Response<Self::ExportEventsStream>, Status> {
        let caller = rpc::caller(&request)?;
        let standing = Standing::of(&request)?;
        let until = deadline(&request, Cost::Export);
        let (after, reason) = wire::export(request.get_ref())?;
        domain::begin_export(&self.app, &caller, after, &reason).await?;
        Ok(Response::new(export(self.app.clone(), standing, after, until).boxed()))
    }
}

/// Pages through the trail; between two pages no connection is held. It ends with the caller's right to it.
fn export(
    app: App,
    standing: Standing,
    after: i64,
    until: Instant,
) -> impl Stream<Item = Result<pb::ExportEventsResponse, Status>> {
    stream::unfold(Some((standing, after)), move |state| {
        let app = app.clone();
        async move {
            let (mut standing, after) = state?;
            if Instant::now() >= until {
                return Some((Err(Refusal::DeadlineExceeded.into()), None));
            }
            if let Err(refusal) = standing.check().await {
                return Some((Err(refusal.into()), None));
            }
            match domain::export_after(&app, after).await {
                Ok(rows) => {
                    let last = rows.last()?.0.sequence;
                    let events = rows.iter().map(wire::event).collect();
                    Some((Ok(pb::ExportEventsResponse { events }), Some((standing, last))))
                }
                Err(error) => Some((Err(Refusal::from(error).into()), None)),
            }
        }
    })
}
