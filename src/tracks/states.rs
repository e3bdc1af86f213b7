//! Which acts a track's state allows: the whole table.

use crate::{entity::track::State, rpc::Transition};

/// What somebody may want to do with a track. Each is a method of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Update,
    Delete,
    /// Offer it for publication.
    Offer,
}

impl Act {
    const fn method(self) -> &'static str {
        match self {
            Self::Update => "UpdateTrack",
            Self::Delete => "DeleteTrack",
            Self::Offer => "CreateSubmission",
        }
    }
}

/// Every act that is allowed. The statements repeat these states in their `WHERE`.
const ALLOWED: [(State, Act); 4] = [
    (State::Draft, Act::Update),
    (State::Draft, Act::Delete),
    (State::Draft, Act::Offer),
    (State::Withdrawn, Act::Delete),
];

/// Whether a track in this state allows `act`.
///
/// # Errors
/// What it does allow.
pub fn allows(state: State, act: Act) -> Result<(), Transition> {
    if ALLOWED.contains(&(state, act)) {
        return Ok(());
    }
    Err(Transition {
        subject: "track",
        from: state.to_string().to_uppercase(),
        attempted: act.method(),
        allowed: ALLOWED.iter().filter(|(from, _)| *from == state).map(|(_, act)| act.method()).collect(),
    })
}

/// Why a draft that a draft submission names is not deleted.
pub fn offered(state: State) -> Transition {
    Transition {
        subject: "track",
        from: state.to_string().to_uppercase(),
        attempted: Act::Delete.method(),
        allowed: vec!["WithdrawSubmission"],
    }
}

/// The states in which `act` is allowed.
pub fn states_for(act: Act) -> Vec<State> {
    ALLOWED.iter().filter(|(_, allowed)| *allowed == act).map(|(state, _)| *state).collect()
}

#[cfg(test)]
mod tests {
    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn the_table_decides_for_every_state_and_act() {
        for state in State::iter() {
            for act in [Act::Update, Act::Delete, Act::Offer] {
                let listed = states_for(act).contains(&state);
                assert_eq!(allows(state, act).is_ok(), listed, "{state} {act:?}");
            }
        }
        let refused = allows(State::Locked, Act::Update).unwrap_err();
        assert_eq!(refused.to_string(), "the track is LOCKED, which does not allow UpdateTrack");
    }

    #[test]
    fn what_is_offered_or_public_is_not_touched() {
        for state in [State::Locked, State::Active, State::TakenDown] {
            for act in [Act::Update, Act::Delete, Act::Offer] {
                assert!(allows(state, act).is_err());
            }
        }
    }
}
