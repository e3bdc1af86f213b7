//! A server and everything around it, for one test.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use backline::{
    accounts,
    admin::{self, NewStaff},
    app::{self, App},
    config,
    kernel::{Clock, Dice, Password, Role, Timestamp, ids::AccountId},
    mail::Mailer,
    pb,
    telemetry::{BoxedLayer, Telemetry},
    work,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use sea_orm::DatabaseConnection;
use tokio::net::TcpStream;
use tonic::{
    Status,
    transport::{Channel, Endpoint, Uri},
};
use tracing::subscriber::DefaultGuard;

use super::{
    Actor, Answer, Http, Letter, PASSWORD, blocking, database::TestDatabase, events::Events, instance::Instance, raw,
};

/// When every test begins: 2026-03-01T00:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_772_323_200_000_000);

/// To whom each letter went, and what stood in it, in the order they went out.
type Delivered = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A running server, its database, files, letters and clock.
///
/// When it is dropped it fails the test if jobs are left to do, if the server logged an error that the test did not
/// announce ([`World::expect_error`]), or if a statement scanned a table.
pub struct World {
    server: Option<Instance>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) parts: app::World,
    letters: Delivered,
    channel: Channel,
    address: Arc<Mutex<std::net::SocketAddr>>,
    pub database: TestDatabase,
    pub folder: tempfile::TempDir,
    events: Events,
    expected: Mutex<Vec<String>>,
    telemetry: Option<Telemetry>,
    _listening: DefaultGuard,
}

/// What a registration left in the registrant's hands.
#[derive(Clone, Debug)]
pub struct Registration {
    pub email: String,
    pub id: String,
}

