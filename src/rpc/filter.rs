//! The subset of AIP-160 filters that our lists speak: `field = VALUE`, joined by `AND`; times by `>=` and `<`.

use super::{Refusal, convert};
use crate::kernel::Timestamp;

/// One condition: this field has this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition<'a> {
    pub field: &'a str,
    pub value: &'a str,
}

/// How a term compares its field with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// `=`
    Equal,
    /// `>=`
    AtLeast,
    /// `<`
    Before,
}

/// One condition that may also be an end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term<'a> {
    pub field: &'a str,
    pub is: Is,
    pub value: &'a str,
}

/// Reads a filter. Values may stand in double quotes; each field may be named once.
///
/// # Errors
/// `FILTER_INVALID`, saying which fields there are.
pub fn parse<'a>(filter: &'a str, fields: &[&str]) -> Result<Vec<Condition<'a>>, Refusal> {
    let terms = terms(filter, fields, &[])?;
    Ok(terms.into_iter().map(|Term { field, value, .. }| Condition { field, value }).collect())
}

/// As [`parse`], and those of `ranges` are compared by `>=` and `<`; each may have both ends.
///
/// # Errors
/// As there.
pub fn terms<'a>(filter: &'a str, fields: &[&str], ranges: &[&str]) -> Result<Vec<Term<'a>>, Refusal> {
    if filter.chars().count() > 500 {
        return Err(Refusal::FilterInvalid("at most 500 characters".into()));
    }
    if filter.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut terms: Vec<Term<'a>> = Vec::new();
    for part in filter.split(" AND ") {
        let term = term(part)?;
        let Term { field, is, .. } = term;
        let is_range = ranges.contains(&field);
        if !is_range && !fields.contains(&field) {
            let known: Vec<&str> = fields.iter().chain(ranges).copied().collect();
            return Err(Refusal::FilterInvalid(format!("fields are: {}", known.join(", "))));
        }
        if is_range == (is == Is::Equal) {
            let wanted = if is_range { ">= or <" } else { "=" };
            return Err(Refusal::FilterInvalid(format!("{field} is compared by {wanted}")));
        }
        if terms.iter().any(|known| known.field == field && known.is == is) {
            return Err(Refusal::FilterInvalid(format!("{field} is named twice")));
        }
        terms.push(term);
    }
    Ok(terms)
}

/// `field = VALUE`: the first operator parts the two.
fn term(text: &str) -> Result<Term<'_>, Refusal> {
    let malformed = || Refusal::FilterInvalid("write field = VALUE, joined by AND".into());
    let at = text.find(['=', '<', '>']).ok_or_else(malformed)?;
    let (field, rest) = text.split_at(at);
    let (is, value) = if let Some(value) = rest.strip_prefix(">=") {
        (Is::AtLeast, value)
    } else if let Some(value) = rest.strip_prefix('<').filter(|value| !value.starts_with('=')) {
        (Is::Before, value)
    } else {
        (Is::Equal, rest.strip_prefix('=').ok_or_else(malformed)?)
    };
    let (field, value) = (field.trim(), value.trim());
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    if value.is_empty() || value.contains('"') {
        return Err(Refusal::FilterInvalid(format!("{field} wants a value")));
    }
    Ok(Term { field, is, value })
}

/// The moment that a term's value names, in RFC 3339: `2026-03-01T00:00:00Z`.
///
/// # Errors
/// `FILTER_INVALID` for anything else.
pub fn moment(term: &Term<'_>) -> Result<Timestamp, Refusal> {
    let read = term.value.parse::<prost_types::Timestamp>().ok().as_ref().and_then(convert::moment);
    read.ok_or_else(|| Refusal::FilterInvalid(format!("{} wants a time such as 2026-03-01T00:00:00Z", term.field)))
}

/// What a condition's value must be, when it is none of those it can be.
pub fn unknown_value(condition: &Condition<'_>) -> Refusal {
    Refusal::FilterInvalid(format!("{} has no value {}", condition.field, condition.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_in_order() {
        let read = parse("state = SUBMITTED AND title=\"Field notes\"", &["state", "title"]).unwrap();
        assert_eq!(
            read,
            [Condition { field: "state", value: "SUBMITTED" }, Condition { field: "title", value: "Field notes" }]
        );
        assert_eq!(parse("  ", &["state"]).unwrap(), []);
    }

    #[test]
    fn ranges_have_two_ends() {
        let read =
            terms("time >= \"2026-03-01T00:00:00Z\" AND time < \"2026-03-02T00:00:00Z\"", &[], &["time"]).unwrap();
        assert_eq!((read[0].is, read[1].is), (Is::AtLeast, Is::Before));
        assert_eq!(moment(&read[1]).unwrap().since(moment(&read[0]).unwrap()).as_secs(), 86_400);
        for filter in
            ["time = \"2026-03-01T00:00:00Z\"", "time <= x", "time > x", "state >= A", "time < x AND time < y"]
        {
            assert!(terms(filter, &["state"], &["time"]).is_err(), "{filter}");
        }
        let endless = Term { field: "time", is: Is::Before, value: "tomorrow" };
        assert!(moment(&endless).is_err());
    }

    #[test]
    fn anything_else_is_refused() {
        for filter in
            ["state", "state = ", "colour = RED", "state = A AND state = B", "state = A OR state = B\"", "= A"]
        {
            assert!(parse(filter, &["state"]).is_err(), "{filter}");
        }
    }
}
