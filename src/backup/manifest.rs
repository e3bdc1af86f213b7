//! What a backup says about itself.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime, Time, format_description::well_known::Rfc3339};

use super::{Error, list::Summary};
use crate::kernel::{Dice, Digest, Timestamp};

/// The format that this release writes, and the newest that it reads.
pub const FORMAT: u64 = 1;
/// A larger manifest is none: lists of objects are files of their own.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// A backup's name: the moment it began, so that names sort by age, and something random.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    pub fn new(at: Timestamp, dice: &Dice) -> Self {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.micros()) * 1000);
        let at = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, (hour, minute, second, micros)) = (at.date(), at.time().as_hms_micro());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let random = hex::encode(dice.bytes::<4>());
        Self(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{micros:06}Z-{random}"))
    }

    /// When the backup began.
    pub fn moment(&self) -> Timestamp {
        let number = |from: usize, to: usize| self.0.get(from..to).and_then(|digits| digits.parse::<u32>().ok());
        let small = |from: usize| number(from, from + 2).and_then(|number| u8::try_from(number).ok());
        let moment = || {
            let year = i32::try_from(number(0, 4)?).ok()?;
            let date = Date::from_calendar_date(year, Month::try_from(small(4)?).ok()?, small(6)?).ok()?;
            let time = Time::from_hms_micro(small(9)?, small(11)?, small(13)?, number(15, 21)?).ok()?;
            i64::try_from(date.with_time(time).assume_utc().unix_timestamp_nanos() / 1000).ok()
        };
        Timestamp::from_micros(moment().unwrap_or(0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_name = text.len() == 31
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                21 => byte == b'Z',
                22 => byte == b'-',
                0..=20 => byte.is_ascii_digit(),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if is_name { Ok(Self(text.to_owned())) } else { Err(Error::Unknown(text.chars().take(60).collect())) }
    }
}

impl TryFrom<String> for Name {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `manifest.json`. Written last: a backup without it does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u64,
    pub name: Name,
    /// The release that made it.
    pub release: String,
    /// When it began: everything acknowledged before is in it. RFC 3339.
    pub created_at: String,
    /// The same, in microseconds since the Unix epoch.
    pub created_at_us: i64,
    /// From its begin until everything but this file was written.
    pub took_ms: u64,
    pub database: Database,
    /// What the database names of the object store, each content once for all backups.
    pub objects: Summary,
    /// Pieces of uploads that were not finished.
    pub staging: Summary,
    /// Of `objects`, those that no earlier backup had.
    pub new_objects: u64,
    pub new_bytes: u64,
    /// Identifiers of the server's keys by kind. None of them is a key.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Of everything above, so that a damaged manifest is told from a whole one.
    #[serde(default)]
    sha256: String,
}

/// The copy of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// `sqlite` or `postgresql`.
    pub kind: String,
    /// In the backup's folder.
    pub file: String,
    pub size_bytes: u64,
    pub sha256: String,
    /// Migrations that made its schema, oldest first.
    pub migrations: Vec<String>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

impl Manifest {
    /// The file's text, with its digest.
    ///
    /// # Errors
    /// Never in practice: everything in it has a form in JSON.
    pub fn sealed(mut self) -> Result<(Self, String), Error> {
        self.sha256 = self.digest();
        let text = serde_json::to_string_pretty(&self).map_err(|_| Error::damaged("the manifest", "it has no form"))?;
        Ok((self, text))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is of a newer format, or not as it was written.
    pub fn read(text: &[u8], name: &Name) -> Result<Self, Error> {
        let what = || format!("the manifest of {name}");
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|_| Error::damaged(what(), "it is not JSON"))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(FORMAT) => {}
            Some(newer) => return Err(Error::NewerFormat(newer)),
            None => return Err(Error::damaged(what(), "it has no format")),
        }
        let manifest: Self =
            serde_json::from_value(value).map_err(|_| Error::damaged(what(), "something is missing in it"))?;
        if manifest.sha256 != manifest.digest() || manifest.name != *name {
            return Err(Error::damaged(what(), "it is not as it was written"));
        }
        Ok(manifest)
    }

    fn digest(&self) -> String {
        let bare = Self { sha256: String::new(), ..self.clone() };
        // Fields in their order, tables in the order of their keys: one text for one manifest.
        let text = serde_json::to_vec(&bare).unwrap_or_default();
        hex::encode(Digest::sha256(&text).as_bytes())
    }

    pub fn created_at(&self) -> Timestamp {
        Timestamp::from_micros(self.created_at_us)
    }

    /// Bytes that a restore brings back.
    pub fn total_bytes(&self) -> u64 {
        self.database.size_bytes + self.objects.bytes + self.staging.bytes
    }

    /// A manifest of this release, with nothing in it yet.
    pub fn begun(name: Name, at: Timestamp, database: Database) -> Self {
        let moment = OffsetDateTime::from_unix_timestamp(at.micros().div_euclid(1_000_000));
        Self {
            format: FORMAT,
            name,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            created_at: moment.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default(),
            created_at_us: at.micros(),
            took_ms: 0,
            database,
            objects: Summary::default(),
            staging: Summary::default(),
            new_objects: 0,
            new_bytes: 0,
            keys: BTreeMap::new(),
            sha256: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::new(Timestamp::from_micros(1_772_323_200_000_000), &Dice::seeded(1))
    }

    fn text() -> String {
        let database = Database {
            kind: "sqlite".to_owned(),
            file: "database.sqlite".to_owned(),
            size_bytes: 4096,
            sha256: "00".repeat(32),
            migrations: vec!["m1".to_owned()],
            rows: [("account".to_owned(), 3)].into(),
        };
        Manifest::begun(name(), Timestamp::from_micros(1_772_323_200_000_000), database).sealed().unwrap().1
    }

    #[test]
    fn a_name_is_its_moment() {
        assert!(name().as_str().starts_with("20260301T000000000000Z-"), "{}", name());
        let later = Timestamp::from_micros(1_772_323_200_000_017);
        assert_eq!(Name::new(later, &Dice::seeded(2)).moment(), later);
        assert!(Name::new(later, &Dice::seeded(3)) > name());
        assert_eq!(name().as_str().parse::<Name>().unwrap(), name());
        for other in ["", "latest", "../../etc/passwd", "20260301T000000000000Z-0000000g", "20260301T000000Z-00000000"]
        {
            assert!(other.parse::<Name>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_manifest_that_was_changed_anywhere_is_refused() {
        let text = text();
        assert_eq!(Manifest::read(text.as_bytes(), &name()).unwrap().database.rows["account"], 3);
        for (from, to) in [("\"account\": 3", "\"account\": 4"), ("database.sqlite", "database.sqlitf"), ("m1", "m2")] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            let refused = Manifest::read(changed.as_bytes(), &name()).unwrap_err();
            assert!(refused.to_string().contains("damaged"), "{refused}");
        }
        let cut = Manifest::read(&text.as_bytes()[..text.len() / 2], &name()).unwrap_err();
        assert!(cut.to_string().contains("damaged"), "{cut}");
        let other = Name::new(Timestamp::from_micros(0), &Dice::seeded(2));
        assert!(Manifest::read(text.as_bytes(), &other).is_err(), "it belongs to its own folder");
    }

    #[test]
    fn a_newer_format_is_named() {
        let newer = text().replace("\"format\": 1", "\"format\": 2");
        let refused = Manifest::read(newer.as_bytes(), &name()).unwrap_err();
        assert!(matches!(refused, Error::NewerFormat(2)), "{refused}");
    }
}
