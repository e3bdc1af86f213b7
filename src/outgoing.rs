//! Calls to other people's servers: with a time limit, a limit on the answer, and no redirects.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, StatusCode, redirect::Policy};
use url::Url;

use crate::telemetry::Step;

/// Longest answer in bytes. What we ask for is far smaller.
const MAX_ANSWER: usize = 64 * 1024;

/// Makes calls. Cheap to clone; all clones share their connections.
#[derive(Clone, Default)]
pub struct Outgoing(Arc<OnceLock<Client>>);

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("the other server did not answer")]
    Silent(#[source] reqwest::Error),
    #[error("the other server's answer is too long")]
    TooLong,
}

impl Outgoing {
    /// Posts a form, and gives the answer whatever its status.
    ///
    /// # Errors
    /// When the whole answer is not here within `limit`, or is longer than 64 KiB.
    pub async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        limit: Duration,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let silent = |error: reqwest::Error| Failed::Silent(error.without_url());
        let mut request = self.client()?.post(url.clone()).form(form).timeout(limit);
        let step = Step::http(url.host_str().unwrap_or_default());
        if let Some(onward) = step.onward() {
            request = request.header("traceparent", onward.traceparent).header("x-request-id", onward.public_id);
        }
        let mut answer = step.ends(request.send().await).map_err(silent)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(silent)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Failed::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), body.freeze()))
    }

    /// Made when it is first needed: it reads the system's certificates, and most instances never call anyone.
    fn client(&self) -> Result<&Client, Failed> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = Client::builder().redirect(Policy::none()).build().map_err(Failed::Silent)?;
        Ok(self.0.get_or_init(|| client))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}
