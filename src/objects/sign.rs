//! URLs of the store's own, that let whoever has them through without asking us.

use std::time::Duration;

use object_store::signer::SignedUrlOptions;

use super::{ObjectError, ObjectKey, Objects};

/// What a download says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    pub media_type: &'a str,
    /// A `Content-Disposition`, in ASCII.
    pub disposition: &'a str,
}

impl Objects {
    /// A URL of the store's own, from which an object can be downloaded for `life`; `None` where the store has none, or
    /// none are wanted. It cannot be called back.
    ///
    /// # Errors
    /// When the keys to sign with cannot be had.
    pub async fn sign_download(
        &self,
        key: &ObjectKey,
        life: Duration,
        served: Served<'_>,
    ) -> Result<Option<String>, ObjectError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let options = SignedUrlOptions::new().with_query([
            ("response-cache-control", "private, no-store"),
            ("response-content-disposition", served.disposition),
            ("response-content-type", served.media_type),
        ]);
        let path = self.path(key);
        let url = self.step(signer.signed_url_opts(http::Method::GET, &path, life, &options)).await?;
        Ok(Some(url.into()))
    }

    /// A URL of the store's own, to which one object can be put for `life`; `None` where the store has none, or none are
    /// wanted. How much is put there nobody bounds: what was, is looked at before it counts.
    ///
    /// # Errors
    /// When the keys to sign with cannot be had.
    pub async fn sign_upload(&self, key: &ObjectKey, life: Duration) -> Result<Option<String>, ObjectError> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let path = self.path(key);
        let url = self.step(signer.signed_url(http::Method::PUT, &path, life)).await?;
        Ok(Some(url.into()))
    }
}
