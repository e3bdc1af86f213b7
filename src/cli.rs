//! The command line.

mod backup;
mod calibrate;
mod health;
mod keys;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    accounts,
    admin::{self, NewStaff},
    app::{App, World},
    audit,
    config::{self, Config, Source},
    fleet,
    kernel::{EmailAddress, Password, Principal, Scopes, text},
    server::{Server, WorkerProcess},
    service_accounts::{self, NewServiceAccount},
};

/// The backend of a music-submission platform.
///
/// Without a command it serves: gRPC, gRPC-Web and HTTP on one port, on an embedded database below ./data. Every setting
/// stands in the README's table; give it in a TOML file, as BACKLINE_… in the environment, or as a flag.
#[derive(Debug, Parser)]
#[command(name = "backline", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Settings {
    /// A TOML file with settings
    #[arg(long, global = true, env = "BACKLINE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the embedded database, files, letters and keys lie [default: ./data]
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Address for gRPC, gRPC-Web and HTTP [default: 127.0.0.1:7070]
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for /livez, /readyz and /metrics [default: 127.0.0.1:7071]
    #[arg(long, global = true, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Any other setting, such as --set database.url=postgres://…
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default), running background jobs as well
    Serve,
    /// Run background jobs only, beside servers that do not
    Work,
    /// Bring the database's schema up to date
    Migrate {
        /// Only say what would be done
        #[arg(long)]
        check: bool,
    },
    /// Check the settings and report every problem at once
    CheckConfig {
        /// Also print every setting and where it comes from; of secrets only whether they are set
        #[arg(long)]
        show: bool,
    },
    /// Ask the server on this machine whether it is ready, by its admin port
    Health,
    /// The server's own keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Measure password hashes on this machine and propose settings
    Calibrate {
        /// What one hash may cost
        #[arg(long, default_value = "50ms", value_name = "DURATION", value_parser = humantime_serde::re::humantime::parse_duration)]
        target: Duration,
    },
    /// Copy everything to another place, while the server runs
    Backup(backup::Backup),
    /// Bring a backup back, into an empty database and an empty object store
    Restore(backup::Restore),
    /// Read everything and list what is wrong: the database, every object, the audit trail, sealed values
    Verify(backup::Verify),
    /// The audit trail
    #[command(subcommand)]
    Audit(Audit),
    /// What only whoever may run commands on this machine may do
    #[command(subcommand)]
    Admin(Admin),
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Make an administrator, or make one of an account that exists
    Create {
        /// The administrator's e-mail address; it counts as confirmed
        #[arg(long)]
        email: String,
        /// The name others see
        #[arg(long, default_value = "Administrator")]
        name: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make an account for an internal tool, and print its first API key: this once
    CreateServiceAccount {
        /// What the tool is called
        #[arg(long)]
        name: String,
        /// A permission of the key, such as accounts.list; may be given several times
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<String>,
        /// Refuse every call that changes something
        #[arg(long)]
        read_only: bool,
        /// Days until the key ends, at most 365
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=365))]
        days: u64,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Walk along the chain of hashes and name the first row that was changed, added or taken away
    Verify {
        /// The first row to look at
        #[arg(long, default_value_t = 1, value_name = "SEQUENCE")]
        from: i64,
    },
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// One clear sentence, for standard error.
    pub async fn run(self) -> anyhow::Result<()> {
        let source = self.settings.source()?;
        if let Some(Command::CheckConfig { show: true }) = &self.command {
            config::explain(&source).0.iter().for_each(|setting| println!("{setting}"));
        }
        let config = config::load(&source)?;
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve(config).await,
            Command::Work => run_worker(config).await,
            Command::Migrate { check } => migrate(config, check).await,
            Command::CheckConfig { .. } => {
                println!("The configuration is sound.");
                config.advice().iter().for_each(|advice| println!("Advice: {advice}."));
                Ok(())
            }
            Command::Admin(Admin::CreateServiceAccount { name, scopes, read_only, days }) => {
                let permissions = scopes.iter().map(|name| Scopes::permission(name));
                let new = NewServiceAccount {
                    display_name: text::line(&name, service_accounts::MAX_NAME).context("--name")?,
                    scopes: permissions.collect::<Result<_, _>>().context("--scope")?,
                    read_only,
                    key_lifetime: Duration::from_hours(24 * days),
                    reason: "made on the command line".to_owned(),
                };
                create_service_account(config, new).await
            }
            Command::Health => health::run(&config).await,
            Command::Keys(keys) => keys.run(&config).await,
            Command::Backup(backup) => Box::pin(backup.run(config)).await,
            Command::Restore(restore) => Box::pin(restore.run(config)).await,
            Command::Verify(verify) => Box::pin(verify.run(config)).await,
            Command::Calibrate { target } => {
                calibrate::run(&config, target).await;
                Ok(())
            }
            Command::Audit(Audit::Verify { from }) => verify_trail(config, from).await,
            Command::Admin(Admin::Create { email, name, password_stdin }) => {
                create_administrator(config, &email, name, password_stdin).await
            }
        }
    }

    /// How to log and what to export, known before anything else is checked. Only what goes on running is followed.
    pub fn watching(&self) -> (config::LogConfig, config::TelemetryConfig) {
        let config = self.settings.source().ok().and_then(|source| config::load(&source).ok()).unwrap_or_default();
        let stays = matches!(self.command, None | Some(Command::Serve | Command::Work));
        (config.log, if stays { config.telemetry } else { config::TelemetryConfig::default() })
    }
}

