//! Which method leads a submission from which state to which: the whole table, as data.

use crate::{entity::submission::State, rpc::Transition};

/// What moves a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Submit,
    /// The machines found nothing that stands in the way.
    PassChecks,
    Withdraw,
    StartReview,
    Approve,
    Reject,
    Publish,
}

/// Who moves it. Whether a caller is one of them is asked before the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A member of the artist.
    Member,
    Reviewer,
    System,
}

impl Method {
    pub const ALL: [Self; 7] =
        [Self::Submit, Self::PassChecks, Self::Withdraw, Self::StartReview, Self::Approve, Self::Reject, Self::Publish];

    /// The method's name in the API; for the system's own steps, what they do.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submit => "SubmitSubmission",
            Self::PassChecks => "PassChecks",
            Self::Withdraw => "WithdrawSubmission",
            Self::StartReview => "StartReview",
            Self::Approve => "ApproveSubmission",
            Self::Reject => "RejectSubmission",
            Self::Publish => "PublishSubmission",
        }
    }

    pub const fn who(self) -> Who {
        match self {
            Self::Submit | Self::Withdraw => Who::Member,
            Self::StartReview | Self::Approve | Self::Reject | Self::Publish => Who::Reviewer,
            Self::PassChecks => Who::System,
        }
    }
}

/// Every transition there is. The statements repeat the state they start from in their `WHERE`.
const TABLE: [(State, Method, State); 14] = [
    (State::Draft, Method::Submit, State::Processing),
    (State::ChangesRequested, Method::Submit, State::Processing),
    (State::Processing, Method::PassChecks, State::Submitted),
    (State::Draft, Method::Withdraw, State::Withdrawn),
    (State::Processing, Method::Withdraw, State::Withdrawn),
    (State::Submitted, Method::Withdraw, State::Withdrawn),
    (State::ChangesRequested, Method::Withdraw, State::Withdrawn),
    (State::InReview, Method::Withdraw, State::Withdrawn),
    (State::Submitted, Method::StartReview, State::InReview),
    (State::Submitted, Method::Approve, State::Approved),
    (State::InReview, Method::Approve, State::Approved),
    (State::Submitted, Method::Reject, State::Rejected),
    (State::InReview, Method::Reject, State::Rejected),
    (State::Approved, Method::Publish, State::Published),
];

/// Where `method` leads from `from`.
///
/// # Errors
/// What this state does allow, to the same kind of caller.
pub fn next(from: State, method: Method) -> Result<State, Transition> {
    let row = TABLE.iter().find(|(state, by, _)| *state == from && *by == method);
    row.map(|(_, _, to)| *to).ok_or_else(|| Transition {
        subject: "submission",
        from: from.to_string().to_uppercase(),
        attempted: method.name(),
        allowed: TABLE
            .iter()
            .filter(|(state, by, _)| *state == from && by.who() == method.who())
            .map(|(_, by, _)| by.name())
            .collect(),
    })
}

/// Whether the track is locked while its submission is in this state.
pub fn holds_track(state: State) -> bool {
    matches!(state, State::Processing | State::Submitted | State::InReview | State::Approved)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sea_orm::Iterable;

    use super::*;

    #[test]
    fn every_state_and_method_is_decided_by_the_table() {
        for from in State::iter() {
            for method in Method::ALL {
                let rows: Vec<State> =
                    TABLE.iter().filter(|row| (row.0, row.1) == (from, method)).map(|row| row.2).collect();
                assert!(rows.len() <= 1, "{from} {method:?} leads to two states");
                match next(from, method) {
                    Ok(to) => assert_eq!(rows, [to]),
                    Err(refused) => {
                        assert!(rows.is_empty());
                        assert_eq!(refused.attempted, method.name());
                        assert!(!refused.allowed.contains(&method.name()));
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_leaves_a_final_state() {
        for from in [State::Rejected, State::Published, State::TakenDown, State::Withdrawn, State::Expired] {
            for method in Method::ALL {
                assert!(next(from, method).is_err(), "{from} {method:?}");
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_allowed_instead() {
        let refused = next(State::Approved, Method::Approve).unwrap_err();
        assert_eq!(refused.from, "APPROVED");
        assert_eq!(refused.allowed, ["PublishSubmission"]);
        let refused = next(State::Submitted, Method::Submit).unwrap_err();
        assert_eq!(refused.allowed, ["WithdrawSubmission"]);
    }

    proptest! {
        /// Whatever is tried in whatever order: only reviewers publish, and only what was approved after a hand-in.
        #[test]
        fn nothing_is_published_unapproved(
            tries in prop::collection::vec(prop::sample::select(&Method::ALL[..]), 0..40),
        ) {
            let (mut state, mut done) = (State::Draft, Vec::new());
            for method in tries {
                if let Ok(to) = next(state, method) {
                    state = to;
                    done.push(method);
                }
            }
            if state == State::Published {
                prop_assert!(done.ends_with(&[Method::Approve, Method::Publish]));
                prop_assert!(done.starts_with(&[Method::Submit, Method::PassChecks]));
            }
            prop_assert!(!(holds_track(state) && done.is_empty()));
        }
    }
}
