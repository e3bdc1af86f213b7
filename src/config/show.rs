//! The settings as they are, for people: each with where it came from, and no secret.

use std::{collections::BTreeMap, fmt};

use figment::{
    Figment,
    providers::Serialized,
    value::{Dict, Value},
};

use super::{Section, sources::Origin};

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`, or a key outside any section.
    pub key: String,
    /// As it is written; of a secret only whether there is one.
    pub value: String,
    pub origin: Origin,
    /// Whether nothing may show the value.
    pub is_secret: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.value, self.origin)
    }
}

const SET: &str = "«set»";
const UNSET: &str = "unset";

/// Every key of a section, in their order.
pub fn section<S: Section>(section: &S, origins: &BTreeMap<String, Origin>) -> Vec<Setting> {
    let values = Figment::from(Serialized::defaults(section)).extract::<Dict>().unwrap_or_default();
    let setting = |(key, value): (String, Value)| {
        let origin = origins.get(&key).copied();
        let is_secret = S::SECRETS.contains(&key.as_str());
        let value = match (is_secret, origin) {
            (true, Some(_)) => SET.to_owned(),
            (true, None) => UNSET.to_owned(),
            (false, _) => written(&value),
        };
        Setting { key: format!("{}.{key}", S::NAME), value, origin: origin.unwrap_or(Origin::Default), is_secret }
    };
    values.into_iter().map(setting).collect()
}

/// A single value as it is written.
pub fn text(value: &impl serde::Serialize) -> String {
    Value::serialize(value).map_or_else(|_| UNSET.to_owned(), |value| written(&value))
}

/// Whether this is a URL with somebody's password in it: refused wherever it is no secret, and not shown either.
fn holds_credentials(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.password().is_some() || url.query().is_some())
}

/// Of a table only its keys: options of other people's clients, secrets among them.
fn written(value: &Value) -> String {
    match value {
        Value::String(_, text) if holds_credentials(text) => SET.to_owned(),
        Value::String(_, text) => text.clone(),
        Value::Array(_, values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Dict(_, table) if table.is_empty() => UNSET.to_owned(),
        Value::Dict(_, table) => {
            format!("{SET} ({})", table.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Value::Empty(..) => UNSET.to_owned(),
        Value::Bool(_, flag) => flag.to_string(),
        Value::Char(_, letter) => letter.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .unwrap_or_else(|| UNSET.to_owned()),
    }
}
