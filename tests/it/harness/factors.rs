//! What people hold in their hands: an authenticator app, a device with passkeys.

use std::time::Duration;

use backline::pb::{self, continue_login_request, login_response, step_up_request, step_up_response};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::Status;
use webauthn_authenticator_rs::{AuthenticatorBackendHashedClientData, softpasskey::SoftPasskey};

use super::{Actor, PASSWORD, World};

/// One step of an authenticator app.
pub const STEP: Duration = Duration::from_secs(30);

/// An authenticator app with our secret in it.
#[derive(Clone)]
pub struct Authenticator(totp_rs::Totp);

impl Authenticator {
    /// Reads the QR code.
    pub fn scan(uri: &str) -> Self {
        Self(totp_rs::Totp::from_url(uri).unwrap())
    }

    /// The code of this moment.
    pub fn code(&self, world: &World) -> String {
        self.code_at(world, 0)
    }

    /// The code on a phone whose clock is some seconds off.
    pub fn code_at(&self, world: &World, off_by: i64) -> String {
        let seconds = world.now().micros() / 1_000_000 + off_by;
        self.0.generate(seconds.try_into().unwrap()).to_string()
    }

    /// A code that is wrong now and in the steps beside it.
    pub fn wrong_code(&self, world: &World) -> String {
        let near: Vec<String> = [-30, 0, 30].iter().map(|off_by| self.code_at(world, *off_by)).collect();
        (0..4).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

/// What a device tells of the page it believes to be on.
#[derive(Clone)]
pub struct Page {
    pub origin: String,
    pub kind: Option<&'static str>,
    pub cross_origin: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self { origin: "http://backline.test".to_owned(), kind: None, cross_origin: false }
    }
}

/// A device that makes and keeps passkeys.
pub struct Device {
    keys: SoftPasskey,
    /// The credential and the person of the newest passkey.
    newest: Option<(String, String)>,
}

impl Device {
    pub fn new() -> Self {
        Self { keys: SoftPasskey::new(true), newest: None }
    }

    /// Makes a passkey, as on our own page.
    pub fn make(&mut self, options: &str) -> String {
        self.make_on(&Page::default(), parsed(options)).to_string()
    }

    /// Makes a passkey on any page.
    pub fn make_on(&mut self, page: &Page, mut options: Value) -> Value {
        let client_data = client_data(page, "webauthn.create", &options);
        // The authenticator of the tests keeps every passkey, and refuses to be asked for it.
        options["authenticatorSelection"]["requireResidentKey"] = json!(false);
        let user = options["user"]["id"].as_str().unwrap().to_owned();
        let hash = Sha256::digest(client_data.as_bytes()).to_vec();
        let typed = serde_json::from_value(options).unwrap();
        let made = AuthenticatorBackendHashedClientData::perform_register(&mut self.keys, hash, typed, 60_000).unwrap();
        let mut made = serde_json::to_value(made).unwrap();
        made["response"]["clientDataJSON"] = json!(BASE64_URL_SAFE_NO_PAD.encode(client_data));
        self.newest = Some((made["rawId"].as_str().unwrap().to_owned(), user));
        made
    }

    /// Signs with the newest passkey, as on our own page.
    pub fn sign(&mut self, options: &str) -> String {
        self.sign_on(&Page::default(), parsed(options)).to_string()
    }

