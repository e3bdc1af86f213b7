//! Opening the store that the configuration names.

use std::{path::Path as Folder, sync::Arc, time::Duration};

use anyhow::Context;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, local::LocalFileSystem, memory::InMemory, path::Path, signer::Signer,
};
use url::Url;

use super::client::Connector;
use crate::config::Config;

/// How long finding the way to a store may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A store and what this machine knows of it.
pub(super) struct Opened {
    pub store: Arc<dyn ObjectStore>,
    pub prefix: Path,
    /// The folder, if the store is one on this machine.
    pub folder: Option<Arc<Folder>>,
    /// Who signs URLs of the store's own, if the settings want such.
    pub signer: Option<Arc<dyn Signer>>,
}

macro_rules! build {
    ($builder:ty, $url:expr, $config:expr) => {{
        let builder = <$builder>::new()
            .with_url($url.as_str())
            .with_client_options(client($config.objects.timeout))
            .with_http_connector(Connector::default())
            .with_retry(retries($config.objects.timeout));
        let options = $config.objects.client_options().into_iter();
        let builder = options.fold(builder, |builder, (name, value)| match name.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            // The configuration has refused those.
            Err(_) => builder,
        });
        builder.build()
    }};
}

/// Opens the store. Nothing is sent to it yet.
///
/// # Errors
/// One sentence: a folder that cannot be written, a URL or options that are malformed.
pub(super) fn open(config: &Config) -> anyhow::Result<Opened> {
    let url = config.objects_url();
    let url = Url::parse(&url).with_context(|| format!("objects.url: {url} is not a URL"))?;
    let told = || format!("the object store {url} cannot be opened; correct objects.url and the settings beside it");
    let prefix = Path::from_url_path(url.path()).with_context(told)?;
    let opened = match url.scheme() {
        "file" => return folder(&url),
        "memory" => Opened { store: Arc::new(InMemory::new()), prefix: Path::default(), folder: None, signer: None },
        "s3" => {
            let store = Arc::new(build!(AmazonS3Builder, url, config).with_context(told)?);
            Opened { store: Arc::clone(&store) as _, prefix, folder: None, signer: Some(store) }
        }
        "gs" => {
            let store = Arc::new(build!(GoogleCloudStorageBuilder, url, config).with_context(told)?);
            Opened { store: Arc::clone(&store) as _, prefix, folder: None, signer: Some(store) }
        }
        _ => {
            let store = build!(MicrosoftAzureBuilder, url, config).with_context(told)?;
            Opened { store: Arc::new(store), prefix, folder: None, signer: None }
        }
    };
    let signer = opened.signer.filter(|_| config.objects.presign);
    Ok(Opened { signer, ..opened })
}

fn folder(url: &Url) -> anyhow::Result<Opened> {
    let folder = url.to_file_path().ok().with_context(|| format!("objects.url: {url} is not a folder"))?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("the folder {} cannot be made; is it writable?", folder.display()))?;
    let local = LocalFileSystem::new_with_prefix(&folder)
        .with_context(|| format!("the folder {} cannot be opened", folder.display()))?
        .with_fsync(true);
    Ok(Opened { store: Arc::new(local), prefix: Path::default(), folder: Some(folder.into()), signer: None })
}

/// No limit on a whole transfer, which may be long and fine; one on every wait within it.
fn client(timeout: Duration) -> ClientOptions {
    ClientOptions::new().with_timeout_disabled().with_read_timeout(timeout).with_connect_timeout(timeout.min(CONNECT))
}

/// Many small attempts within the time that one step may take: a store that fails three calls in ten is ridden out.
fn retries(timeout: Duration) -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(50), max_backoff: Duration::from_secs(2), base: 2.0 };
    RetryConfig { backoff, max_retries: 10, retry_timeout: timeout }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ObjectsConfig;

    fn opened(objects: ObjectsConfig) -> anyhow::Result<Opened> {
        // The client wants one, whatever it speaks to. Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        open(&Config { objects, ..Config::default() })
    }

    fn at(url: &str) -> ObjectsConfig {
        ObjectsConfig { url: Some(url.parse().unwrap()), ..ObjectsConfig::default() }
    }

    #[test]
    fn stores_of_google_and_azure_are_set_up_by_url_and_keys() {
        let options = [("google_bearer_token".to_owned(), "token".into())].into();
        let google = ObjectsConfig { options, ..at("gs://bucket/a/b") };
        let google = opened(google).unwrap();
        assert_eq!((google.store.to_string().as_str(), google.prefix.as_ref()), ("GoogleCloudStorage(bucket)", "a/b"));
        assert!(google.signer.is_none(), "nobody asked for URLs of its own");

        let (id, secret) = (Some("account".into()), Some("c2VjcmV0".into()));
        let azure = ObjectsConfig { access_key_id: id, secret_access_key: secret, ..at("az://container/a") };
        let azure = opened(azure).unwrap();
        assert_eq!(azure.prefix.as_ref(), "a");
        assert!(azure.store.to_string().contains("container"), "{}", azure.store);
    }

    #[test]
    fn the_old_spelling_by_options_alone_goes_on() {
        let options = [
            ("aws_access_key_id", "id"),
            ("aws_secret_access_key", "secret"),
            ("AWS_REGION", "eu-west-1"),
            ("aws_endpoint", "http://127.0.0.1:1"),
            ("aws_allow_http", "true"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.into())).into();
        let store = opened(ObjectsConfig { options, presign: true, ..at("s3://bucket") }).unwrap();
        assert!(store.signer.is_some());
    }

    #[test]
    fn what_is_missing_is_told_in_one_sentence() {
        let refused = |objects| format!("{:#}", opened(objects).err().unwrap());
        let told = refused(at("az://container"));
        assert!(told.contains("az://container cannot be opened") && told.contains("Account"), "{told}");
        let told = refused(ObjectsConfig { secret_access_key: Some("canary".into()), ..at("s3://bucket") });
        assert!(told.contains("s3://bucket cannot be opened") && told.contains("AccessKeyId"), "{told}");
        assert!(!told.contains("canary"), "{told}");
        let told = refused(ObjectsConfig { secret_access_key: Some("canary".into()), ..at("gs://bucket") });
        assert!(told.contains("gs://bucket cannot be opened") && !told.contains("canary"), "{told}");
    }
}