impl Settings {
    fn source(&self) -> anyhow::Result<Source> {
        let named = [("data_dir", &self.data_dir), ("listen", &self.listen), ("admin_listen", &self.admin_listen)];
        let mut flags: BTreeMap<String, String> =
            named.into_iter().filter_map(|(key, value)| value.clone().map(|value| (key.to_owned(), value))).collect();
        for setting in &self.set {
            let (key, value) = setting.split_once('=').with_context(|| format!("--set {setting}: write KEY=VALUE"))?;
            flags.insert(key.trim().to_owned(), value.to_owned());
        }
        Ok(Source { file: self.config.clone(), flags })
    }
}

/// Opens everything, brings the schema up to date where the settings say so, and begins the audit trail if it is new.
async fn open(config: Config) -> anyhow::Result<App> {
    let migrate = config.database.migrate_on_start;
    config.advice().iter().for_each(|advice| tracing::warn!("{advice}"));
    // On the heap: everything is opened here, and every command holds this future.
    let app = Box::pin(App::open(config, World::real())).await?;
    if migrate {
        for name in migrations::run(app.db.for_migrations()).await? {
            info!(migration = name, "applied");
        }
    } else {
        migrations::check(app.db.for_migrations()).await?;
    }
    fleet::join(&app.config, &app.db, &app.keys, &app.clock).await?;
    audit::adopt(&app).await?;
    Ok(app)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let app = open(config).await?;
    app.objects.must_not_refuse().await.map_err(|refused| anyhow!("{refused}"))?;
    let first_start = accounts::none_is_staff(&app.db).await?;
    let server = Server::bind(app.clone()).await?;
    welcome(&app, &server, first_start)?;

    let drain = CancellationToken::new();
    let notice = Arc::new(AtomicBool::new(false));
    tokio::spawn(stop_on_signals(drain.clone(), Arc::clone(&notice)));
    let drain_notice = app.config.server.drain_notice;
    drop(app);
    server.run(drain, move || if notice.load(Ordering::Relaxed) { drain_notice } else { Duration::ZERO }).await
}

/// What a newcomer needs to know, on standard output.
fn welcome(app: &App, server: &Server, first_start: bool) -> anyhow::Result<()> {
    let (listen, admin) = server.addresses()?;
    println!(
        "Backline {} serves gRPC, gRPC-Web and HTTP on {listen}, metrics and health on {admin}.",
        env!("CARGO_PKG_VERSION")
    );
    let letters = match app.config.mail.relay() {
        Some(relay) => format!("go to {}", relay.host),
        None => format!("in {}", app.config.mail_dir().display()),
    };
    println!("Data lies in {}; letters {letters}.", app.config.data_dir.display());
    if first_start {
        println!("Make the first administrator: backline admin create --email you@example.org");
    }
    if !app.config.tls.is_on() {
        println!("Try: grpcurl -plaintext {listen} backline.v1.ServerService/GetServerInfo");
    }
    Ok(())
}

