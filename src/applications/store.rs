//! Statements on `artist_application`.

use sea_orm::{
    ActiveEnum, ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{BinOper, Expr, ExprTrait},
};

use super::states::{Act, states_for};
use crate::{
    db::WriteTx,
    entity::artist_application::{ActiveModel, Column, Entity, Model, State},
    kernel::{
        Timestamp,
        ids::{AccountId, ApplicationId, ArtistId},
    },
};

pub async fn find(db: &impl ConnectionTrait, id: ApplicationId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// This person's newest application, in whatever state.
pub async fn find_newest(db: &impl ConnectionTrait, applicant: AccountId) -> Result<Option<Model>, DbErr> {
    Entity::made_by(applicant).order_by_desc(Column::Id).one(db).await
}

/// Applications older than `before` that were handed in, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    state: Option<State>,
    before: ApplicationId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let all = Entity::find().filter(Column::Id.lt(before)).order_by_desc(Column::Id).limit(limit);
    let wanted = if let Some(state) = state {
        all.filter(Column::State.eq(state))
    } else {
        // Written out and not bound: only so does SQLite see that the partial index holds every row wanted.
        let draft = Expr::Constant(State::Draft.to_value().into());
        all.filter(Expr::col((Entity, Column::State)).binary(BinOper::NotEqual, draft))
    };
    wanted.all(db).await
}

/// Inserts a draft. A second open application of the same person breaks uniqueness.
pub async fn insert(tx: &WriteTx, application: &Model) -> Result<(), DbErr> {
    let row = application.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// Hands an application in. `None` if the applicant has none of this id, or its state does not allow it.
pub async fn update_submitted(
    tx: &WriteTx,
    id: ApplicationId,
    applicant: AccountId,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Submitted.to_value()))
        .col_expr(Column::SubmittedAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::ApplicantId.eq(applicant))
        .filter(Column::State.is_in(states_for(Act::Submit)));
    Ok(changed.exec_with_returning(tx).await?.pop())
}

/// What staff decided.
#[derive(Clone, Debug)]
pub struct Decision {
    pub act: Act,
    pub to: State,
    pub by: AccountId,
    /// Of an approval.
    pub artist: Option<ArtistId>,
    /// Of a rejection.
    pub reason: Option<&'static str>,
    pub note: String,
}

/// Decides on an application as it was `seen`. `None` if it changed meanwhile.
pub async fn update_decided(
    tx: &WriteTx,
    seen: &Model,
    decision: &Decision,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let row = ActiveModel {
        state: Set(decision.to),
        artist_id: Set(decision.artist),
        decided_by: Set(Some(decision.by)),
        decision_reason: Set(decision.reason.map(str::to_owned)),
        decision_note: Set(Some(decision.note.clone())),
        decided_at: Set(Some(now)),
        updated_at: Set(now),
        row_version: Set(seen.row_version + 1),
        ..Default::default()
    };
    let changed = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(seen.id))
        .filter(Column::RowVersion.eq(seen.row_version))
        .filter(Column::State.is_in(states_for(decision.act)));
    Ok(changed.exec_with_returning(tx).await?.pop())
}