impl World {
    /// With the settings of tests: cheap hashes, no worker beside the calls.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With further settings, such as `("sessions.max_sessions", "2")`.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::make(folder.path());
        // Every test has one of these futures inside its own.
        Box::pin(Self::on(folder, database, settings)).await
    }

    /// With a data folder and a database that are there already.
    pub async fn on(folder: tempfile::TempDir, database: TestDatabase, settings: &[(&str, &str)]) -> Self {
        // The object store's client wants one, whatever it speaks to. Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let events = Events::default();
        let settings = settings_of(&folder, &database, settings);
        let letters = Arc::default();
        let parts = app::World {
            clock: Clock::fixed(START),
            dice: Dice::seeded(7),
            // A test that names a mail server has one.
            mailer: (!settings.contains_key("mail.url")).then(|| Mailer::Memory(Arc::clone(&letters))),
        };
        let config = load(&settings);
        let telemetry = Telemetry::open(&config.telemetry, parts.clock.clone(), Dice::System).unwrap();
        let listening = events.listen(telemetry.as_ref().map(Telemetry::layer));
        // In a box: a whole server is a large future for tests to carry.
        let server = Box::pin(Instance::start(config, parts.clone())).await;
        let address = Arc::new(Mutex::new(server.address));
        let channel = channel_to(Arc::clone(&address));
        Self {
            server: Some(server),
            settings,
            parts,
            letters,
            channel,
            address,
            database,
            folder,
            events,
            expected: Mutex::default(),
            telemetry,
            _listening: listening,
        }
    }

    /// What exports the spans of this world, for another subscriber.
    pub fn traces(&self) -> Option<BoxedLayer> {
        self.telemetry.as_ref().map(Telemetry::layer)
    }

    /// Sends what is left to the collector, as the program does at its end.
    pub async fn stop_telemetry(&mut self) {
        self.telemetry.take().expect("the settings name a collector").stop().await;
    }

    pub fn server(&self) -> &Instance {
        self.server.as_ref().expect("the server runs, unless it is being restarted")
    }

    /// What the server is made of: for what no call can do or tell.
    pub fn app(&self) -> &App {
        &self.server().app
    }

    /// The database, beside the server: statements of the test itself are neither counted nor judged.
    pub async fn db(&self) -> DatabaseConnection {
        self.database.connect().await
    }

    /// A connection to the server, which finds it again after a restart.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Stops the server in order and starts it again on the same data. Actors go on.
    pub async fn restart(&mut self) {
        self.server.take().expect("the server runs").stop().await;
        self.server = Some(self.start_again().await);
    }

    /// Stops the server, puts an earlier release's data in the place of its own, and starts it again on that.
    pub async fn upgrade_from(&mut self, count: u32, rows: &str) {
        self.server.take().expect("the server runs").stop().await;
        self.database.upgrade_from(count, rows).await;
        self.server = Some(self.start_again().await);
    }

    async fn start_again(&self) -> Instance {
        let server = Instance::start(load(&self.settings), self.parts.clone()).await;
        *self.address.lock() = server.address;
        server
    }

    /// Another server on the same data, and a connection to it.
    pub async fn second_server(&self) -> (Instance, Channel) {
        self.second_server_with(&[]).await
    }

    /// Another server on the same data with settings of its own.
    pub async fn second_server_with(&self, settings: &[(&str, &str)]) -> (Instance, Channel) {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let server = Instance::start(load(&all), self.parts.clone()).await;
        let channel = channel_to(Arc::new(Mutex::new(server.address)));
        (server, channel)
    }

    /// Another server on the same data, whose clock is another.
    pub async fn second_server_by(&self, clock: Clock) -> (Instance, Channel) {
        let server = Instance::start(load(&self.settings), app::World { clock, ..self.parts.clone() }).await;
        let channel = channel_to(Arc::new(Mutex::new(server.address)));
        (server, channel)
    }

    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Moves the clock of every server of this world.
    pub fn advance(&self, span: Duration) {
        self.parts.clock.advance(span);
    }

    /// Runs every job that is due, and those that they enqueue. Returns how many ran.
    pub async fn run_jobs(&self) -> usize {
        work::worker(self.app()).run_due().await.unwrap()
    }

    /// The letters delivered to an address, oldest first. They go out by [`World::run_jobs`].
    pub fn letters_to(&self, email: &str) -> Vec<Letter> {
        let letters = self.letters.lock();
        letters.iter().map(|(_, message)| Letter::parse(message)).filter(|letter| letter.to == email).collect()
    }

    /// The newest letter to an address, after running the jobs.
    pub async fn newest_letter_to(&self, email: &str) -> Letter {
        self.run_jobs().await;
        self.letters_to(email).pop().unwrap_or_else(|| panic!("no letter to {email}"))
    }

    /// How many statements `act` cost, BEGIN and COMMIT among them.
    pub async fn statements<T>(&self, act: impl AsyncFnOnce() -> T) -> (T, u64) {
        let before = self.app().db.statements();
        let outcome = act().await;
        (outcome, self.app().db.statements() - before)
    }

    /// Every line that was logged, so far.
    pub fn logged(&self) -> Vec<String> {
        self.events.lines()
    }

    /// An error whose log line contains `text` is part of this test.
    pub fn expect_error(&self, text: &str) {
        self.expected.lock().push(text.to_owned());
    }

    /// One request of any shape, on a connection of its own.
    pub async fn http(
        &self,
        http: Http,
        method: http::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<bytes::Bytes>,
    ) -> Answer {
        raw::send(self.server().address, http, method, path, headers, body).await
    }

    /// A gRPC call with a raw body, which [`raw::frame`] makes of a message.
    pub async fn grpc(&self, path: &str, headers: &[(&str, &str)], body: impl Into<bytes::Bytes>) -> Answer {
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.extend_from_slice(headers);
        self.http(Http::Two, http::Method::POST, path, &all, body).await
    }

    pub fn anonymous(&self) -> Actor {
        Actor::anonymous(self.channel())
    }

    /// Registers `<name>@example.org`.
    pub async fn register(&self, name: &str) -> Registration {
        let email = email_of(name);
        let request = pb::RegisterRequest {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: display_name_of(name),
            ..Default::default()
        };
        let reply = self.anonymous().accounts().register(request).await.unwrap().into_inner();
        Registration { email, id: reply.registration_id }
    }

    /// Spends the link of the newest letter to this registrant.
    pub async fn verify(&self, registration: &Registration) -> Result<pb::Account, Status> {
        let token = self.newest_letter_to(&registration.email).await.token().to_owned();
        let request = pb::VerifyEmailRequest { token, ..Default::default() };
        let reply = self.anonymous().accounts().verify_email(request).await?;
        // The letter of welcome.
        self.run_jobs().await;
        Ok(reply.into_inner().account.expect("the reply has an account"))
    }

    /// Signs in with any words.
    pub async fn login(&self, email: &str, password: &str) -> Result<Actor, Status> {
        Actor::sign_in(self.channel(), email, password, "Laptop").await
    }

    /// A listener: registered, verified, signed in.
    pub async fn account(&self, name: &str) -> Actor {
        let registration = self.register(name).await;
        self.verify(&registration).await.unwrap();
        self.login(&registration.email, PASSWORD).await.unwrap()
    }

    /// A reviewer, made one before signing in.
    pub async fn reviewer(&self, name: &str) -> Actor {
        let registration = self.register(name).await;
        let account = self.verify(&registration).await.unwrap();
        self.give_role(&account.account_id, Role::Reviewer).await;
        self.login(&registration.email, PASSWORD).await.unwrap()
    }

    /// An administrator, made as on the command line.
    pub async fn admin(&self, name: &str) -> Actor {
        let new = NewStaff {
            email: email_of(name).parse().unwrap(),
            password: Password::new(PASSWORD),
            display_name: display_name_of(name),
        };
        admin::create_administrator(self.app(), new).await.unwrap();
        self.login(&email_of(name), PASSWORD).await.unwrap()
    }

    /// Gives an account a role behind the back of the API.
    pub async fn give_role(&self, account_id: &str, role: Role) {
        let account: AccountId = account_id.parse().unwrap();
        let tx = self.app().db.begin_write().await.unwrap();
        let changed = accounts::set_roles(&tx, self.app(), account, |roles| roles.with(role)).await.unwrap();
        assert!(changed.is_some(), "{account_id} exists");
        tx.commit().await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.events.print();
            self.database.remove();
            return;
        }
        let expected = self.expected.get_mut();
        let errors = self.events.errors().into_iter();
        let unexpected = errors.filter(|line| !expected.iter().any(|text| line.contains(text)));
        let mut untidy: Vec<String> = unexpected.map(|line| format!("an error was logged: {line}")).collect();
        let statements = self.server.as_ref().map(|server| server.app.db.kept_statements()).unwrap_or_default();
        let (database, now) = (&self.database, self.parts.clock.now());
        untidy.extend(blocking(async { database.judge(now, statements).await }));
        self.database.remove();
        if !untidy.is_empty() {
            self.events.print();
            panic!("the test left its world untidy:\n  {}", untidy.join("\n  "));
        }
    }
}

