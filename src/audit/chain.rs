//! The hash of a row, and the signature of the chain's end.

use super::store::End;
use crate::{entity::audit_event::Model, kernel::Digest, vault::Keys};

/// Names the form that follows, so that another one can come after it.
const FORM: &[u8] = b"backline audit row 1";

/// What the first row follows.
pub const START: Digest = Digest::from_bytes([0; 32]);

/// Stands where a signature would: nobody's key makes it.
pub const UNSIGNED: Digest = Digest::from_bytes([0; 32]);

/// Hashes rows and signs ends, under keys that are not in the database: who can only write there makes neither.
pub struct Signer {
    rows: [u8; 32],
    ends: [u8; 32],
}

impl Signer {
    pub fn new(keys: &Keys) -> Self {
        Self { rows: keys.derived("audit row"), ends: keys.derived("audit head") }
    }

    /// HMAC over every column of a row but the hash itself. Each part goes in with its length before it, and an absent
    /// one is not an empty one, so no two rows have the same bytes.
    pub fn hash(&self, row: &Model) -> Digest {
        Digest::mac(&self.rows, &[&canonical(row)])
    }

    /// Signs the end of the chain.
    pub fn sign(&self, sequence: i64, hash: Digest) -> Digest {
        Digest::mac(&self.ends, &[b"audit head 1", &sequence.to_be_bytes(), hash.as_bytes()])
    }

    /// Whether this server, or one that shares its keys, signed this end.
    pub fn is_signed(&self, end: End) -> bool {
        self.sign(end.sequence, end.hash) == end.mac
    }
}

fn canonical(row: &Model) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let mut add = |part: Option<&[u8]>| match part {
        Some(part) => {
            bytes.push(1);
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        None => bytes.push(0),
    };
    let id = uuid::Uuid::from(row.id);
    let actor = row.actor_id.map(uuid::Uuid::from);
    add(Some(FORM));
    add(Some(row.previous_hash.as_bytes()));
    add(Some(&row.sequence.to_be_bytes()));
    add(Some(id.as_bytes()));
    add(Some(row.actor_kind.to_string().as_bytes()));
    add(actor.as_ref().map(|id| id.as_bytes().as_slice()));
    add(Some(row.action.as_bytes()));
    add(Some(row.subject_kind.as_bytes()));
    add(row.subject_id.as_ref().map(|id| id.as_bytes().as_slice()));
    add(row.person_id.as_ref().map(|id| id.as_bytes().as_slice()));
    add(row.reason.as_deref().map(str::as_bytes));
    add(Some(row.request_id.as_bytes()));
    add(Some(row.facts.as_bytes()));
    add(row.actor_sealed.as_deref());
    add(row.person_sealed.as_deref());
    add(Some(&row.created_at.micros().to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entity::audit_event::ActorKind,
        kernel::{Timestamp, ids::AuditId},
    };

    const SIGNER: Signer = Signer { rows: [7; 32], ends: [8; 32] };

    fn row() -> Model {
        Model {
            id: AuditId::from(uuid::Uuid::from_u128(1)),
            sequence: 1,
            actor_kind: ActorKind::System,
            actor_id: None,
            action: "upload_expired".into(),
            subject_kind: "upload".into(),
            subject_id: None,
            person_id: None,
            reason: None,
            request_id: String::new(),
            facts: "{}".into(),
            actor_sealed: None,
            person_sealed: None,
            created_at: Timestamp::from_micros(5),
            previous_hash: START,
            hash: START,
        }
    }

    /// The form is stored for ever: if this fails, every chain there is breaks.
    #[test]
    fn the_form_does_not_change() {
        let expected = "6c50ac80fbbd355f0a706c08026517c783dd4135eb77e588f956b03d03b43fdf";
        assert_eq!(hex::encode(Digest::sha256(&canonical(&row())).as_bytes()), expected);
    }

    #[test]
    fn parts_do_not_run_into_each_other_and_empty_is_not_absent() {
        let moved = Model { action: "upload_expiredu".into(), subject_kind: "pload".into(), ..row() };
        assert!(SIGNER.hash(&moved) != SIGNER.hash(&row()));
        let empty = Model { reason: Some(String::new()), ..row() };
        assert!(SIGNER.hash(&empty) != SIGNER.hash(&row()));
        let other_column = Model { person_sealed: Some(vec![1]), ..row() };
        assert!(SIGNER.hash(&other_column) != SIGNER.hash(&Model { actor_sealed: Some(vec![1]), ..row() }));
    }

    #[test]
    fn nobody_makes_a_hash_or_an_end_without_the_keys() {
        let other = Signer { rows: [9; 32], ends: [9; 32] };
        assert!(other.hash(&row()) != SIGNER.hash(&row()));
        let end = End { sequence: 3, hash: START, mac: SIGNER.sign(3, START) };
        assert!(SIGNER.is_signed(end) && !other.is_signed(end));
        for wrong in
            [End { sequence: 4, ..end }, End { hash: SIGNER.hash(&row()), ..end }, End { mac: UNSIGNED, ..end }]
        {
            assert!(!SIGNER.is_signed(wrong));
        }
    }
}
