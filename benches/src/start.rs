//! Cold start.

use std::{path::Path, time::Duration};

use crate::server::Server;

const RUNS: usize = 9;

pub async fn measure(binary: &Path) -> anyhow::Result<()> {
    let (mut empty, mut existing, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let data = tempfile::tempdir()?;
        let first = Server::start(binary, data.path()).await?;
        empty.push(first.started_in);
        first.stop().await?;
        let second = Server::start(binary, data.path()).await?;
        existing.push(second.started_in);
        tokio::time::sleep(Duration::from_secs(1)).await;
        idle.push(second.memory_kib("VmRSS")?);
        second.stop().await?;
    }
    println!("start to first call, empty data folder:    {:>6.1} ms (median of {RUNS})", ms(median(&mut empty)));
    println!("start to first call, existing data folder: {:>6.1} ms (median of {RUNS})", ms(median(&mut existing)));
    println!(
        "idle memory (RSS) after 1 s:               {:>6.1} MiB",
        f64::from(u32::try_from(median(&mut idle))?) / 1024.0
    );
    Ok(())
}

fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
