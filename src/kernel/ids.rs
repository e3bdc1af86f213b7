//! Ids: UUIDv7 in the database, TypeID text on the wire, one type per kind.
//!
//! A UUIDv7 sorts by age, so keyset paging by id is paging by time. On the wire an id says what it names
//! (`trk_01j9zk3v6m…`), and a track's id given where a submission's belongs is refused before any look-up.
//!
//! The text form follows the TypeID specification 0.3: a prefix, an underscore, 26 characters of Crockford's base32 in
//! lower case. The codec is ours, and the specification's vectors test it: the published crates mint their ids from the
//! machine's own clock and generator, which the seams in [`super::clock`] and [`super::dice`] forbid.

use std::str::FromStr;

use sea_orm::DeriveValueType;
use uuid::Uuid;

use super::{Dice, Timestamp};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

/// Text that is no id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an id that begins with `{prefix}_` and goes on with 26 characters")]
pub struct InvalidId {
    prefix: &'static str,
}

/// What every kind of id can do.
pub trait Id: Copy + Send + Sync + 'static + From<Uuid> + Into<Uuid> {
    const PREFIX: &'static str;

    /// A new id, ordered by `now` to the microsecond (RFC 9562, 6.2, method 3) and unguessable for the rest.
    fn new(now: Timestamp, dice: &Dice) -> Self {
        let fraction = now.micros().rem_euclid(1000) * 4096 / 1000;
        let mut random: [u8; 10] = dice.bytes();
        random[0] = u8::try_from(fraction >> 8).unwrap_or(0);
        random[1] = u8::try_from(fraction & 0xff).unwrap_or(0);
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into()
    }

    /// Not greater than any id made in the millisecond of `at` or later: the lower end of a range by age.
    fn earliest(at: Timestamp) -> Self {
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid().into()
    }

    /// As [`Id::earliest`], to the microsecond: greater than any id made before `at`, too.
    fn first_at(at: Timestamp) -> Self {
        let fraction = u16::try_from(at.micros().rem_euclid(1000) * 4096 / 1000).unwrap_or(0).to_be_bytes();
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        let random = [fraction[0], fraction[1], 0, 0, 0, 0, 0, 0, 0, 0];
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into()
    }

    fn parse(text: &str) -> Result<Self, InvalidId> {
        text.strip_prefix(Self::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .and_then(decode)
            .map(Self::from)
            .ok_or(InvalidId { prefix: Self::PREFIX })
    }
}

fn encode(uuid: Uuid) -> String {
    let mut bits = uuid.as_u128();
    let mut out = [b'0'; SUFFIX_LENGTH];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    out.iter().copied().map(char::from).collect()
}

fn decode(suffix: &str) -> Option<Uuid> {
    // 26 × 5 bits are 130: the first character carries only three.
    if suffix.len() != SUFFIX_LENGTH || !(b'0'..=b'7').contains(&suffix.as_bytes()[0]) {
        return None;
    }
    suffix
        .bytes()
        .try_fold(0_u128, |bits, byte| {
            let value = ALPHABET.iter().position(|&letter| letter == byte)?;
            Some((bits << 5) | value as u128)
        })
        .map(Uuid::from_u128)
}

/// The UUID in the text of an id of whatever kind, for places that refer to many kinds.
pub fn uuid_in(text: &str) -> Option<Uuid> {
    let (prefix, suffix) = text.split_once('_')?;
    (prefix.len() == 3 && prefix.bytes().all(|byte| byte.is_ascii_lowercase())).then(|| decode(suffix))?
}

/// The first moment's id: no id of `at` or later sorts before it.
pub fn first_at(at: Timestamp) -> Uuid {
    let fraction = u16::try_from(at.micros().rem_euclid(1000) * 4096 / 1000).unwrap_or(0);
    let mut random = [0; 10];
    random[..2].copy_from_slice(&fraction.to_be_bytes());
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
        pub struct $name(Uuid);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        /// Asked for by primary keys; such ids never come from a counter.
        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A person's account.
    AccountId = "acc";
    /// A registration that waits for its mailbox to be proven.
    RegistrationId = "reg";
    /// What a letter's link and code prove. Never leaves the server.
    ProofId = "prf";
    /// A new password that was asked for.
    ResetId = "rst";
    /// A change of address that waits for both mailboxes.
    EmailChangeId = "emc";
    /// A signed-in device.
    SessionId = "ses";
    /// A device that its owner asked to be remembered on.
    DeviceId = "dev";
    /// A key of an internal tool.
    ApiKeyId = "key";
    /// One try to sign in.
    AttemptId = "att";
    /// A second factor.
    FactorId = "fac";
    /// A sign-in, a step-up or a registration of a passkey that is under way.
    FlowId = "flw";
    /// One line of the audit trail.
    AuditId = "aud";
    /// A piece of work that waits in the queue.
    JobId = "job";
    /// A letter to one mailbox.
    LetterId = "let";
    /// An artist, who may have several members.
    ArtistId = "art";
    /// A request to become an artist.
    ApplicationId = "app";
    /// A file on its way in.
    UploadId = "upl";
    /// Stored bytes, shared by all who own the same content. Never leaves the server.
    BlobId = "blb";
    /// One owner's reference to stored bytes.
    ObjectId = "obj";
    /// A track.
    TrackId = "trk";
    /// A track offered for publication.
    SubmissionId = "sub";
    /// One change of a submission's state.
    HistoryId = "his";
    /// A copy of everything held of a person.
    ExportId = "exp";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the TypeID specification's `valid.json`.
    #[test]
    fn the_published_vectors_hold() {
        for (suffix, uuid) in [
            ("00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
            ("00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
            ("0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
            ("7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ("01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ] {
            let uuid: Uuid = uuid.parse().unwrap();
            assert_eq!(encode(uuid), suffix);
            assert_eq!(decode(suffix), Some(uuid));
        }
    }

    /// From the specification's `invalid.json`, with our prefixes.
    #[test]
    fn malformed_ids_are_refused() {
        for text in [
            "",
            "trk",
            "trk_",
            "01h455vb4pex5vsknk084sn02q",
            "sub_01h455vb4pex5vsknk084sn02q",
            "TRK_01h455vb4pex5vsknk084sn02q",
            "trk_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "trk_01H455VB4PEX5VSKNK084SN02Q",
            "trk_01h455vb4pex5vsknk084sn02u",
            "trk_01h455vb4pex5vsknk084sn02",
            "trk_01h455vb4pex5vsknk084sn02qq",
            "trk-01h455vb4pex5vsknk084sn02q",
            "trk_éééééééééééée",
        ] {
            assert!(text.parse::<TrackId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_sort_by_age_within_a_millisecond() {
        let dice = Dice::seeded(1);
        let ids: Vec<TrackId> =
            (0..50).map(|step| TrackId::new(Timestamp::from_micros(1_700_000_000_000_000 + step * 2), &dice)).collect();
        assert!(ids.is_sorted());
        assert!(TrackId::earliest(Timestamp::from_micros(1_700_000_000_000_098)) < ids[0]);
        assert!(TrackId::earliest(Timestamp::from_micros(1_700_000_000_001_000)) > ids[49]);
        for (step, id) in (0..).zip(&ids) {
            let at = Timestamp::from_micros(1_700_000_000_000_000 + step * 2);
            let later = Timestamp::from_micros(at.micros() + 1);
            assert!(TrackId::first_at(at) <= *id && *id < TrackId::first_at(later));
        }
        assert_eq!(ids[7].to_string().parse(), Ok(ids[7]));
    }
}
