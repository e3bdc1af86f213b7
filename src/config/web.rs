use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section};
use crate::kernel::net::is_this_machine;

/// What browsers see.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebConfig {
    /// The base of links in letters and of download URLs; the listen address if unset. Also `BACKLINE_PUBLIC_URL`.
    pub public_url: Option<Url>,
    /// Where letters send people to sign in, if a web client serves that: `https://app.example.org/sign-in`. Unset, they
    /// are sent to a page of this server that names the app.
    pub sign_in_url: Option<Url>,
    /// Origins, besides our own, whose pages may call over gRPC-Web: `https://app.example.org`, without a path.
    pub allowed_origins: Vec<Url>,
}

impl Section for WebConfig {
    const NAME: &'static str = "web";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        match &self.public_url {
            Some(url) if !matches!(url.scheme(), "http" | "https") || url.query().is_some() => {
                problems.add("web.public_url", "must be an http:// or https:// address without a query");
            }
            Some(url) if mode == Mode::Production && url.scheme() != "https" => {
                problems.add("web.public_url", "must begin with https:// in production: letters link to it");
            }
            None if mode == Mode::Production => {
                problems.add("web.public_url", "must be set in production: letters link to it");
            }
            Some(url) if mode == Mode::Production && url.host_str().is_some_and(is_this_machine) => {
                problems.add("web.public_url", "must be an address that others can reach: letters link to it");
            }
            _ => {}
        }
        if let Some(url) = &self.sign_in_url
            && (!matches!(url.scheme(), "http" | "https") || mode == Mode::Production && url.scheme() != "https")
        {
            problems.add("web.sign_in_url", "must be an http:// or https:// address, in production https://");
        }
        for origin in &self.allowed_origins {
            if !matches!(origin.scheme(), "http" | "https") || origin.path() != "/" || origin.query().is_some() {
                problems.add("web.allowed_origins", format!("{origin} is not an origin: scheme, host and port only"));
            } else if origin.host_str().is_some_and(|host| host.contains('*')) {
                problems.add("web.allowed_origins", "must name each origin: a wildcard would let in strangers");
            } else if mode == Mode::Production && origin.scheme() != "https" {
                problems.add(
                    "web.allowed_origins",
                    "must begin with https:// in production: pages in the clear can be changed",
                );
            }
        }
    }
}
