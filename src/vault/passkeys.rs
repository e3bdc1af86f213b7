//! Passkeys: WebAuthn level 3 with user verification, so that one is as good as a password and a second factor.
//!
//! Everything that the specification asks a site to check is checked by `webauthn-rs`. Challenges are its own throws;
//! they live in a sealed row until they are answered, and never travel. Passkeys are asked to be discoverable, so that
//! a sign-in needs no name.

use std::sync::Arc;

use anyhow::Context;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::{Host, Url};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Webauthn, WebauthnBuilder, WebauthnError,
};

use crate::config::Config;

/// The site that passkeys belong to. Cheap to clone.
#[derive(Clone)]
pub struct Passkeys(Arc<Webauthn>);

/// What a device is asked, and what its answer is compared with.
pub struct Asked {
    /// JSON for the device, as WebAuthn's `parse…OptionsFromJSON` take it.
    pub options: String,
    /// Stays here.
    pub challenge: Value,
}

/// A passkey that a device has made.
pub struct Made {
    pub credential_id: Vec<u8>,
    /// Its public key and properties, to be kept.
    pub passkey: Vec<u8>,
    pub sign_count: i64,
}

/// A right answer.
pub struct Signed {
    /// The passkey as it is now.
    pub passkey: Vec<u8>,
    pub sign_count: i64,
}

/// Why an answer is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    Wrong,
    /// The passkey counts backwards: there are two of it.
    Copied,
}

/// A device's answer to a challenge.
#[derive(Clone)]
pub struct Assertion(PublicKeyCredential);

impl Assertion {
    /// Reads the JSON of the credential; `None` if it has not the form of one.
    pub fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).map(Self).ok()
    }

    pub fn credential_id(&self) -> &[u8] {
        self.0.get_credential_id()
    }

    /// Whether the page that asked stood in another site's frame, or cannot be told. Our pages never do (7.2, step 13);
    /// the library looks at it only when a passkey is made.
    fn is_from_a_frame(&self) -> bool {
        let client_data: Option<Value> = serde_json::from_slice(&self.0.response.client_data_json).ok();
        client_data.is_none_or(|data| !matches!(data.get("crossOrigin"), None | Some(Value::Bool(false))))
    }

    /// Whose passkey it says it is.
    pub fn user(&self) -> Option<Uuid> {
        self.0.get_user_unique_id().and_then(|bytes| Uuid::from_slice(bytes).ok())
    }
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assertion(…)")
    }
}

impl Passkeys {
    /// # Errors
    /// When `passkeys.rp_id` is not the domain of `web.public_url`, or one above it.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let (rp_id, origin) = site(config)?;
        let mut builder = WebauthnBuilder::new(&rp_id, &origin)
            .map_err(|_| anyhow::anyhow!("passkeys.rp_id must be the host of web.public_url, or a domain above it"))?
            .rp_name("Backline");
        for further in config.web.allowed_origins.iter().chain(&config.passkeys.origins) {
            builder = builder.append_allowed_origin(further);
        }
        Ok(Self(Arc::new(builder.build().context("the site for passkeys")?)))
    }

    /// Asks a person's device for a new passkey; not for one of `known` again. `None` for a person without a name.
    pub fn ask_to_make(&self, user: Uuid, name: &str, display_name: &str, known: Vec<Vec<u8>>) -> Option<Asked> {
        let known = Some(known);
        let (options, state) = self.0.start_passkey_registration(user, name, display_name, known).ok()?;
        let mut options = serde_json::to_value(options.public_key).ok()?;
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        Some(Asked { options: options.to_string(), challenge: serde_json::to_value(state).ok()? })
    }

    /// Judges what a device made.
    ///
    /// # Errors
    /// Whatever WebAuthn level 3, 7.1 asks for and does not hold.
    pub fn made(&self, json: &str, challenge: &Value) -> Result<Made, Rejected> {
        let credential: RegisterPublicKeyCredential = serde_json::from_str(json).map_err(|_| Rejected::Wrong)?;
        let state: PasskeyRegistration = serde_json::from_value(challenge.clone()).map_err(|_| Rejected::Wrong)?;
        let passkey = self.0.finish_passkey_registration(&credential, &state).map_err(|error| rejected(&error))?;
        Ok(Made {
            credential_id: passkey.cred_id().clone(),
            passkey: serde_json::to_vec(&passkey).map_err(|_| Rejected::Wrong)?,
            sign_count: webauthn_rs::prelude::Credential::from(passkey).counter.into(),
        })
    }

    /// The credential id of a passkey that was kept.
    pub fn credential_id(&self, passkey: &[u8]) -> Option<Vec<u8>> {
        serde_json::from_slice::<Passkey>(passkey).ok().map(|passkey| passkey.cred_id().clone())
    }

    /// Asks for a signature of any of `known`; if there are none, of whichever passkey the device has for this site.
    pub fn ask_to_sign(&self, known: &[Vec<u8>]) -> Option<Asked> {
        let (options, state) = self.0.start_discoverable_authentication().ok()?;
        let mut options = serde_json::to_value(options.public_key).ok()?;
        let named = |id: &Vec<u8>| json!({ "type": "public-key", "id": BASE64_URL_SAFE_NO_PAD.encode(id) });
        options["allowCredentials"] = known.iter().map(named).collect();
        Some(Asked { options: options.to_string(), challenge: serde_json::to_value(state).ok()? })
    }

    /// Judges a signature by a passkey that was kept.
    ///
    /// # Errors
    /// Whatever WebAuthn level 3, 7.2 asks for and does not hold.
    pub fn signed(&self, answer: &Assertion, challenge: &Value, passkey: &[u8]) -> Result<Signed, Rejected> {
        if answer.is_from_a_frame() {
            return Err(Rejected::Wrong);
        }
        let mut passkey: Passkey = serde_json::from_slice(passkey).map_err(|_| Rejected::Wrong)?;
        let state: DiscoverableAuthentication =
            serde_json::from_value(challenge.clone()).map_err(|_| Rejected::Wrong)?;
        let outcome = self
            .0
            .finish_discoverable_authentication_v2(&answer.0, state, &passkey)
            .map_err(|error| rejected(&error))?;
        passkey.update_credential(&outcome);
        Ok(Signed {
            passkey: serde_json::to_vec(&passkey).map_err(|_| Rejected::Wrong)?,
            sign_count: outcome.counter().into(),
        })
    }
}

