use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// The background worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkConfig {
    /// Whether `serve` runs jobs itself. Turn it off where `backline work` runs on machines of its own.
    pub in_server: bool,
    /// `/livez`, `/readyz`, `/metrics` of `backline work`, which is not asked on `server.admin_listen`: both run on one
    /// machine. Keep it off the open network.
    pub admin_listen: SocketAddr,
    /// Jobs at once.
    pub concurrency: usize,
    /// How often an idle worker looks for jobs of other instances.
    #[serde(with = "humantime_serde")]
    pub poll_every: Duration,
    /// A job whose worker is silent for this long is given to another.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

impl Default for WorkConfig {
    fn default() -> Self {
        Self {
            in_server: true,
            admin_listen: (Ipv4Addr::LOCALHOST, 7072).into(),
            concurrency: 4,
            poll_every: Duration::from_secs(1),
            lease: Duration::from_mins(1),
        }
    }
}

impl Section for WorkConfig {
    const NAME: &'static str = "work";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.concurrency == 0 {
            problems.add("work.concurrency", "must be 1 or more; to run no jobs here set work.in_server = false");
        }
        if self.lease < Duration::from_secs(10) && mode != Mode::Test {
            problems.add("work.lease", "must be 10s or more, or two workers run one job");
        }
    }
}
