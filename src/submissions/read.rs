//! Who may see which submission.

use super::{
    Error,
    store::{self, SeenSubmission, Wanted},
};
use crate::{
    app::App,
    artists,
    entity::submission::Model,
    kernel::{Caller, Permission, ids::SubmissionId},
    rpc::{
        Page,
        page::{self, Slice},
    },
};

/// One submission, for the artist's members and, once it was handed in, for reviewers.
///
/// # Errors
/// [`Error::NotFound`] for everyone else.
pub async fn get(app: &App, caller: &Caller, id: SubmissionId) -> Result<SeenSubmission, Error> {
    let seen = store::find_seen(&app.db, id, caller.account).await?.ok_or(Error::NotFound)?;
    let visible =
        seen.standing.is_member() || (was_handed_in(&seen.submission) && caller.may(Permission::ReviewSubmissions));
    if visible { Ok(seen) } else { Err(Error::NotFound) }
}

/// One submission, as the reviewers know it: what was never handed in does not exist.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn as_reviewer(app: &App, caller: &Caller, id: SubmissionId) -> Result<SeenSubmission, Error> {
    let seen = store::find_seen(&app.db, id, caller.account).await?.ok_or(Error::NotFound)?;
    if was_handed_in(&seen.submission) { Ok(seen) } else { Err(Error::NotFound) }
}

/// One submission, for a member who may change it.
///
/// # Errors
/// [`Error::MayNotEdit`] for those who only see it, [`Error::NotFound`] for others.
pub async fn as_member(app: &App, caller: &Caller, id: SubmissionId) -> Result<Model, Error> {
    let seen = get(app, caller, id).await?;
    if seen.standing.may_edit() { Ok(seen.submission) } else { Err(Error::MayNotEdit) }
}

/// A page of the submissions of the caller's artists.
///
/// # Errors
/// [`Error::ArtistNotFound`] for an artist the caller is no member of.
pub async fn list(app: &App, caller: &Caller, wanted: Wanted, page: &Page) -> Result<Slice<Model>, Error> {
    if let Some(artist) = wanted.artist
        && !artists::is_member(&app.db, artist, caller.account).await?
    {
        return Err(Error::ArtistNotFound);
    }
    // A key of another shape cannot come out of our own tokens; it reads as the first page.
    let after = page::after_id(page).unwrap_or_default();
    let rows = store::list_for(&app.db, caller.account, wanted, after, page.size).await?;
    Ok(Slice::cut(rows, page, |submission| page::id_key(submission.id)))
}

fn was_handed_in(submission: &Model) -> bool {
    submission.revision > 0
}