/// SIGTERM drains with notice, SIGINT (Ctrl-C) without; a second signal exits at once.
async fn stop_on_signals(drain: CancellationToken, notice: Arc<AtomicBool>) {
    let (Ok(mut term), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; stop the process by force");
        return;
    };
    tokio::select! {
        _ = term.recv() => notice.store(true, Ordering::Relaxed),
        _ = interrupt.recv() => {}
    }
    drain.cancel();
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    info!("a second signal: exiting at once");
    std::process::exit(1);
}

async fn run_worker(config: Config) -> anyhow::Result<()> {
    let app = open(config).await?;
    app.objects.must_not_refuse().await.map_err(|refused| anyhow!("{refused}"))?;
    let worker = WorkerProcess::bind(app).await?;
    println!(
        "Backline {} runs background jobs, metrics and health on {}.",
        env!("CARGO_PKG_VERSION"),
        worker.address()?
    );
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signals(stop.clone(), Arc::default()));
    worker.run(stop).await
}

async fn migrate(config: Config, check: bool) -> anyhow::Result<()> {
    let app = Box::pin(App::open(config, World::real())).await?;
    if check {
        let status = migrations::status(app.db.for_migrations()).await?;
        status.known()?;
        println!("{} to apply{}", status.pending.len(), list(&status.pending));
        return Ok(());
    }
    let applied = migrations::run(app.db.for_migrations()).await?;
    println!("{} applied{}", applied.len(), list(&applied));
    Ok(())
}

/// Each name on a line of its own.
fn list(names: &[String]) -> String {
    names.iter().flat_map(|name| ["\n  ", name]).collect()
}

async fn create_administrator(config: Config, email: &str, name: String, stdin: bool) -> anyhow::Result<()> {
    let email: EmailAddress = email.parse().context("--email")?;
    let display_name = crate::kernel::text::line(&name, 100).context("--name")?;
    let password = Password::new(&read_password(stdin)?);
    let app = open(config).await?;
    let account = admin::create_administrator(&app, NewStaff { email, password, display_name }).await?;
    println!("{} is an administrator and can sign in.", account.id);
    app.cache.close().await;
    app.db.close().await;
    Ok(())
}

async fn verify_trail(config: Config, from: i64) -> anyhow::Result<()> {
    let app = open(config).await?;
    let found = audit::verify(&app, audit::Range { from, to: None, after: None, until: None }).await?;
    app.cache.close().await;
    app.db.close().await;
    if let Some((sequence, problem)) = found.broken {
        bail!("the audit trail is broken at row {sequence}: {problem}");
    }
    let end = hex::encode(found.head_hash.as_bytes());
    println!(
        "{} rows are as they were written. The end is row {} with the hash {end}.",
        found.verified, found.head_sequence
    );
    Ok(())
}

/// The key goes to standard output alone, so that a script can keep it.
async fn create_service_account(config: Config, new: NewServiceAccount) -> anyhow::Result<()> {
    let app = open(config).await?;
    let made = service_accounts::create(&app, Principal::Operator, None, new, &()).await?;
    eprintln!("{} calls with this key, which is shown this once; it ends when its days are over:", made.account.id);
    println!("{}", made.text.expose());
    app.cache.close().await;
    app.db.close().await;
    Ok(())
}

fn read_password(from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin {
        let mut text = String::new();
        std::io::stdin().take(4096).read_to_string(&mut text).context("the password cannot be read")?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the password; give it on standard input with --password-stdin");
    }
    let password = rpassword::prompt_password("Password (15 characters or more): ")?;
    if rpassword::prompt_password("Once more: ")? != password {
        bail!("the two passwords differ");
    }
    Ok(password)
}
