use std::{collections::BTreeMap, time::Duration};

use object_store::{aws::AmazonS3ConfigKey, azure::AzureConfigKey, gcp::GoogleConfigKey};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Mode, Problems, Section,
    secret::{hidden, hidden_table},
};
use crate::kernel::net::is_this_machine;

/// Where the bytes of uploaded files are kept, and how the store is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// `file:///absolute/folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `memory:///`; a
    /// folder of the data folder if unset.
    pub url: Option<Url>,
    /// Where an S3-compatible store (or an emulator of the others) listens; the vendor's own address if unset.
    pub endpoint: Option<Url>,
    /// The bucket's region; `us-east-1` if unset. S3 only.
    pub region: Option<String>,
    /// Who signs: S3's access key id, or the name of Azure's storage account.
    #[serde(serialize_with = "hidden")]
    pub access_key_id: Option<SecretString>,
    /// What it is signed with: S3's secret access key, Azure's account key, or Google's service account key as JSON. With
    /// `BACKLINE_OBJECTS_SECRET_ACCESS_KEY_FILE` in a file of its own.
    #[serde(serialize_with = "hidden")]
    pub secret_access_key: Option<SecretString>,
    /// Whether the store may be spoken to without TLS.
    pub allow_http: bool,
    /// Longest time that one step may take, its retries among it: 100 ms to 1 min. A call's deadline may be sooner.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Whether clients get URLs of the bucket's own, and bytes then pass this server by. They hold until they expire: only
    /// URLs of this server can be called back. S3 and Google only.
    pub presign: bool,
    /// Further options of the object store's client, such as `aws_virtual_hosted_style_request`. They may hold secrets, so
    /// none is ever printed.
    #[serde(serialize_with = "hidden_table")]
    pub options: BTreeMap<String, SecretString>,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            url: None,
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            allow_http: false,
            timeout: Duration::from_secs(10),
            presign: false,
            options: BTreeMap::new(),
        }
    }
}

impl ObjectsConfig {
    /// What the store's client is told, as its options: our own keys first, so that those given by name win.
    pub fn client_options(&self) -> Vec<(&str, &str)> {
        let [endpoint, region, id, secret] = match self.scheme() {
            "gs" => ["google_base_url", "", "", "google_service_account_key"],
            "az" => ["azure_endpoint", "", "azure_storage_account_name", "azure_storage_account_key"],
            _ => ["aws_endpoint", "aws_region", "aws_access_key_id", "aws_secret_access_key"],
        };
        let own = [
            (endpoint, self.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/'))),
            (region, self.region.as_deref()),
            (id, exposed(self.access_key_id.as_ref())),
            (secret, exposed(self.secret_access_key.as_ref())),
            ("allow_http", self.allow_http.then_some("true")),
        ];
        let own = own.into_iter().filter_map(|(name, value)| (!name.is_empty()).then_some((name, value?)));
        own.chain(self.options.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))).collect()
    }

    fn scheme(&self) -> &str {
        self.url.as_ref().map_or("file", Url::scheme)
    }

    fn has_option(&self, names: &[&str]) -> bool {
        self.options.keys().any(|key| names.contains(&key.to_ascii_lowercase().as_str()))
    }

    fn check_endpoint(&self, problems: &mut Problems) {
        let Some(endpoint) = &self.endpoint else { return };
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.query().is_some() {
            problems.add("objects.endpoint", "must be an address such as https://s3.example.org");
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            problems.add("objects.endpoint", "must not hold who signs: write objects.access_key_id and its secret");
        }
        let may = self.allow_http || self.has_option(&["allow_http", "aws_allow_http", "azure_allow_http"]);
        if endpoint.scheme() == "http" && !may {
            problems.add("objects.endpoint", "begins with http://; if that is meant, set objects.allow_http");
        }
    }

    fn check_keys(&self, problems: &mut Problems) {
        let scheme = self.scheme();
        let (id, secret) = (self.access_key_id.is_some(), self.secret_access_key.is_some());
        if matches!(scheme, "s3" | "az") && id != secret && !(scheme == "az" && id) {
            problems.add("objects.secret_access_key", "and objects.access_key_id go together: set both or neither");
        }
        if scheme == "gs" && id {
            problems.add(
                "objects.access_key_id",
                "means nothing to gs://; write the service account's key into objects.secret_access_key",
            );
        }
        let emulated = ["use_emulator", "azure_storage_use_emulator"];
        let named = self.url.as_ref().is_some_and(|url| !url.username().is_empty())
            || self.has_option(&["account_name", "azure_storage_account_name"])
            || self.has_option(&emulated);
        if scheme == "az" && !id && !named {
            problems.add("objects.access_key_id", "must be the name of the storage account, which az:// does not tell");
        }
    }

    /// A misspelt option would be no option.
    fn check_options(&self, problems: &mut Problems) {
        let scheme = self.scheme();
        for key in self.options.keys() {
            let name = key.to_ascii_lowercase();
            let known = match scheme {
                "gs" => name.parse::<GoogleConfigKey>().is_ok(),
                "az" => name.parse::<AzureConfigKey>().is_ok(),
                "s3" => name.parse::<AmazonS3ConfigKey>().is_ok(),
                // A folder has none, and does not mind.
                _ => true,
            };
            if !known {
                problems.add(format!("objects.options.{key}"), format!("is not an option of a {scheme}:// store"));
            }
        }
    }
}

