//! A real S3 server for one test: `s3s` with its files in a folder, over a socket of its own, with keys that are checked.
//!
//! It runs on its own thread, so that it answers other processes whatever the test is doing. It can be made to fail in the
//! ways in which stores fail: away, slow, refusing writes, failing some calls.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parking_lot::Mutex;
use s3s::{
    Body, S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::S3Path,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::files::files_below;

pub const BUCKET: &str = "music";
/// Where in the bucket the server under test keeps its objects.
pub const PREFIX: &str = "backline";
pub const ACCESS_KEY_ID: &str = "AKIDTEST";
pub const SECRET_ACCESS_KEY: &str = "canary-s3-secret-2291";

/// How the store misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// Connections are taken and dropped.
    Away,
    /// Each answer comes so much later.
    Slow(Duration),
    /// Reads go on, writes are refused as by a policy of the bucket.
    ReadOnly,
    /// Every call whose number is divisible by this one fails with 503.
    Failing(u64),
}

/// A store that runs until it is dropped.
pub struct S3 {
    folder: tempfile::TempDir,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    trouble: Mutex<Trouble>,
    calls: AtomicU64,
}

impl S3 {
    /// Starts with an empty bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, stop, shared) =
            (listener.local_addr().unwrap(), CancellationToken::new(), Arc::<Shared>::default());
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        service.set_access(Policy { root: folder.path().to_owned(), shared: Arc::clone(&shared) });
        let serving = serve(listener, service.build(), Arc::clone(&shared), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serving);
        });
        Self { folder, address, shared, stop, thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings of a server that keeps its objects here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("objects.url", format!("s3://{BUCKET}/{PREFIX}")),
            ("objects.endpoint", self.endpoint()),
            ("objects.allow_http", "true".to_owned()),
            ("objects.access_key_id", ACCESS_KEY_ID.to_owned()),
            ("objects.secret_access_key", SECRET_ACCESS_KEY.to_owned()),
        ]
    }

    /// The same as the environment of a process.
    pub fn environment(&self) -> Vec<(String, String)> {
        let name = |key: &str| format!("BACKLINE_{}", key.replace('.', "_").to_uppercase());
        self.settings().into_iter().map(|(key, value)| (name(key), value)).collect()
    }

    /// From now on the store behaves like this.
    pub fn trouble(&self, trouble: Trouble) {
        *self.shared.trouble.lock() = trouble;
    }

    /// Requests that arrived so far.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Where the bucket's files lie.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// The keys of all objects of the server under test, below its prefix, in order. What it writes to see whether it may
    /// comes and goes, and is not among them.
    pub fn keys(&self) -> Vec<String> {
        let root = self.folder().join(PREFIX);
        let files = files_below(&root).into_iter();
        let keys = files.map(|file| file.strip_prefix(&root).unwrap().display().to_string());
        keys.filter(|key| key != "probe").collect()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service, shared: Arc<Shared>, stop: CancellationToken) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (service, shared) = (service.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, service.clone(), Arc::clone(&shared)));
            let served = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            // Whoever hung up knows it.
            drop(served);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    service: S3Service,
    shared: Arc<Shared>,
) -> Result<Response<Body>, std::io::Error> {
    let number = shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
    let trouble = *shared.trouble.lock();
    match trouble {
        Trouble::Away => return Err(std::io::Error::other("away")),
        Trouble::Slow(by) => tokio::time::sleep(by).await,
        Trouble::Failing(every) if number.is_multiple_of(every) => {
            let mut failed = Response::new(Body::empty());
            *failed.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(failed);
        }
        _ => {}
    }
    let answered: Result<_, Infallible> = Ok(service.call(request.map(Body::from)).await);
    match answered {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(std::io::Error::other(format!("{error:?}"))),
        Err(impossible) => match impossible {},
    }
}

/// What a bucket's owner rules.
struct Policy {
    root: PathBuf,
    shared: Arc<Shared>,
}

#[async_trait::async_trait]
impl S3Access for Policy {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "sign your request"));
        }
        // The server with files calls the object missing where the bucket is.
        if let S3Path::Object { bucket, .. } | S3Path::Bucket { bucket } = cx.s3_path()
            && !self.root.join(&**bucket).is_dir()
        {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        let reads = ["Get", "Head", "List"].iter().any(|verb| cx.s3_op().name().starts_with(verb));
        if *self.shared.trouble.lock() == Trouble::ReadOnly && !reads {
            return Err(s3_error!(AccessDenied, "this bucket is read only"));
        }
        Ok(())
    }
}
