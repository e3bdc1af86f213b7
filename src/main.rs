//! The binary: arguments, logs, run.

use std::process::ExitCode;

use backline::{
    cli::Cli,
    kernel::{Clock, Dice},
    logging,
    telemetry::Telemetry,
};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("backline: another TLS provider was installed first");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("backline: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let (log, telemetry) = cli.watching();
    let telemetry = Telemetry::open(&telemetry, Clock::System, Dice::System)?;
    logging::init(&log, telemetry.as_ref().map(Telemetry::layer));
    let done = Box::pin(cli.run()).await;
    if let Some(telemetry) = telemetry {
        telemetry.stop().await;
    }
    done
}
