//! What instances tell each other, and how it is written down.
//!
//! News carry enough to be applied at once. Their shape is an agreement between releases: fields are only added, and an
//! instance that cannot read some news takes them as missed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CurrentRoles, Revoked, Signal};
use crate::kernel::{
    Roles, Timestamp,
    ids::{AccountId, ArtistId, JobId, SessionId, SubmissionId, TrackId},
};

/// Something that happened, and is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum News {
    /// A job can be run now.
    JobEnqueued { job: JobId },
    /// A submission changed.
    SubmissionChanged { submission: SubmissionId },
    /// Somebody signed in.
    SessionOpened {
        account: AccountId,
        session: SessionId,
        #[serde(with = "micros")]
        at: Timestamp,
    },
    /// Access tokens of this session are refused from now on.
    SessionEnded {
        session: SessionId,
        cause: Cause,
        #[serde(with = "micros")]
        at: Timestamp,
    },
    /// Access tokens with older roles of this account are read with these.
    RolesChanged {
        account: AccountId,
        version: i64,
        #[serde(with = "bits")]
        roles: Roles,
        #[serde(with = "micros")]
        at: Timestamp,
    },
    /// A row that may be kept for quick reading is no longer as it was.
    RowChanged { row: Row },
    /// So are too many to name.
    RowsChanged,
}

/// A row that is read often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    Track(TrackId),
    Artist(ArtistId),
}

/// Why a session ended, as clients are told: one of a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub &'static str);

/// The causes that [`crate::sessions`] knows.
pub(crate) const CAUSES: [&str; 13] = [
    "logout",
    "revoked",
    "evicted",
    "refresh_reuse",
    "expired",
    "suspended",
    "password_changed",
    "email_changed",
    "factor_changed",
    "undone",
    "deleted",
    "ended_by_staff",
    "impersonation_over",
];

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Cause {
    /// A cause that only a newer release knows still ends the session.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(CAUSES.into_iter().find(|known| *known == text).unwrap_or("revoked")))
    }
}

mod micros {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        at.micros().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}

mod bits {
    use super::{Deserialize, Deserializer, Roles, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub fn serialize<S: Serializer>(roles: &Roles, to: S) -> Result<S::Ok, S::Error> {
        roles.bits().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Roles, D::Error> {
        u8::deserialize(from).map(Roles::from_bits)
    }
}

impl News {
    pub const fn ended(session: SessionId, revoked: Revoked) -> Self {
        Self::SessionEnded { session, cause: Cause(revoked.cause), at: revoked.at }
    }

    pub const fn roles(account: AccountId, current: CurrentRoles) -> Self {
        Self::RolesChanged { account, version: current.version, roles: current.roles, at: current.at }
    }
}

/// As news, what only wakes.
impl TryFrom<Signal> for News {
    type Error = ();

    fn try_from(signal: Signal) -> Result<Self, ()> {
        match signal {
            Signal::JobEnqueued(job) => Ok(Self::JobEnqueued { job }),
            Signal::SubmissionChanged(submission) => Ok(Self::SubmissionChanged { submission }),
            Signal::SessionOpened(_) | Signal::SessionEnded(_) | Signal::RolesChanged(_) | Signal::Missed => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn news_are_read_as_they_were_written() {
        let (account, session) = (AccountId::from(Uuid::from_u128(1)), SessionId::from(Uuid::from_u128(2)));
        let at = Timestamp::from_micros(1_772_323_200_000_001);
        for news in [
            News::JobEnqueued { job: Uuid::from_u128(3).into() },
            News::SubmissionChanged { submission: Uuid::from_u128(4).into() },
            News::SessionOpened { account, session, at },
            News::SessionEnded { session, cause: Cause("logout"), at },
            News::RolesChanged { account, version: 7, roles: Roles::LISTENER, at },
            News::RowChanged { row: Row::Track(Uuid::from_u128(5).into()) },
            News::RowsChanged,
        ] {
            let text = serde_json::to_string(&news).unwrap();
            assert_eq!(serde_json::from_str::<News>(&text).unwrap(), news, "{text}");
        }
    }

    #[test]
    fn an_unknown_cause_ends_a_session_all_the_same() {
        let session = SessionId::from(Uuid::from_u128(2));
        let text = format!(r#"{{"is":"session_ended","session":"{session}","cause":"a_new_one","at":1}}"#);
        let news = serde_json::from_str::<News>(&text).unwrap();
        assert_eq!(news, News::SessionEnded { session, cause: Cause("revoked"), at: Timestamp::from_micros(1) });
        assert!(serde_json::from_str::<News>(r#"{"is":"something_new"}"#).is_err());
    }
}