/// `ana` → `ana@example.org`.
pub fn email_of(name: &str) -> String {
    format!("{name}@example.org")
}

fn display_name_of(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn settings_of(
    folder: &tempfile::TempDir,
    database: &TestDatabase,
    further: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let data_dir = folder.path().display().to_string();
    let mut settings: BTreeMap<String, String> = [
        ("mode", "test"),
        ("data_dir", &data_dir),
        ("server.listen", "127.0.0.1:0"),
        ("server.admin_listen", "127.0.0.1:0"),
        ("web.public_url", "http://backline.test"),
        ("passwords.memory_kib", "8"),
        ("passwords.passes", "1"),
        ("challenges.cost", "1"),
        ("work.in_server", "false"),
    ]
    .into_iter()
    .chain(further.iter().copied())
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    if let Some((key, url)) = database.setting() {
        settings.entry(key.to_owned()).or_insert(url);
        // Many tests at once, each with a pool of its own.
        settings.entry("database.max_connections".to_owned()).or_insert_with(|| "4".to_owned());
    }
    settings
}

pub(super) fn load(settings: &BTreeMap<String, String>) -> config::Config {
    config::load(&config::Source { file: None, flags: settings.clone() }).unwrap()
}

/// A connection to wherever `address` says when it is needed.
pub fn channel_to(address: Arc<Mutex<std::net::SocketAddr>>) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let address = *address.lock();
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        }
    });
    Endpoint::from_static("http://backline.test").connect_with_connector_lazy(connect)
}
