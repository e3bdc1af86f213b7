use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

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
    pub breached_file: Option<PathBuf>,
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, permits: 0, breached_file: None }
    }
}

/// OWASP Password Storage Cheat Sheet: memory in KiB and the passes that go with it.
const OWASP_FLOOR: [(u32, u32); 5] = [(47104, 1), (19456, 2), (12288, 3), (9216, 4), (7168, 5)];

impl Section for PasswordsConfig {
    const NAME: &'static str = "passwords";

    fn check(&self, mode: Mode, problems: &mut Problems) {
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
