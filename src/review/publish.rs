//! Making an approved track public.

use super::{
    Error, domain,
    store::{self, About},
};
use crate::{
    app::App,
    entity::submission::Model,
    kernel::{Caller, ids::SubmissionId},
    rpc::once::Record,
    search::{self, Document, Kind},
    submissions::{self, Method, Move, settle},
    tracks,
};

/// Publishes the track: everyone signed in sees it and finds it.
pub async fn publish(app: &App, caller: &Caller, id: SubmissionId, once: &impl Record<Model>) -> Result<Model, Error> {
    let mut step = domain::begin(app, caller, id, Method::Publish).await?;
    step.after.published_at = Some(step.after.updated_at);
    let about = store::find_about(&app.db, id).await?.ok_or(submissions::Error::NotFound)?;
    let outcome = write(app, caller, &step, &about, once).await;
    Ok(settle(app, id, Method::Publish, outcome).await?)
}

async fn write(
    app: &App,
    caller: &Caller,
    step: &Move,
    about: &About,
    once: &impl Record<Model>,
) -> Result<Model, submissions::Error> {
    let published = &step.after;
    let tx = app.db.begin_write().await?;
    step.write(&tx, app).await?;
    if !tracks::publish(&tx, published.track_id, published.updated_at).await? {
        return Err(submissions::Error::Changed);
    }
    let document = Document {
        kind: Kind::Track,
        subject: published.track_id.into(),
        display: &about.title,
        also: &[&about.version_title, &about.stage_name],
        published_at: published.updated_at,
    };
    search::put(&tx, document).await?;
    domain::note(&tx, app, caller, "submission_published", None, published).await?;
    domain::write_letter(&tx, app, published, about, "published").await?;
    once.record(&tx, published).await?;
    tx.commit().await?;
    Ok(published.clone())
}
