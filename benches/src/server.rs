//! A server process of one's own, on a free port and a folder that goes away.

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use backline::pb::{
    self, account_service_client::AccountServiceClient, server_service_client::ServerServiceClient,
    session_service_client::SessionServiceClient,
};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};

/// A running server.
pub struct Server {
    child: Child,
    endpoint: Endpoint,
    pub channel: Channel,
    /// From the start of the process to the first answered call.
    pub started_in: Duration,
}

pub const EMAIL: &str = "bench@example.org";
const BYSTANDER: &str = "bystander@example.org";
pub const PASSWORD: &str = "measure twice, cut once";

/// All load comes from one address and few accounts, and its limits are not what is measured.
const UNLIMITED: [&str; 9] = [
    "open_reads_per_minute",
    "costly_per_hour",
    "tries_per_minute",
    "logins_per_minute",
    "refreshes_per_minute",
    "reads_per_minute",
    "writes_per_minute",
    "chunks_per_minute",
    "transfers_per_minute",
];

impl Server {
    /// Starts `binary` on `data` and waits for the first answered call.
    pub async fn start(binary: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, data, &[]).await
    }

    /// The same with settings of the caller's, each as `key=value`.
    pub async fn start_with(binary: &Path, data: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let free = || TcpListener::bind("127.0.0.1:0")?.local_addr();
        let (listen, admin) = (free()?, free()?);
        let begun = Instant::now();
        let child = Command::new(binary)
            .args(["--listen", &listen.to_string(), "--admin-listen", &admin.to_string(), "--set", "log.filter=warn"])
            .arg("--data-dir")
            .arg(data)
            .args(UNLIMITED.iter().flat_map(|name| ["--set".to_owned(), format!("limits.{name}={}", u32::MAX)]))
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started; run cargo build --release first", binary.display()))?;
        let endpoint = Endpoint::from_shared(format!("http://{listen}"))?
            .initial_stream_window_size(4 * 1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024);
        loop {
            if let Ok(channel) = endpoint.connect().await
                && ServerServiceClient::new(channel.clone()).get_server_info(pb::GetServerInfoRequest {}).await.is_ok()
            {
                return Ok(Self { child, endpoint, channel, started_in: begun.elapsed() });
            }
            if begun.elapsed() > Duration::from_secs(20) {
                bail!("the server did not answer within 20 s");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A connection of its own.
    pub async fn connect(&self) -> anyhow::Result<Channel> {
        Ok(self.endpoint.connect().await?)
    }

    /// A line of the process's `/proc/…/status`, in KiB: `VmRSS` now, `VmHWM` at its highest.
    pub fn memory_kib(&self, line: &str) -> anyhow::Result<u64> {
        let pid = self.child.id().context("the server has stopped")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let kib = found.and_then(|rest| rest.split_whitespace().next()).context("no such line")?;
        Ok(kib.parse()?)
    }

    /// Opens the one account of most measurements, and signs in.
    pub async fn account(&self, data: &Path) -> anyhow::Result<String> {
        self.open_account(data, EMAIL).await?;
        self.login().await
    }

    /// Opens an account for whoever is not to be disturbed, and signs in.
    pub async fn second_account(&self, data: &Path) -> anyhow::Result<pb::Tokens> {
        self.open_account(data, BYSTANDER).await?;
        self.sign_in_as(BYSTANDER).await
    }

    /// Registers an address and proves its mailbox by the letter in `data`.
    async fn open_account(&self, data: &Path, email: &str) -> anyhow::Result<()> {
        let mut accounts = AccountServiceClient::new(self.channel.clone());
        accounts
            .register(pb::RegisterRequest {
                email: email.into(),
                password: PASSWORD.into(),
                display_name: "Bench".into(),
                ..Default::default()
            })
            .await?;
        let token = letter_token(&data.join("mail"), email).await?;
        accounts.verify_email(pb::VerifyEmailRequest { token, ..Default::default() }).await?;
        Ok(())
    }

    /// Signs in and returns the access token.
    pub async fn login(&self) -> anyhow::Result<String> {
        Ok(self.sign_in().await?.access_token)
    }

    /// Signs in and returns both tokens.
    pub async fn sign_in(&self) -> anyhow::Result<pb::Tokens> {
        self.sign_in_as(EMAIL).await
    }

    async fn sign_in_as(&self, email: &str) -> anyhow::Result<pb::Tokens> {
        let reply = SessionServiceClient::new(self.channel.clone())
            .login(pb::LoginRequest { email: email.into(), password: PASSWORD.into(), ..Default::default() })
            .await?
            .into_inner();
        match reply.outcome {
            Some(pb::login_response::Outcome::SignedIn(signed_in)) => signed_in.tokens.context("no tokens"),
            other => bail!("not signed in: {other:?}"),
        }
    }

    /// Stops the server as Ctrl-C does.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().context("the server has stopped")?;
        Command::new("kill").args(["-INT", &pid.to_string()]).status().await?;
        self.child.wait().await?;
        Ok(())
    }
}

/// The token of the verification letter to `email`, once it has come.
async fn letter_token(folder: &Path, email: &str) -> anyhow::Result<String> {
    for _ in 0..500 {
        let mut letters = tokio::fs::read_dir(folder).await?;
        while let Some(letter) = letters.next_entry().await? {
            let text = tokio::fs::read_to_string(letter.path()).await.unwrap_or_default();
            if text.contains(email)
                && let Some((_, rest)) = text.split_once("verify?token=")
            {
                return Ok(rest.split_whitespace().next().unwrap_or_default().to_owned());
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("no letter came")
}
