//! Writes `common.bin`: reads passwords, one a line, and writes their filter. `fetch.sh` calls it; README.md says why.

use std::io::{Read, Write};

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let mut list = String::new();
    std::io::stdin().read_to_string(&mut list).context("the list on standard input")?;
    let file = backline::vault::encode_common(list.lines()).context("the list is empty")?;
    std::io::stdout().write_all(&file).context("the filter on standard output")
}
