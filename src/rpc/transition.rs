//! Refusing what a thing's state does not allow: the same words and details in every feature.

use std::{collections::HashMap, fmt};

use tonic_types::{ErrorDetails, PreconditionViolation};

/// A method that was tried in a state that does not allow it: what `INVALID_STATE_TRANSITION` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What stands in the state: `track`, `submission`.
    pub subject: &'static str,
    /// The state, spelled as in the proto's enum without its prefix.
    pub from: String,
    /// The method's name.
    pub attempted: &'static str,
    /// Names of the methods that the state does allow, to the same kind of caller.
    pub allowed: Vec<&'static str>,
}

impl Transition {
    /// The `metadata` of `ErrorInfo`.
    pub fn facts(&self) -> HashMap<String, String> {
        HashMap::from([
            ("from".to_owned(), self.from.clone()),
            ("attempted".to_owned(), self.attempted.to_owned()),
            ("allowed".to_owned(), self.allowed.join(",")),
        ])
    }

    pub fn describe(&self, details: &mut ErrorDetails) {
        details.set_precondition_failure(vec![PreconditionViolation::new("STATE", self.subject, self.to_string())]);
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, from, attempted, allowed } = self;
        write!(f, "the {subject} is {from}, which does not allow {attempted}")?;
        if allowed.is_empty() { Ok(()) } else { write!(f, "; it allows {}", allowed.join(", ")) }
    }
}