    /// Signs with the newest passkey on any page.
    pub fn sign_on(&mut self, page: &Page, mut options: Value) -> Value {
        let (id, user) = self.newest.clone().expect("the device has a passkey");
        let client_data = client_data(page, "webauthn.get", &options);
        options["allowCredentials"] = json!([{ "type": "public-key", "id": id }]);
        let hash = Sha256::digest(client_data.as_bytes()).to_vec();
        let typed = serde_json::from_value(options).unwrap();
        let signed = AuthenticatorBackendHashedClientData::perform_auth(&mut self.keys, hash, typed, 60_000).unwrap();
        let mut signed = serde_json::to_value(signed).unwrap();
        signed["response"]["clientDataJSON"] = json!(BASE64_URL_SAFE_NO_PAD.encode(client_data));
        signed["response"]["userHandle"] = json!(user);
        signed
    }
}

fn client_data(page: &Page, kind: &'static str, options: &Value) -> String {
    json!({
        "type": page.kind.unwrap_or(kind),
        "challenge": options["challenge"],
        "origin": page.origin,
        "crossOrigin": page.cross_origin,
    })
    .to_string()
}

/// The options that the server sent.
pub fn parsed(options: &str) -> Value {
    serde_json::from_str(options).unwrap()
}

/// The proofs of `ContinueLogin`.
pub type Proof = continue_login_request::Proof;

impl Actor {
    /// Adds an authenticator app; goes on with the new access token.
    pub async fn add_app(&self, world: &World) -> (Authenticator, pb::FinishTotpEnrollmentResponse) {
        let begun = self.factors().begin_totp_enrollment(pb::BeginTotpEnrollmentRequest::default()).await;
        let begun = begun.unwrap().into_inner();
        let app = Authenticator::scan(&begun.otpauth_uri);
        let request =
            pb::FinishTotpEnrollmentRequest { factor_id: begun.factor_id, code: app.code(world), ..Default::default() };
        let finished = self.factors().finish_totp_enrollment(request).await.unwrap().into_inner();
        self.keep_access_token(&finished.change.as_ref().unwrap().access_token);
        (app, finished)
    }

    /// Adds a passkey; goes on with the new access token.
    pub async fn add_passkey(&self, device: &mut Device) -> pb::FinishPasskeyRegistrationResponse {
        let begun = self.factors().begin_passkey_registration(pb::BeginPasskeyRegistrationRequest::default()).await;
        let begun = begun.unwrap().into_inner();
        let request = pb::FinishPasskeyRegistrationRequest {
            flow_id: begun.flow_id,
            passkey_credential: device.make(&begun.passkey_options),
            ..Default::default()
        };
        let finished = self.factors().finish_passkey_registration(request).await.unwrap().into_inner();
        self.keep_access_token(&finished.change.as_ref().unwrap().access_token);
        finished
    }

    /// Login with the right password, where a factor is wanted.
    pub async fn begin_login(&self, email: &str) -> pb::FactorRequired {
        let reply = self.login(email, PASSWORD, "Phone").await.unwrap();
        let Some(login_response::Outcome::FactorRequired(required)) = reply.outcome else {
            panic!("no factor was wanted: {reply:?}")
        };
        required
    }

    /// `ContinueLogin`: the same person signed in.
    pub async fn continue_login(&self, flow_id: &str, proof: Proof) -> Result<Self, Status> {
        let request =
            pb::ContinueLoginRequest { flow_id: flow_id.to_owned(), proof: Some(proof), ..Default::default() };
        let reply = self.sessions().continue_login(request).await?.into_inner();
        Ok(self.signed_in(reply.signed_in.unwrap()))
    }

    /// `StepUp`; goes on with the new access token, if there is one.
    pub async fn step_up(&self, proof: Option<step_up_request::Proof>) -> Result<pb::StepUpResponse, Status> {
        let reply = self.sessions().step_up(pb::StepUpRequest { proof, ..Default::default() }).await?.into_inner();
        if let Some(step_up_response::Outcome::SteppedUp(done)) = &reply.outcome {
            self.keep_access_token(&done.access_token);
        }
        Ok(reply)
    }

    /// What serves for a step-up.
    pub async fn ask_to_step_up(&self) -> pb::FactorRequired {
        let reply = self.step_up(None).await.unwrap();
        let Some(step_up_response::Outcome::FactorRequired(required)) = reply.outcome else {
            panic!("stepped up without a proof: {reply:?}")
        };
        required
    }
}
