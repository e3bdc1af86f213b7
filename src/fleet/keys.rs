//! Whether an instance's keys are those that the database was used with.

use std::{collections::BTreeSet, fmt, time::Duration};

use crate::{
    config::SessionsConfig,
    entity::server_key::{Kind, Model},
    kernel::Timestamp,
    vault::{KeyKind, Keys, PAGE_TOKEN_LIFE},
};

/// The ids of the keys that an instance holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub root: String,
    kinds: Vec<(Kind, BTreeSet<String>)>,
}

impl Held {
    pub fn of(keys: &Keys) -> Self {
        let kinds = [KeyKind::Vault, KeyKind::Token, KeyKind::Page].map(|kind| {
            let ids = keys.ring(kind).keys().iter().map(|key| key.id().to_owned()).collect();
            (stored(kind), ids)
        });
        Self { root: keys.vault.oldest().id().to_owned(), kinds: kinds.to_vec() }
    }

    /// As they are written down, but for the root.
    pub fn rows(&self) -> Vec<(Kind, String)> {
        self.kinds.iter().flat_map(|(kind, ids)| ids.iter().map(|id| (*kind, id.clone()))).collect()
    }
}

fn stored(kind: KeyKind) -> Kind {
    match kind {
        KeyKind::Vault => Kind::Vault,
        KeyKind::Token => Kind::Token,
        KeyKind::Page => Kind::Page,
    }
}

/// How the keys differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What is sealed under this key, or derived from it, would not open.
    Lacks(String),
    /// The vault's first key is another, from which much is derived.
    OtherRoot(String),
    /// None of the keys in use elsewhere is here: what one instance gives out another refuses.
    Strange(Kind, String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacks(id) => write!(f, "vault.key lacks {id}"),
            Self::OtherRoot(id) => write!(f, "the last key of vault.key must be {id}"),
            Self::Strange(kind, id) => write!(f, "{kind}.key lacks {id}"),
        }
    }
}

/// Compares what the database knows with what is held.
///
/// Of the vault every key that was ever in use must be there. Keys of tokens and pages are dropped in time: of those that
/// an instance held while something made with them may still be alive, one must be there.
pub fn judge(known: &[Model], held: &Held, now: Timestamp) -> Result<(), Trouble> {
    let known_of = |kind: Kind| known.iter().filter(move |row| row.kind == kind);
    let others_root = known_of(Kind::Root).find(|row| row.key_id != held.root);
    for (kind, ids) in &held.kinds {
        let mut recent =
            known_of(*kind).filter(|row| life(*kind).is_none_or(|life| row.seen_at + life > now)).peekable();
        let Some(first) = recent.peek().map(|row| row.key_id.clone()) else { continue };
        if *kind == Kind::Vault {
            if let Some(row) = recent.find(|row| !ids.contains(&row.key_id)) {
                return Err(Trouble::Lacks(row.key_id.clone()));
            }
        } else if !recent.any(|row| ids.contains(&row.key_id)) {
            return Err(Trouble::Strange(*kind, first));
        }
    }
    others_root.map_or(Ok(()), |row| Err(Trouble::OtherRoot(row.key_id.clone())))
}

/// How long what was made with a key may be alive; the vault's for ever.
fn life(kind: Kind) -> Option<Duration> {
    match kind {
        Kind::Root | Kind::Vault => None,
        Kind::Token => Some(SessionsConfig::MOST_ACCESS_TOKEN_LIFE),
        Kind::Page => Some(PAGE_TOKEN_LIFE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_772_323_200_000_000);

    fn held(vault: &[&str], token: &[&str]) -> Held {
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let root = (*vault.last().unwrap()).to_owned();
        Held { root, kinds: vec![(Kind::Token, set(token)), (Kind::Page, set(&["p"])), (Kind::Vault, set(vault))] }
    }

    fn row(kind: Kind, id: &str, ago: Duration) -> Model {
        Model { kind, key_id: id.to_owned(), seen_at: NOW - ago }
    }

    #[test]
    fn the_vault_must_have_every_key_that_was_ever_in_use() {
        let year = Duration::from_hours(365 * 24);
        let known = [row(Kind::Root, "v1", year), row(Kind::Vault, "v1", year), row(Kind::Vault, "v2", year)];
        assert_eq!(judge(&known, &held(&["v2", "v1"], &["t"]), NOW), Ok(()));
        assert_eq!(judge(&known, &held(&["v3", "v2", "v1"], &["t"]), NOW), Ok(()), "a new one");
        assert_eq!(judge(&known, &held(&["v1"], &["t"]), NOW), Err(Trouble::Lacks("v2".into())));
        assert_eq!(judge(&known, &held(&["w"], &["t"]), NOW), Err(Trouble::Lacks("v1".into())));
        assert_eq!(
            judge(&known, &held(&["v1", "v2"], &["t"]), NOW),
            Err(Trouble::OtherRoot("v1".into())),
            "turned round"
        );
        assert_eq!(judge(&[], &held(&["w"], &["t"]), NOW), Ok(()), "the first instance");
    }

    #[test]
    fn keys_of_tokens_count_as_long_as_a_token_lives() {
        let life = SessionsConfig::MOST_ACCESS_TOKEN_LIFE;
        let known = [row(Kind::Token, "t1", life / 2), row(Kind::Token, "t2", life / 2)];
        assert_eq!(judge(&known, &held(&["v"], &["t2"]), NOW), Ok(()), "t1 was dropped");
        assert_eq!(judge(&known, &held(&["v"], &["t3"]), NOW), Err(Trouble::Strange(Kind::Token, "t1".into())));
        let known = [row(Kind::Token, "t1", life)];
        assert_eq!(judge(&known, &held(&["v"], &["t3"]), NOW), Ok(()), "rotated and dropped while nobody served");
    }
}
