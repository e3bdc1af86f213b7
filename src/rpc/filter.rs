//! The subset of AIP-160 filters that our lists speak: `field = VALUE`, joined by `AND`.

use super::Refusal;

/// One condition: this field has this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition<'a> {
    pub field: &'a str,
    pub value: &'a str,
}

/// Reads a filter. Values may stand in double quotes; each field may be named once.
///
/// # Errors
/// `FILTER_INVALID`, saying which fields there are.
pub fn parse<'a>(filter: &'a str, fields: &[&str]) -> Result<Vec<Condition<'a>>, Refusal> {
    if filter.chars().count() > 500 {
        return Err(Refusal::FilterInvalid("at most 500 characters".into()));
    }
    if filter.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut conditions: Vec<Condition<'a>> = Vec::new();
    for part in filter.split(" AND ") {
        let (field, value) = part
            .split_once('=')
            .map(|(field, value)| (field.trim(), value.trim()))
            .ok_or_else(|| Refusal::FilterInvalid("write field = VALUE, joined by AND".into()))?;
        if !fields.contains(&field) {
            return Err(Refusal::FilterInvalid(format!("fields are: {}", fields.join(", "))));
        }
        if conditions.iter().any(|known| known.field == field) {
            return Err(Refusal::FilterInvalid(format!("{field} is named twice")));
        }
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        if value.is_empty() || value.contains('"') {
            return Err(Refusal::FilterInvalid(format!("{field} wants a value")));
        }
        conditions.push(Condition { field, value });
    }
    Ok(conditions)
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
    fn anything_else_is_refused() {
        for filter in
            ["state", "state = ", "colour = RED", "state = A AND state = B", "state = A OR state = B\"", "= A"]
        {
            assert!(parse(filter, &["state"]).is_err(), "{filter}");
        }
    }
}
