//! Tokens of other people's challenges, verified on their servers.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::error::{Rejected, VendorFault};
use crate::app::App;

/// A person waits behind the call.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Who verifies. Both speak the same protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    Turnstile,
    Hcaptcha,
}

impl Vendor {
    const fn address(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            Self::Hcaptcha => "https://api.hcaptcha.com/siteverify",
        }
    }
}

/// The part of their answer that we read.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(rename = "error-codes", default)]
    error_codes: Vec<String>,
}

/// Asks the vendor about a token; they take each token once. The person's address is not told.
pub async fn verify(app: &App, vendor: Vendor, token: &str) -> Result<Result<(), Rejected>, VendorFault> {
    let config = &app.config.challenges;
    let url = match &config.verify_url {
        Some(url) => url.clone(),
        None => Url::parse(vendor.address()).map_err(|_| VendorFault::Garbage)?,
    };
    let secret = config.secret.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let form = [("secret", secret), ("response", token), ("sitekey", config.site_key.as_str())];
    let (status, body) = app.outgoing.post_form(&url, &form, TIME_LIMIT).await?;
    // hCaptcha says with 400 what is wrong with the request; anything else that is no success is no verdict.
    if !status.is_success() && status.as_u16() != 400 {
        return Err(VendorFault::Status(status.as_u16()));
    }
    judge(&serde_json::from_slice(&body).map_err(|_| VendorFault::Garbage)?)
}

fn judge(answer: &Answer) -> Result<Result<(), Rejected>, VendorFault> {
    let says = |code: &str| answer.error_codes.iter().any(|known| known == code);
    if answer.success {
        return Ok(Ok(()));
    }
    if says("missing-input-secret") || says("invalid-input-secret") || says("sitekey-secret-mismatch") {
        return Err(VendorFault::SecretRefused);
    }
    if says("internal-error") {
        return Err(VendorFault::Garbage);
    }
    let spent =
        says("timeout-or-duplicate") || says("already-seen-response") || says("invalid-or-already-seen-response");
    let expired = says("expired-input-response");
    Ok(Err(if spent {
        Rejected::Spent
    } else if expired {
        Rejected::Expired
    } else {
        Rejected::Wrong
    }))
}
