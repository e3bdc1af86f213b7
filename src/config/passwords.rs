use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section, secret::hidden};

/// How passwords are hashed (argon2id), and how many at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordsConfig {
    /// Memory of one hash in KiB. OWASP's floor is 19456 with two passes.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Hashes at once; 0 means one per core.
    pub permits: usize,
    /// A list of passwords to refuse, besides the built-in one: plain lines, or sorted `SHA1HEX:COUNT` lines. May be
    /// replaced, by renaming another file over it, without a restart.
    pub breached_list: Option<PathBuf>,
    /// Keys that every hash is mixed with, so that a stolen database alone cannot be guessed at: 32 bytes in base64 each,
    /// between spaces or lines. The first makes, all open; one that hashes were made with must stay. Best given as
    /// `BACKLINE_PASSWORDS_PEPPER_FILE`.
    #[serde(serialize_with = "hidden")]
    pub pepper: Option<SecretString>,
}

impl PasswordsConfig {
    /// The keys of `pepper`; `None` if one is malformed.
    pub fn peppers(&self) -> Option<Vec<[u8; 32]>> {
        let text = self.pepper.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let keys = text.split_whitespace();
        keys.map(|key| BASE64_STANDARD.decode(key).ok().and_then(|bytes| bytes.try_into().ok())).collect()
    }
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, permits: 0, breached_list: None, pepper: None }
    }
}

/// OWASP Password Storage Cheat Sheet: memory in KiB and the passes that go with it.
const OWASP_FLOOR: [(u32, u32); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];

impl Section for PasswordsConfig {
    const NAME: &'static str = "passwords";
    const SECRETS: &'static [&'static str] = &["pepper"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let given = self.pepper.is_some();
        if self.peppers().is_none_or(|keys| given && keys.is_empty()) {
            problems.add("passwords.pepper", "must be keys of 32 bytes in base64, the newest first");
        }
        if mode == Mode::Test {
            return;
        }
        if !OWASP_FLOOR.iter().any(|&(memory, passes)| self.memory_kib >= memory && self.passes >= passes) {
            problems.add("passwords.memory_kib", "must be 19456 or more with passwords.passes = 2 (OWASP's floor)");
        }
        if self.memory_kib > 1024 * 1024 || self.passes > 10 {
            problems.add("passwords.memory_kib", "must be at most 1048576 (1 GiB), passwords.passes at most 10");
        }
    }
}
