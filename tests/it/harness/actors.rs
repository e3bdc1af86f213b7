//! People, with a typed client for every service that already carries their token.

use std::sync::Arc;

use backline::pb::{self, login_response::Outcome};
use parking_lot::Mutex;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

/// Everybody's password: long enough for staff, and built from nobody's name.
pub const PASSWORD: &str = "seven quiet rivers run";

/// A connection that sends a bearer token with each call, if there is one.
pub type Line = InterceptedService<Channel, Bearer>;

/// The access token of the moment. Clones share it.
#[derive(Clone, Default)]
pub struct Bearer(Arc<Mutex<Option<String>>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = self.0.lock().as_deref() {
            let value: MetadataValue<_> = format!("Bearer {token}").parse().expect("a token fits a header");
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// A person on one device, or nobody in particular. Clones are the same person on the same device.
#[derive(Clone)]
pub struct Actor {
    channel: Channel,
    bearer: Bearer,
    refresh: Arc<Mutex<String>>,
    /// Empty for nobody.
    pub email: String,
    /// As it was at sign-in.
    pub account: pb::Account,
    /// As it was at sign-in.
    pub session: pb::Session,
    /// Sessions that ended to make room for this one.
    pub ended_session_ids: Vec<String>,
}

macro_rules! services {
    ($($name:ident = $module:ident::$client:ident;)*) => {
        impl Actor {$(
            pub fn $name(&self) -> pb::$module::$client<Line> {
                pb::$module::$client::with_interceptor(self.channel.clone(), self.bearer.clone())
            }
        )*}
    };
}

services! {
    accounts = account_service_client::AccountServiceClient;
    sessions = session_service_client::SessionServiceClient;
    factors = factor_service_client::FactorServiceClient;
    applications = application_service_client::ApplicationServiceClient;
    artists = artist_service_client::ArtistServiceClient;
    storage = storage_service_client::StorageServiceClient;
    tracks = track_service_client::TrackServiceClient;
    submissions = submission_service_client::SubmissionServiceClient;
    review = review_service_client::ReviewServiceClient;
    search = search_service_client::SearchServiceClient;
    audit = audit_service_client::AuditServiceClient;
    admin = admin_service_client::AdminServiceClient;
    server = server_service_client::ServerServiceClient;
}

impl Actor {
    /// Somebody who is not signed in.
    pub fn anonymous(channel: Channel) -> Self {
        Self {
            channel,
            bearer: Bearer::default(),
            refresh: Arc::default(),
            email: String::new(),
            account: pb::Account::default(),
            session: pb::Session::default(),
            ended_session_ids: Vec::new(),
        }
    }

    /// Signs in on a new device, and gives the refusal if it is refused.
    pub async fn sign_in(channel: Channel, email: &str, password: &str, device: &str) -> Result<Self, Status> {
        let actor = Self::anonymous(channel);
        let reply = actor.login(email, password, device).await?;
        let Some(Outcome::SignedIn(signed_in)) = reply.outcome else { panic!("not signed in: {reply:?}") };
        Ok(Self { email: email.to_owned(), ..actor.signed_in(signed_in) })
    }

    /// Whoever this sign-in is of, with tokens of their own.
    pub fn signed_in(&self, signed_in: pb::SignedIn) -> Self {
        let actor = Self::anonymous(self.channel.clone());
        actor.keep(signed_in.tokens.expect("a sign-in gives tokens"));
        let account = signed_in.account.expect("a sign-in tells whose it is");
        Self {
            email: account.email.clone(),
            account,
            session: signed_in.session.expect("a sign-in opens a session"),
            ended_session_ids: signed_in.ended_session_ids,
            ..actor
        }
    }

    /// `Login`, keeping nothing of the reply, and solving a challenge if one is asked for.
    pub async fn login(&self, email: &str, password: &str, device: &str) -> Result<pb::LoginResponse, Status> {
        let request = pb::LoginRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            device_name: device.to_owned(),
            ..Default::default()
        };
        self.login_solving(request).await
    }

    /// The same person on another device: another session.
    pub async fn on_another_device(&self, device: &str) -> Self {
        Self::sign_in(self.channel.clone(), &self.email, PASSWORD, device).await.unwrap()
    }

    /// `RefreshSession` with the newest refresh token; from here on the new pair is used.
    pub async fn refresh(&self) -> Result<pb::RefreshSessionResponse, Status> {
        let reply = self.refresh_with(&self.refresh_token()).await?;
        self.keep(reply.tokens.clone().expect("a refresh gives tokens"));
        Ok(reply)
    }

    /// `RefreshSession` with any token, keeping nothing of the reply. No access token goes along: it would count as the
    /// pair's first use.
    pub async fn refresh_with(&self, refresh_token: &str) -> Result<pb::RefreshSessionResponse, Status> {
        let request = pb::RefreshSessionRequest { refresh_token: refresh_token.to_owned() };
        Ok(Self::anonymous(self.channel.clone()).sessions().refresh_session(request).await?.into_inner())
    }

    /// Uses these tokens from here on.
    pub fn keep(&self, tokens: pb::Tokens) {
        *self.bearer.0.lock() = Some(tokens.access_token);
        *self.refresh.lock() = tokens.refresh_token;
    }

    /// Uses this access token from here on, with the refresh token it had.
    pub fn keep_access_token(&self, token: &str) {
        *self.bearer.0.lock() = Some(token.to_owned());
    }

    /// The same person and session through another server, or with another token.
    #[must_use]
    pub fn through(&self, channel: Channel) -> Self {
        Self { channel, ..self.clone() }
    }

    /// The same person with another access token; `self` keeps its own.
    #[must_use]
    pub fn with_access_token(&self, token: &str) -> Self {
        Self { bearer: Bearer(Arc::new(Mutex::new(Some(token.to_owned())))), ..self.clone() }
    }

    pub fn access_token(&self) -> String {
        self.bearer.0.lock().clone().unwrap_or_default()
    }

    pub fn refresh_token(&self) -> String {
        self.refresh.lock().clone()
    }

    pub fn account_id(&self) -> &str {
        &self.account.account_id
    }

    pub fn session_id(&self) -> &str {
        &self.session.session_id
    }

    /// One's own account as it is now: the simplest call that wants a live session.
    pub async fn whoami(&self) -> Result<pb::Account, Status> {
        let reply = self.accounts().get_account(pb::GetAccountRequest {}).await?;
        Ok(reply.into_inner().account.expect("the reply has an account"))
    }
}
