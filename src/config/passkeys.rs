use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section};

/// Which site passkeys belong to, and who must have a second factor.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasskeysConfig {
    /// The domain that passkeys are made for; the host of `web.public_url` if unset. Changing it makes every passkey
    /// useless.
    pub rp_id: Option<String>,
    /// Origins that may use them, besides `web.public_url` and `web.allowed_origins`: those of mobile apps, for example
    /// `android:apk-key-hash:…`.
    pub origins: Vec<Url>,
    /// Whether staff without a second factor can do nothing of their office. Unset: in production.
    pub staff_must_have_factor: Option<bool>,
}

impl Section for PasskeysConfig {
    const NAME: &'static str = "passkeys";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let is_domain = |id: &String| matches!(url::Host::parse(id), Ok(url::Host::Domain(domain)) if domain == *id);
        if !self.rp_id.as_ref().is_none_or(is_domain) {
            problems.add("passkeys.rp_id", "must be a domain in lower case, such as example.org, without a port");
        }
        if mode == Mode::Production && self.staff_must_have_factor == Some(false) {
            problems.add("passkeys.staff_must_have_factor", "cannot be false in production");
        }
    }
}
