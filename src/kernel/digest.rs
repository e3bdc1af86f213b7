//! SHA-256 and HMAC-SHA-256 values: 32 bytes, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{
    ColIdx, QueryResult, TryGetError, TryGetable, Value,
    sea_query::{ArrayType, ColumnType, Nullable, StringLen, ValueType, ValueTypeErr},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// 32 bytes that stand for something longer or more secret. `bytea`/`BLOB` in the database.
#[derive(Clone, Copy, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn sha256(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// HMAC-SHA-256 over `parts`, each preceded by its length, so that no two lists of parts collide.
    pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Self(mac.finalize().into_bytes().into())
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(…)")
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        Ok(Self(bytes.try_into()?))
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Self {
        digest.0.to_vec().into()
    }
}

impl TryGetable for Digest {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let bytes = Vec::<u8>::try_get_by(row, index)?;
        <Self as TryFrom<&[u8]>>::try_from(bytes.as_slice())
            .map_err(|err| TryGetError::DbErr(sea_orm::DbErr::Type(err.to_string())))
    }
}

impl ValueType for Digest {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        let bytes = <Vec<u8> as ValueType>::try_from(value)?;
        <Self as TryFrom<&[u8]>>::try_from(&bytes).map_err(|_| ValueTypeErr)
    }

    fn type_name() -> String {
        "Digest".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::Bytes
    }

    fn column_type() -> ColumnType {
        ColumnType::VarBinary(StringLen::None)
    }
}

impl Nullable for Digest {
    fn null() -> Value {
        <Vec<u8> as Nullable>::null()
    }
}

/// As a primary key (`request_record.scope`); such keys never come from a counter.
impl sea_orm::TryFromU64 for Digest {
    fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
        Err(sea_orm::DbErr::ConvertFromU64("Digest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = [7; 32];
        assert!(Digest::mac(&key, &[b"ab", b"c"]) != Digest::mac(&key, &[b"a", b"bc"]));
        assert!(Digest::mac(&key, &[b"ab", b"c"]) == Digest::mac(&key, &[b"ab", b"c"]));
    }
}
