//! How an account stands to an artist, and what that allows.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, QueryTrait,
    Select,
    sea_query::{Expr, ExprTrait, IntoColumnRef},
};

use crate::{
    entity::{
        artist,
        artist_member::{self, MemberRole},
    },
    kernel::ids::{AccountId, ArtistId},
};

/// One account's relation to one artist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Standing {
    pub artist_state: artist::State,
    /// `None` for those who do not belong to the artist.
    pub member_role: Option<MemberRole>,
}

impl Standing {
    pub fn is_member(self) -> bool {
        self.member_role.is_some()
    }

    /// Whether the account may change what is the artist's: viewers only look.
    pub fn may_edit(self) -> bool {
        matches!(self.member_role, Some(MemberRole::Owner | MemberRole::Manager))
    }

    /// Whether the account may bring something new: the artist must be active, too.
    pub fn may_add(self) -> bool {
        self.may_edit() && self.artist_state == artist::State::Active
    }
}

/// How `account` stands to `artist`. `None` when there is no such artist.
///
/// # Errors
/// When the database fails.
pub async fn find_standing(
    db: &impl ConnectionTrait,
    artist: ArtistId,
    account: AccountId,
) -> Result<Option<Standing>, DbErr> {
    let artists = artist::Entity::find().select_only().filter(artist::Column::Id.eq(artist));
    with_role(artists.expr_as(Expr::col((artist::Entity, artist::Column::State)), "artist_state"), account)
        .into_model()
        .one(db)
        .await
}

/// Adds the columns of a [`Standing`] to a query over rows that belong to an artist.
///
/// `artist_column` holds the artist's id.
pub fn with_standing<E: EntityTrait>(
    rows: Select<E>,
    artist_column: impl IntoColumnRef,
    account: AccountId,
) -> Select<E> {
    let mut rows = rows.expr_as(Expr::col((artist::Entity, artist::Column::State)), "artist_state");
    let same = Expr::col((artist::Entity, artist::Column::Id)).equals(artist_column);
    QueryTrait::query(&mut rows).join(JoinType::InnerJoin, artist::Entity, same);
    with_role(rows, account)
}

/// Joins the membership, if there is one, to rows that have an artist beside them.
fn with_role<E: EntityTrait>(rows: Select<E>, account: AccountId) -> Select<E> {
    use artist_member::{Column, Entity};

    let mut rows = rows.expr_as(Expr::col((Entity, Column::Role)), "member_role");
    let membership = Expr::col((Entity, Column::ArtistId))
        .equals((artist::Entity, artist::Column::Id))
        .and(Expr::col((Entity, Column::AccountId)).eq(account));
    QueryTrait::query(&mut rows).join(JoinType::LeftJoin, Entity, membership);
    rows
}
