//! Measures a release build of the server from outside, each figure beside a control of the same run.
//!
//! `cargo run --release -p backline-bench -- WORKLOAD`, after `cargo build --release`; `--help` lists the workloads.

mod backup;
mod figures;
mod limits;
mod login;
mod overload;
mod refresh;
mod server;
mod start;
mod timing;
mod token;
mod upload;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures the server
#[derive(Parser)]
struct Args {
    /// The server's binary
    #[arg(long, default_value = "target/release/backline")]
    server: PathBuf,
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand)]
enum Workload {
    /// Time from start to the first answered call, on an empty and on an existing data folder; idle memory
    Start,
    /// One large upload by `WriteUpload`: speed, and how much memory it takes
    Upload {
        /// Size of the file
        #[arg(long, default_value_t = 1024)]
        mib: usize,
    },
    /// Logins a second against the bare hash rate of the same machine
    Login {
        /// How long each of the two is measured
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Refreshes a second, each durable before its reply
    Refresh {
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// An empty PostgreSQL database; without it SQLite is measured
        #[arg(long)]
        database: Option<String>,
    },
    /// Logins at four times the machine's capacity: who gets in, who is refused, and what others feel of it
    Overload {
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Whether the time of a refused login tells why it was refused; fails if it does
    Timing {
        /// Refused logins of each kind
        #[arg(long, default_value_t = 2000)]
        samples: usize,
        /// An empty PostgreSQL database; without it SQLite is measured
        #[arg(long)]
        database: Option<String>,
    },
    /// What verifying one access token costs
    Token,
    /// Backup, a second backup, restore and verification
    Backup {
        #[arg(long, default_value_t = 100_000)]
        tracks: usize,
        /// Objects of a mebibyte; wants three times as much room in the folder for temporary files
        #[arg(long, default_value_t = 10)]
        objects_gib: usize,
        /// The same, in mebibytes
        #[arg(long, conflicts_with = "objects_gib")]
        objects_mib: Option<usize>,
    },
    /// What one check of a limit costs, alone and through Redis; and how soon another server knows of a change
    Limits {
        /// Changes whose way is timed
        #[arg(long, default_value_t = 100)]
        rounds: usize,
        /// A Redis to measure with; without it one is started
        #[arg(long)]
        redis: Option<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.workload {
        Workload::Start => start::measure(&args.server).await,
        Workload::Upload { mib } => upload::measure(&args.server, mib).await,
        Workload::Login { seconds } => login::measure(&args.server, seconds).await,
        Workload::Refresh { seconds, database } => refresh::measure(&args.server, seconds, database.as_deref()).await,
        Workload::Overload { seconds } => overload::measure(&args.server, seconds).await,
        Workload::Timing { samples, database } => timing::measure(&args.server, samples, database.as_deref()).await,
        Workload::Token => token::measure(&args.server).await,
        Workload::Backup { tracks, objects_gib, objects_mib } => {
            backup::measure(&args.server, tracks, objects_mib.unwrap_or(objects_gib * 1024)).await
        }
        Workload::Limits { rounds, redis } => limits::measure(&args.server, rounds, redis).await,
    }
}
