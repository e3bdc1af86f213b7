//! All services behind one router.

use std::sync::Arc;

use anyhow::Context;
use axum::{Router, routing::get};
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{ServiceBuilder, layer::layer_fn};

use super::{app_links, guard::ContentTypeGuard, health::Health, http, info::ServerRpc};
use crate::{
    admin::AdminRpc,
    app::App,
    applications::ApplicationRpc,
    artists::ArtistRpc,
    audit::AuditRpc,
    enrolment::FactorRpc,
    limits::Calls,
    pages,
    pb::{
        DESCRIPTORS, account_service_server::AccountServiceServer, admin_service_server::AdminServiceServer,
        application_service_server::ApplicationServiceServer, artist_service_server::ArtistServiceServer,
        audit_service_server::AuditServiceServer, factor_service_server::FactorServiceServer,
        review_service_server::ReviewServiceServer, search_service_server::SearchServiceServer,
        server_service_server::ServerServiceServer, session_service_server::SessionServiceServer,
        storage_service_server::StorageServiceServer, submission_service_server::SubmissionServiceServer,
        track_service_server::TrackServiceServer,
    },
    review::ReviewRpc,
    rpc::{access::Cost, gate::Gate},
    search::SearchRpc,
    security::{self, AccountRpc},
    sessions::{self, AccessTokens, SessionRpc},
    storage::{self, StorageRpc},
    submissions::SubmissionRpc,
    tracks::TrackRpc,
};

/// Everything the main port answers: a few HTTP routes, and gRPC for the rest.
///
/// # Errors
/// When the descriptors for reflection or an allowed origin are malformed: a mistake that the first start shows.
pub fn router(app: &App, health: &Health, tasks: &TaskTracker) -> anyhow::Result<Router> {
    let authenticate = Arc::new(AccessTokens::new(app.clone()));
    let calls = Arc::new(Calls::new(app.clone()));
    let idle = app.config.server.stream_idle_timeout;
    let grpc = ServiceBuilder::new()
        .layer(http::cors(&app.config)?)
        .layer(http::csrf(&app.config)?)
        .layer(layer_fn(ContentTypeGuard::new))
        .layer(GrpcWebLayer::new())
        .layer(layer_fn(|inner| {
            Gate::new(inner, app.config.public_host(), authenticate.clone(), calls.clone(), tasks.clone(), idle)
        }))
        .service(grpc_services(app, health)?.prepare());
    let letters = Router::new().merge(security::page::router(app.clone())).merge(sessions::page::router(app.clone()));
    let routes = Router::new()
        .route("/", get(async || pages::home()))
        .merge(http::limited(letters, calls))
        .merge(storage::http::router(app.clone()))
        .merge(app_links::router(&app.config.apps))
        .fallback_service(grpc);
    Ok(http::around(app, routes))
}

fn grpc_services(app: &App, health: &Health) -> anyhow::Result<Routes> {
    let small = Cost::Write.max_message_bytes();
    let mut routes = Routes::builder();
    macro_rules! add {
        ($($server:ident, $rpc:expr, $limit:expr;)*) => {$(
            routes.add_service($server::new($rpc).max_decoding_message_size($limit));
        )*};
    }
    add! {
        AccountServiceServer, AccountRpc::new(app.clone()), small;
        AdminServiceServer, AdminRpc::new(app.clone()), small;
        ApplicationServiceServer, ApplicationRpc::new(app.clone()), small;
        ArtistServiceServer, ArtistRpc::new(app.clone()), small;
        AuditServiceServer, AuditRpc::new(app.clone()), small;
        FactorServiceServer, FactorRpc::new(app.clone()), small;
        ReviewServiceServer, ReviewRpc::new(app.clone()), small;
        SearchServiceServer, SearchRpc::new(app.clone()), small;
        ServerServiceServer, ServerRpc::new(app.clone()), small;
        SessionServiceServer, SessionRpc::new(app.clone()), small;
        StorageServiceServer, StorageRpc::new(app.clone()), Cost::Chunk.max_message_bytes();
        SubmissionServiceServer, SubmissionRpc::new(app.clone()), small;
        TrackServiceServer, TrackRpc::new(app.clone()), small;
    }
    routes.add_service(health.service());
    if app.config.server.reflection {
        let builder = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        routes.add_service(builder().build_v1().context("the descriptors for reflection")?);
        routes.add_service(builder().build_v1alpha().context("the descriptors for reflection")?);
    }
    Ok(routes.routes())
}
