use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section};

/// Where the bytes of uploaded files are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// `file:///absolute/folder`, `s3://bucket/prefix` or `memory:///`; a folder of the data folder if unset.
    pub url: Option<Url>,
    /// Options of the object store's client, such as `aws_endpoint`, `aws_region`, `aws_access_key_id`.
    pub options: BTreeMap<String, String>,
}

impl Section for ObjectsConfig {
    const NAME: &'static str = "objects";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let Some(url) = &self.url else { return };
        if !matches!(url.scheme(), "file" | "s3" | "memory") {
            problems.add("objects.url", "must begin with file://, s3:// or memory://");
        }
        if url.scheme() == "memory" && mode == Mode::Production {
            problems.add("objects.url", "memory:// forgets every file at the next start");
        }
    }
}