/// Tells the log why, without a word of what was sent.
fn rejected(error: &WebauthnError) -> Rejected {
    tracing::info!(%error, "a passkey was rejected");
    match error {
        WebauthnError::CredentialPossibleCompromise => Rejected::Copied,
        _ => Rejected::Wrong,
    }
}

/// The domain that passkeys are made for, and the origin of our own pages. A bare address cannot have passkeys: on the
/// machine itself `localhost` takes its place.
fn site(config: &Config) -> anyhow::Result<(String, Url)> {
    let mut origin = Url::parse(&config.public_url()).context("web.public_url")?;
    if !matches!(origin.host(), Some(Host::Domain(_))) {
        origin.set_host(Some("localhost")).context("web.public_url")?;
    }
    let host = origin.host_str().unwrap_or_default().to_owned();
    Ok((config.passkeys.rp_id.clone().unwrap_or(host), origin))
}

impl std::fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passkeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site_of(public_url: &str, rp_id: Option<&str>) -> anyhow::Result<Passkeys> {
        let mut config = Config::default();
        config.web.public_url = Some(public_url.parse().unwrap());
        config.passkeys.rp_id = rp_id.map(str::to_owned);
        Passkeys::new(&config)
    }

    #[test]
    fn passkeys_belong_to_the_host_or_a_domain_above_it() {
        let options =
            |site: Passkeys| -> Value { serde_json::from_str(&site.ask_to_sign(&[]).unwrap().options).unwrap() };
        assert_eq!(options(site_of("https://app.example.org", None).unwrap())["rpId"], "app.example.org");
        assert_eq!(options(site_of("https://app.example.org", Some("example.org")).unwrap())["rpId"], "example.org");
        assert_eq!(options(site_of("http://127.0.0.1:7070", None).unwrap())["rpId"], "localhost");
        assert!(site_of("https://app.example.org", Some("other.org")).is_err());
    }

    #[test]
    fn a_device_is_asked_to_know_its_passkeys_and_to_verify_its_person() {
        let site = site_of("https://example.org", None).unwrap();
        let asked = site.ask_to_make(Uuid::nil(), "ana@example.org", "Ana", vec![vec![1, 2, 3]]).unwrap();
        let options: Value = serde_json::from_str(&asked.options).unwrap();
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["excludeCredentials"][0]["id"], "AQID");
        let asked = site.ask_to_sign(&[vec![1, 2, 3]]).unwrap();
        let options: Value = serde_json::from_str(&asked.options).unwrap();
        assert_eq!(
            (&options["allowCredentials"][0]["id"], &options["userVerification"]),
            (&json!("AQID"), &json!("required"))
        );
    }
}
