//! Which acts an application's state allows, and where they lead: the whole table.

use crate::{entity::artist_application::State, rpc::Transition};

/// What somebody may want to do with an application. Each is a method of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Submit,
    Approve,
    Reject,
}

impl Act {
    /// Acts of the applicant.
    const OWN: &[Self] = &[Self::Submit];
    /// Acts of staff.
    const STAFF: &[Self] = &[Self::Approve, Self::Reject];

    const fn method(self) -> &'static str {
        match self {
            Self::Submit => "SubmitApplication",
            Self::Approve => "ApproveApplication",
            Self::Reject => "RejectApplication",
        }
    }

    /// What the same kind of caller may try.
    const fn peers(self) -> &'static [Self] {
        match self {
            Self::Submit => Self::OWN,
            Self::Approve | Self::Reject => Self::STAFF,
        }
    }
}

/// Every way there is. An application may be decided without having been claimed.
const TABLE: [(State, Act, State); 6] = [
    (State::Draft, Act::Submit, State::Submitted),
    (State::InfoRequested, Act::Submit, State::Submitted),
    (State::Submitted, Act::Approve, State::Approved),
    (State::InReview, Act::Approve, State::Approved),
    (State::Submitted, Act::Reject, State::Rejected),
    (State::InReview, Act::Reject, State::Rejected),
];

/// Where `act` leads from `state`.
///
/// # Errors
/// What the state does allow to the same kind of caller.
pub fn after(state: State, act: Act) -> Result<State, Transition> {
    let way = |act: Act| TABLE.iter().find(move |(from, known, _)| *from == state && *known == act);
    way(act).map(|(_, _, to)| *to).ok_or_else(|| Transition {
        subject: "application",
        from: state.to_string().to_uppercase(),
        attempted: act.method(),
        allowed: act.peers().iter().copied().filter(|act| way(*act).is_some()).map(Act::method).collect(),
    })
}

/// The states in which `act` is allowed, for the `WHERE` of its statement.
pub fn states_for(act: Act) -> impl Iterator<Item = State> {
    TABLE.iter().filter(move |(_, known, _)| *known == act).map(|(from, _, _)| *from)
}

#[cfg(test)]
mod tests {
    use sea_orm::Iterable;

    use super::*;

    const ACTS: [Act; 3] = [Act::Submit, Act::Approve, Act::Reject];

    #[test]
    fn rule_and_guard_agree_for_every_state_and_act() {
        for state in State::iter() {
            for act in ACTS {
                let guarded = states_for(act).any(|from| from == state);
                match after(state, act) {
                    Ok(to) => assert!(guarded && to != state, "{state} {act:?}"),
                    Err(refused) => {
                        assert!(!guarded, "{state} {act:?}");
                        assert!(!refused.allowed.contains(&act.method()));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_decided_stays_decided() {
        for state in [State::Approved, State::Rejected, State::Withdrawn, State::Expired] {
            for act in ACTS {
                assert!(after(state, act).unwrap_err().allowed.is_empty());
            }
        }
        let twice = after(State::Approved, Act::Approve).unwrap_err();
        assert_eq!(twice.to_string(), "the application is APPROVED, which does not allow ApproveApplication");
    }

    #[test]
    fn only_what_was_handed_in_is_decided() {
        let refused = after(State::InfoRequested, Act::Approve).unwrap_err();
        assert_eq!((refused.from.as_str(), refused.allowed), ("INFO_REQUESTED", Vec::new()));
        let refused = after(State::Submitted, Act::Submit).unwrap_err();
        assert_eq!(refused.allowed, Vec::<&str>::new());
    }
}
