//! Being let in: a user and password with each request, or a token for each repository, as the registry wants it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oci_client::client::ClientConfig;
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};

use super::{RegistryError, credentials};
use crate::http::{RequestBuilder, with_causes};

/// A token service may be another host than the registry.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much is told of what a token service says: it may be a page for browsers.
const MOST_WORDS: usize = 200;

/// What a request is about, as far as it matters for being let in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// The list of repositories.
    Catalog,
    /// A repository.
    Repository(&'a str),
}

/// What a request carries.
#[derive(Clone)]
pub(super) enum Pass {
    Nothing,
    Password(String, String),
    Token(String),
}

impl Pass {
    pub(super) fn put_on(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Nothing => request,
            Self::Password(user, password) => request.basic_auth(user, Some(password)),
            Self::Token(token) => request.bearer_auth(token),
        }
    }
}

/// How one registry lets us in.
pub(super) struct Access {
    oci: oci_client::Client,
    host: String,
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

/// What was found out so far.
#[derive(Default)]
struct Known {
    credentials: Option<RegistryAuth>,
    /// Whether the registry takes the password itself, for whatever is asked.
    takes_password: bool,
    /// Tokens, by repository.
    tokens: HashMap<String, String>,
}

impl Access {
    pub(super) fn new(
        host: &str,
        file: Option<PathBuf>,
        config: ClientConfig,
    ) -> Result<Self, RegistryError> {
        let oci = oci_client::Client::try_from(config).map_err(|error| {
            RegistryError::Config(format!("cannot make a client of {host}: {}", words(error)))
        })?;
        Ok(Self { oci, host: host.to_owned(), file, known: Mutex::default() })
    }

    /// What a request carries at first: what is known, or can be known, to be wanted. Who has no credentials carries
    /// nothing unless asked.
    pub(super) async fn pass(&self, scope: Scope<'_>) -> Result<Pass, RegistryError> {
        match self.known_pass(scope) {
            Some(pass) => Ok(pass),
            None if self.credentials().await? == RegistryAuth::Anonymous => Ok(Pass::Nothing),
            None => self.ask(scope).await,
        }
    }

    fn known_pass(&self, scope: Scope<'_>) -> Option<Pass> {
        let known = self.known();
        match (scope, &known.credentials) {
            (Scope::Repository(name), _) if known.tokens.contains_key(name) => {
                known.tokens.get(name).cloned().map(Pass::Token)
            }
            (Scope::Repository(_), _) if !known.takes_password => None,
            (_, Some(RegistryAuth::Basic(user, password))) => {
                Some(Pass::Password(user.clone(), password.clone()))
            }
            _ => None,
        }
    }

    /// Finds out what the registry wants, for a request that was refused or would be.
    pub(super) async fn ask(&self, scope: Scope<'_>) -> Result<Pass, RegistryError> {
        let credentials = self.credentials().await?;
        let password = match &credentials {
            RegistryAuth::Basic(user, password) => Pass::Password(user.clone(), password.clone()),
            _ => Pass::Nothing,
        };
        // oci-client asks for tokens of repositories only. Most registries take the password here.
        let Scope::Repository(name) = scope else { return Ok(password) };
        let repository = Reference::with_tag(self.host.clone(), name.to_owned(), "latest".to_owned());
        let asking = self.oci.auth(&repository, &credentials, RegistryOperation::Pull);
        let token = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(token)) => token,
            Ok(Err(OciDistributionError::AuthenticationFailure(problem))) => {
                return Err(self.refused(scope, &problem.trim().chars().take(MOST_WORDS).collect::<String>()));
            }
            Ok(Err(error)) => return Err(self.unreachable(words(error))),
            Err(_) => return Err(self.unreachable("it gave no token in time".to_owned())),
        };
        let mut known = self.known();
        match token {
            Some(token) => {
                known.tokens.insert(name.to_owned(), token.clone());
                Ok(Pass::Token(token))
            }
            None => {
                known.takes_password = true;
                Ok(password)
            }
        }
    }

    /// The error for what is refused whatever we carry. Everything is found out anew the next time: a password may have
    /// been changed.
    pub(super) fn refused(&self, scope: Scope<'_>, said: &str) -> RegistryError {
        let Known { credentials, .. } = std::mem::take(&mut *self.known());
        let who = match (&credentials, &self.file) {
            (Some(RegistryAuth::Basic(user, _)), Some(file)) => {
                format!("user {user:?} of {} is not accepted", file.display())
            }
            (Some(RegistryAuth::Basic(user, _)), None) => {
                format!("user {user:?} of `docker login` is not accepted")
            }
            _ => format!(
                "it wants a user and password: `docker login {}`, or --registry-credentials FILE",
                self.host
            ),
        };
        let (to, advice) = match scope {
            Scope::Catalog if credentials.is_some_and(|found| found != RegistryAuth::Anonymous) => (
                String::new(),
                "; or it keeps the list of its repositories to itself: name them with --registry-repository",
            ),
            Scope::Catalog => (String::new(), ""),
            Scope::Repository(name) => (format!(" to {name}"), ""),
        };
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        RegistryError::Refused { host: self.host.clone(), to, problem: format!("{who}{said}{advice}") }
    }

    async fn credentials(&self) -> Result<RegistryAuth, RegistryError> {
        if let Some(found) = &self.known().credentials {
            return Ok(found.clone());
        }
        let found = credentials::find(&self.host, self.file.as_deref()).await?;
        self.known().credentials = Some(found.clone());
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Each change is one assignment: what a thread that panicked has left is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, problem: String) -> RegistryError {
        RegistryError::Unreachable { host: self.host.clone(), problem }
    }
}

fn words(error: OciDistributionError) -> String {
    match error {
        OciDistributionError::RequestError(error) => with_causes(error),
        error => error.to_string(),
    }
}