/// Whether options of a store's client lead to another machine without TLS.
pub(super) fn has_far_endpoint_in_the_clear(options: &BTreeMap<String, SecretString>) -> bool {
    options
        .values()
        .filter_map(|value| Url::parse(value.expose_secret()).ok())
        .any(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine))
}

/// Without the line break that a key from a file may end in.
fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret().trim())
}

impl Section for ObjectsConfig {
    const NAME: &'static str = "objects";
    const SECRETS: &'static [&'static str] = &["access_key_id", "secret_access_key", "options"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let near = |url: &Url| url.host_str().is_some_and(is_this_machine);
        if mode == Mode::Production && self.endpoint.as_ref().is_some_and(|url| url.scheme() == "http" && !near(url)) {
            problems.add("objects.endpoint", "must begin with https:// in production, for a store on another machine");
        }
        if mode == Mode::Production && has_far_endpoint_in_the_clear(&self.options) {
            problems.add("objects.options", "must not name an http:// endpoint on another machine in production");
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_mins(1) {
            problems.add("objects.timeout", "must be between 100ms and 1m");
        }
        self.check_endpoint(problems);
        self.check_keys(problems);
        self.check_options(problems);
        if self.presign && !matches!(self.scheme(), "s3" | "gs") {
            problems.add("objects.presign", "is for s3:// and gs:// only: no other store signs URLs that name a file");
        }
        let Some(url) = &self.url else { return };
        if !matches!(url.scheme(), "file" | "s3" | "gs" | "az" | "memory") {
            problems.add("objects.url", "must begin with file://, s3://, gs://, az:// or memory://");
        }
        if matches!(url.scheme(), "s3" | "gs" | "az") && url.host_str().is_none_or(str::is_empty) {
            problems.add("objects.url", "must name a bucket, such as s3://bucket or s3://bucket/prefix");
        }
        if url.password().is_some() || url.query().is_some() {
            problems.add("objects.url", "must not hold keys: write objects.access_key_id and its secret");
        }
        if url.scheme() == "memory" && mode == Mode::Production {
            problems.add("objects.url", "memory:// forgets every file at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> ObjectsConfig {
        ObjectsConfig { url: Some(url.parse().unwrap()), ..ObjectsConfig::default() }
    }

    fn problems(config: &ObjectsConfig) -> Vec<String> {
        let mut problems = Problems::default();
        config.check(Mode::Production, &mut problems);
        problems.iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn each_store_is_told_its_own_names_for_the_same_keys() {
        let config = ObjectsConfig {
            access_key_id: Some("id".into()),
            secret_access_key: Some("secret\n".into()),
            options: [("aws_region".to_owned(), "eu-west-1".into())].into(),
            ..at("s3://bucket/prefix")
        };
        let expected = [("aws_access_key_id", "id"), ("aws_secret_access_key", "secret"), ("aws_region", "eu-west-1")];
        assert_eq!(config.client_options(), expected);
        let config = ObjectsConfig { access_key_id: Some("account".into()), ..at("az://container") };
        assert_eq!(config.client_options(), [("azure_storage_account_name", "account")]);
        let config = ObjectsConfig { secret_access_key: Some("{}".into()), ..at("gs://bucket") };
        assert_eq!(config.client_options(), [("google_service_account_key", "{}")]);
    }

    #[test]
    fn secrets_are_neither_printed_nor_written() {
        let config = ObjectsConfig {
            access_key_id: Some("canary-id".into()),
            secret_access_key: Some("canary-secret".into()),
            options: [("aws_session_token".to_owned(), "canary-token".into())].into(),
            ..at("s3://bucket")
        };
        let printed = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!printed.contains("canary"), "{printed}");
        assert_eq!(problems(&config), [""; 0]);
    }

    #[test]
    fn what_cannot_work_is_said_before_anything_is_opened() {
        assert_eq!(problems(&at("s3://bucket/prefix")), [""; 0]);
        assert_eq!(problems(&at("gs://bucket")), [""; 0]);
        assert_eq!(problems(&at("az://container")), ["objects.access_key_id"]);
        assert_eq!(problems(&at("az://container@account")), [""; 0]);
        assert_eq!(problems(&at("ftp://host")), ["objects.url"]);
        assert_eq!(problems(&at("s3:///prefix")), ["objects.url"]);
        assert_eq!(problems(&at("s3://id:secret@bucket")), ["objects.url"]);
        let half = ObjectsConfig { access_key_id: Some("id".into()), ..at("s3://bucket") };
        assert_eq!(problems(&half), ["objects.secret_access_key"]);
        let plain = ObjectsConfig { endpoint: Some("http://127.0.0.1:9000".parse().unwrap()), ..at("s3://bucket") };
        assert_eq!(problems(&plain), ["objects.endpoint"]);
        assert_eq!(problems(&ObjectsConfig { allow_http: true, ..plain }), [""; 0]);
        let misspelt = [("aws_regoin".to_owned(), "eu".into())].into();
        let misspelt = ObjectsConfig { options: misspelt, ..at("s3://bucket") };
        assert_eq!(problems(&misspelt), ["objects.options.aws_regoin"]);
        let presigned = ObjectsConfig { presign: true, access_key_id: Some("account".into()), ..at("az://container") };
        assert_eq!(problems(&presigned), ["objects.presign"]);
    }
}
