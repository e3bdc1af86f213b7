//! The rules of applications.

use serde_json::json;

use super::{
    Act, Error,
    states::after,
    store::{self, Decision},
};
use crate::{
    accounts,
    app::App,
    artists::{self, NewArtist},
    audit,
    db::{self, WriteTx},
    entity::{
        account,
        artist::Model as Artist,
        artist_application::{Model, State},
    },
    kernel::{
        Caller, Principal, Role,
        ids::{ApplicationId, Id},
    },
    mail::Letter,
    notifications,
    rpc::{
        once::Record,
        page::{Page, Slice, id_key},
    },
    search::{self, Document, Kind},
};

/// What a person says about the artist to be.
#[derive(Clone, Debug)]
pub struct NewApplication {
    pub stage_name: String,
    pub biography: String,
    /// A JSON array of URLs.
    pub links: String,
}

/// Begins an application as a draft.
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewApplication,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let now = app.clock.now();
    let application = Model {
        id: ApplicationId::new(now, &app.dice),
        applicant_id: caller.account,
        stage_name: new.stage_name,
        biography: new.biography,
        links: new.links,
        state: State::Draft,
        artist_id: None,
        decided_by: None,
        decision_reason: None,
        decision_note: None,
        submitted_at: None,
        decided_at: None,
        created_at: now,
        updated_at: now,
        row_version: 1,
    };
    let tx = app.db.begin_write().await?;
    match store::insert(&tx, &application).await {
        Err(error) if db::violates_uniqueness(&error) => {
            tx.rollback().await?;
            // The open one is the newest: a person cannot begin another while it is open.
            let open = store::find_newest(&app.db, caller.account).await?;
            return Err(Error::Exists { open: open.map(|open| open.id) });
        }
        inserted => inserted?,
    }
    write_down(&tx, app, caller, "application_created", &application).await?;
    once.record(&tx, &application).await?;
    tx.commit().await?;
    Ok(application)
}

/// Hands the caller's own application to staff.
pub async fn submit(app: &App, caller: &Caller, id: ApplicationId, once: &impl Record<Model>) -> Result<Model, Error> {
    let tx = app.db.begin_write().await?;
    let Some(application) = store::update_submitted(&tx, id, caller.account, app.clock.now()).await? else {
        tx.rollback().await?;
        let seen = store::find(&app.db, id).await?.filter(|seen| seen.applicant_id == caller.account);
        after(seen.ok_or(Error::NotFound)?.state, Act::Submit)?;
        return Err(Error::Changed);
    };
    write_down(&tx, app, caller, "application_submitted", &application).await?;
    once.record(&tx, &application).await?;
    tx.commit().await?;
    Ok(application)
}

/// The caller's newest application.
pub async fn mine(app: &App, caller: &Caller) -> Result<Model, Error> {
    store::find_newest(&app.db, caller.account).await?.ok_or(Error::NotFound)
}

/// A page of what was handed in, newest first, for staff.
pub async fn list(app: &App, state: Option<State>, page: &Page, before: ApplicationId) -> Result<Slice<Model>, Error> {
    let rows = store::list(&app.db, state, before, page.size + 1).await?;
    Ok(Slice::cut(rows, page, |application| id_key(application.id)))
}

/// Accepts an application: artist, owner and role are there at once, and the artist can be found.
pub async fn approve(
    app: &App,
    caller: &Caller,
    id: ApplicationId,
    note: String,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let seen = decidable(app, caller, id, Act::Approve).await?;
    let tx = app.db.begin_write().await?;
    let artist = artists::found(&tx, app, artist_of(&seen)).await?;
    let decision = Decision {
        act: Act::Approve,
        to: State::Approved,
        by: caller.account,
        artist: Some(artist.id),
        reason: None,
        note,
    };
    let Some(application) = store::update_decided(&tx, &seen, &decision, app.clock.now()).await? else {
        return Err(lost(app, caller, tx, id, Act::Approve).await?);
    };
    let owner = give_role(&tx, app, caller, &application).await?;
    search::put(&tx, document(&artist)).await?;
    write_down(&tx, app, caller, "application_approved", &application).await?;
    post(&tx, app, &owner, &application, decision.note).await?;
    once.record(&tx, &application).await?;
    tx.commit().await?;
    Ok(application)
}

