//! The binary: arguments, logs, run.

use std::process::ExitCode;

use backline::{cli::Cli, logging};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init(&cli.log());
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
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backline: {error:#}");
            ExitCode::FAILURE
        }
    }
}
