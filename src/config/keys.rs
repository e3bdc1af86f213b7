use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// Where the server's own keys lie.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// The folder of `token.key`, `page.key` and `vault.key`; `keys` in the data folder if unset. Instances that share a
    /// database share it, or hold copies. Where all three files are there it is only read.
    pub dir: Option<PathBuf>,
}

impl Section for KeysConfig {
    const NAME: &'static str = "keys";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if self.dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            problems.add("keys.dir", "must be a folder, or left out");
        }
    }
}