/// Why an application is declined.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// As it is stored: the enum's name in lower case.
    pub reason: &'static str,
    /// The reason in words, for the letter.
    pub words: &'static str,
    pub note: String,
}

/// Declines an application. The person may apply again.
pub async fn reject(
    app: &App,
    caller: &Caller,
    id: ApplicationId,
    why: Refusal,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let seen = decidable(app, caller, id, Act::Reject).await?;
    let applicant = accounts::find(&app.db, seen.applicant_id).await?.ok_or(Error::NotFound)?;
    let decision = Decision {
        act: Act::Reject,
        to: State::Rejected,
        by: caller.account,
        artist: None,
        reason: Some(why.reason),
        note: why.note,
    };
    let tx = app.db.begin_write().await?;
    let Some(application) = store::update_decided(&tx, &seen, &decision, app.clock.now()).await? else {
        return Err(lost(app, caller, tx, id, Act::Reject).await?);
    };
    write_down(&tx, app, caller, "application_rejected", &application).await?;
    let told =
        if decision.note.is_empty() { why.words.to_owned() } else { format!("{}\n\n{}", why.words, decision.note) };
    post(&tx, app, &applicant, &application, told).await?;
    once.record(&tx, &application).await?;
    tx.commit().await?;
    Ok(application)
}

/// The application, if `act` is the caller's to do and its state allows it.
async fn decidable(app: &App, caller: &Caller, id: ApplicationId, act: Act) -> Result<Model, Error> {
    let seen = store::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    if seen.applicant_id == caller.account {
        return Err(Error::Own);
    }
    if seen.state == State::Draft {
        return Err(Error::NotFound);
    }
    after(seen.state, act)?;
    Ok(seen)
}

/// What to tell when another was faster: the same as if they had been much faster.
async fn lost(app: &App, caller: &Caller, tx: WriteTx, id: ApplicationId, act: Act) -> Result<Error, Error> {
    tx.rollback().await?;
    Ok(decidable(app, caller, id, act).await.err().unwrap_or(Error::Changed))
}

fn artist_of(application: &Model) -> NewArtist {
    NewArtist {
        owner: application.applicant_id,
        stage_name: application.stage_name.clone(),
        biography: application.biography.clone(),
        links: application.links.clone(),
    }
}

fn document(artist: &Artist) -> Document<'_> {
    Document {
        kind: Kind::Artist,
        subject: artist.id.into(),
        display: &artist.stage_name,
        also: &[],
        published_at: artist.created_at,
    }
}

/// Makes the applicant an artist, and writes down that their rights changed.
async fn give_role(tx: &WriteTx, app: &App, caller: &Caller, application: &Model) -> Result<account::Model, Error> {
    let mut before = None;
    let changed = accounts::set_roles(tx, app, application.applicant_id, |roles| {
        before = Some(roles);
        roles.with(Role::Artist)
    });
    let owner = changed.await?.ok_or(Error::Changed)?;
    if let Some(before) = before.filter(|before| *before != owner.roles) {
        let event = audit::Event::new(Principal::Account(caller.account), "authz_change", "account", owner.id)
            .with(json!({ "from": before.to_string(), "to": owner.roles.to_string() }));
        audit::write(tx, app, Some(&caller.facts), event).await?;
    }
    Ok(owner)
}

async fn write_down(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    action: &'static str,
    application: &Model,
) -> Result<(), Error> {
    let mut event = audit::Event::new(Principal::Account(caller.account), action, "artist_application", application.id)
        .about(application.applicant_id);
    if let Some(artist) = application.artist_id {
        event = event.with(json!({ "artist_id": artist.to_string() }));
    }
    if let Some(reason) = &application.decision_reason {
        event = event.because(reason);
    }
    Ok(audit::write(tx, app, Some(&caller.facts), event).await?)
}

/// Writes to the applicant. The version in the key lets a later decision on the same application be told as well.
async fn post(
    tx: &WriteTx,
    app: &App,
    applicant: &account::Model,
    application: &Model,
    note: String,
) -> Result<(), Error> {
    let key = format!("application_decided/{}/{}", application.id, application.row_version);
    let letter = Letter::ApplicationDecided {
        stage_name: application.stage_name.clone(),
        approved: application.state == State::Approved,
        note,
    };
    Ok(notifications::post(tx, app, &key, applicant, &letter).await?)
}
