//! What tells mobile systems that an app and this server belong together: links in letters then open in the app, and it may
//! use the passkeys and passwords of this domain.

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::config::AppsConfig;

/// Both systems look seldom; an hour is soon enough for a new app.
const CACHED: &str = "public, max-age=3600";

/// The two documents, at the places that the systems know. Without settings they do not exist.
pub fn router(config: &AppsConfig) -> Router {
    let (android, apple) = (android(config), apple(config));
    Router::new()
        .route("/.well-known/assetlinks.json", get(async move || answer(android.as_ref())))
        .route("/.well-known/apple-app-site-association", get(async move || answer(apple.as_ref())))
}

fn answer(document: Option<&Value>) -> Response {
    match document {
        Some(document) => ([(header::CACHE_CONTROL, CACHED)], Json(document)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Digital Asset Links: links and credentials.
fn android(config: &AppsConfig) -> Option<Value> {
    let package = config.android_package.as_ref()?;
    Some(json!([{
        "relation": ["delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"],
        "target": {
            "namespace": "android_app",
            "package_name": package,
            "sha256_cert_fingerprints": config.android_fingerprints,
        },
    }]))
}

/// Apple's associated domains: universal links and web credentials.
fn apple(config: &AppsConfig) -> Option<Value> {
    let apps = &config.apple_app_ids;
    let pages: Vec<Value> = config.paths.iter().map(|path| json!({ "/": path })).collect();
    (!apps.is_empty()).then(|| {
        json!({
            "applinks": { "details": [{ "appIDs": apps, "components": pages }] },
            "webcredentials": { "apps": apps },
        })
    })
}
