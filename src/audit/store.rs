//! Copies closed segments to an S3-compatible store or a folder, and reads them back.

use std::fmt;
use std::future::Future;
use std::io::{BufRead, Cursor};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::AuditError;
use super::archive::Archive;
use super::crypto::Openssl;

/// Time limit of a request. A segment has some 64 MiB.
const REQUEST: &str = "120 seconds";
/// Retries of one request, at most, and their total time, before the uploader waits and begins again.
const RETRIES: usize = 3;
const RETRY: Duration = Duration::from_secs(60);

/// A store, and the place of the trail in it. Every call blocks: call it from threads, never from async workers.
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    url: String,
    /// `Some` until the store is dropped.
    runtime: Option<Runtime>,
}

/// The result of putting a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The file is in the store.
    Done,
    /// Another file had its name, and still has.
    IsAnother,
}

impl Store {
    /// Opens `s3://BUCKET/PREFIX`, with the settings of the `AWS_…` variables, or `file:///FOLDER`. It sends no request
    /// yet.
    pub fn open(url: &str) -> Result<Self, AuditError> {
        let wrong = |problem: &dyn fmt::Display| {
            AuditError::Configuration(format!(
                "the store {url:?} cannot be used: {problem}; write s3://BUCKET/PREFIX or file:///FOLDER"
            ))
        };
        let (inner, prefix): (Arc<dyn ObjectStore>, &str) = match url.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(wrong(&"it names no bucket"));
                }
                let store = s3(bucket).map_err(|error| wrong(&error))?;
                (Arc::new(store), prefix)
            }
            Some(("file", folder)) if folder.starts_with('/') => {
                std::fs::create_dir_all(folder)
                    .map_err(|error| AuditError::file("make", FilePath::new(folder), &error))?;
                let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| wrong(&error))?;
                (Arc::new(store), "")
            }
            _ => return Err(wrong(&"no such kind of store is known")),
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Some(runtime.map_err(|error| AuditError::Thread(error.to_string()))?);
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| wrong(&error))?;
        Ok(Self { inner, prefix, url: url.to_owned(), runtime })
    }

    /// Lists the files with their sizes in bytes.
    pub(super) fn list(&self) -> Result<Vec<(String, u64)>, AuditError> {
        let listed = self.wait("list", self.inner.list_with_delimiter(Some(&self.prefix)))?;
        let name = |of: &object_store::ObjectMeta| Some((of.location.filename()?.to_owned(), of.size));
        Ok(listed.objects.iter().filter_map(name).collect())
    }

    /// Puts a file, and never replaces another.
    pub(super) fn put(&self, name: &str, content: Vec<u8>) -> Result<Put, AuditError> {
        let at = self.prefix.clone().join(name);
        let put = self.inner.put_opts(&at, content.clone().into(), PutOptions::from(PutMode::Create));
        match self.block_on(put) {
            Ok(_) => Ok(Put::Done),
            // A retried request may find the file that the first attempt wrote.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => match self.get(name)? {
                Some(there) if there == content => Ok(Put::Done),
                _ => Ok(Put::IsAnother),
            },
            // The store has no conditional requests, so look before writing.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => match self.get(name)? {
                None => {
                    self.wait("write to", self.inner.put(&at, content.into()))?;
                    Ok(Put::Done)
                }
                Some(there) if there == content => Ok(Put::Done),
                Some(_) => Ok(Put::IsAnother),
            },
            Err(error) => Err(self.failed("write to", &error)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let at = self.prefix.clone().join(name);
        let read = async { self.inner.get(&at).await?.bytes().await };
        match self.block_on(read) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    fn wait<T>(
        &self,
        tried: &str,
        what: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, AuditError> {
        self.block_on(what).map_err(|error| self.failed(tried, &error))
    }

    fn block_on<T>(&self, what: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(what),
            None => Err(Error::Generic { store: "clade", source: "the store is closed".into() }),
        }
    }

    fn failed(&self, tried: &str, error: &Error) -> AuditError {
        AuditError::Store(format!("cannot {tried} the store {}: {error}", self.url))
    }
}

fn s3(bucket: &str) -> object_store::Result<object_store::aws::AmazonS3> {
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY, ..RetryConfig::default() };
    // The environment has precedence.
    let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    if builder.get_config_value(&timeout).is_none() {
        builder = builder.with_config(timeout, REQUEST);
    }
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    // A user who names an endpoint without TLS wants it.
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    builder.with_crypto_provider(Arc::new(Openssl)).build()
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Dropping a runtime blocks, which is not allowed on the threads of another runtime.
impl Drop for Store {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A store as the source of a trail.
#[derive(Debug)]
pub struct StoreArchive(pub Store);

impl Archive for StoreArchive {
    fn name(&self) -> String {
        self.0.url.clone()
    }

    fn names(&self) -> Result<Vec<String>, AuditError> {
        Ok(self.0.list()?.into_iter().map(|(name, _)| name).collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn BufRead>, AuditError> {
        match self.0.get(name)? {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => Err(AuditError::Store(format!("{name} is gone from the store {}", self.0.url))),
        }
    }

    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError> {
        self.0.get(name)
    }
}
