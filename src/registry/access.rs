//! Authentication at a registry: user and password with each request, or a token for each repository, as the registry
//! demands.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::RegistryError;
use super::challenge::Challenge;
use super::credentials::{self, Credentials};
use crate::http::{self, RequestBuilder, StatusCode, with_causes};
use crate::oci::lenient;

/// The time that a registry or a token service has to answer. A token service may be another host than the registry.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a token service's answer, at most. No token is that long.
const LONGEST_TOKEN: usize = 1 << 20;
/// Characters of a token service's answer that an error quotes, at most: the answer may be a page for browsers.
const MOST_WORDS: usize = 200;

/// The subject of a request, as far as authentication needs it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// The list of repositories.
    Catalog,
    /// A repository.
    Repository(&'a str),
}

/// The credentials that one request carries.
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

/// The access to one registry.
pub(super) struct Access {
    http: http::Client,
    host: String,
    /// The registry's address, with scheme.
    base: String,
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

/// The facts learned so far.
#[derive(Default)]
struct Known {
    credentials: Option<Credentials>,
    /// The challenge for repositories, if the registry demands tokens.
    challenge: Option<Challenge>,
    /// `true` if the registry takes the password itself with each request.
    takes_password: bool,
    /// Tokens, by repository.
    tokens: HashMap<String, String>,
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Said {
    #[serde(default, deserialize_with = "lenient::field")]
    token: Option<String>,
    #[serde(default, deserialize_with = "lenient::field")]
    access_token: Option<String>,
}

impl Access {
    pub(super) fn new(http: http::Client, host: &str, base: &str, file: Option<PathBuf>) -> Self {
        Self { http, host: host.to_owned(), base: base.to_owned(), file, known: Mutex::default() }
    }

    /// Returns the pass for the first attempt of a request. With credentials, it first asks the registry what it
    /// demands, if that is not known yet. Without credentials, the pass is `Nothing` unless a token is known.
    pub(super) async fn pass(&self, scope: Scope<'_>) -> Result<Pass, RegistryError> {
        if let Some(pass) = self.known_pass(scope) {
            return Ok(pass);
        }
        match (self.credentials().await?, scope) {
            (Credentials::Basic(user, password), Scope::Catalog) => Ok(Pass::Password(user, password)),
            (Credentials::Basic(user, password), Scope::Repository(_)) => {
                // A registry may admit an anonymous client and show it less. A request for `/v2/` makes it say what it
                // demands.
                let known = self.known().challenge.clone();
                let wanted = match known {
                    Some(known) => Some(known),
                    None => self.greet().await?,
                };
                match wanted {
                    Some(wanted) => self.token(scope, &wanted).await,
                    None => {
                        self.known().takes_password = true;
                        Ok(Pass::Password(user, password))
                    }
                }
            }
            _ => Ok(Pass::Nothing),
        }
    }

    fn known_pass(&self, scope: Scope<'_>) -> Option<Pass> {
        let known = self.known();
        match (scope, &known.credentials) {
            (Scope::Repository(name), _) if known.tokens.contains_key(name) => {
                known.tokens.get(name).cloned().map(Pass::Token)
            }
            (Scope::Repository(_), _) if !known.takes_password => None,
            (_, Some(Credentials::Basic(user, password))) => {
                Some(Pass::Password(user.clone(), password.clone()))
            }
            _ => None,
        }
    }

    /// Returns the pass for a request that the registry has refused with this challenge.
    pub(super) async fn ask(
        &self,
        scope: Scope<'_>,
        challenge: Option<Challenge>,
    ) -> Result<Pass, RegistryError> {
        match challenge {
            Some(challenge) => self.token(scope, &challenge).await,
            None => match self.credentials().await? {
                Credentials::Basic(user, password) => Ok(Pass::Password(user, password)),
                Credentials::Anonymous => Ok(Pass::Nothing),
            },
        }
    }

    /// Asks the registry for its challenge with a request for `/v2/`. Returns `None` if it demands no token.
    async fn greet(&self) -> Result<Option<Challenge>, RegistryError> {
        let greeting = self.http.get(format!("{}/v2/", self.base)).timeout(PATIENCE).send();
        let answer = greeting.await.map_err(|error| self.unreachable(with_causes(error)))?;
        let wants = answer.status() == StatusCode::UNAUTHORIZED;
        Ok(Challenge::of(answer.headers()).filter(|_| wants))
    }

    /// Gets a token from the service that the challenge names.
    async fn token(&self, scope: Scope<'_>, challenge: &Challenge) -> Result<Pass, RegistryError> {
        let wanted = match scope {
            Scope::Repository(name) => format!("repository:{name}:pull"),
            Scope::Catalog => challenge.scope.clone().unwrap_or_else(|| "registry:catalog:*".to_owned()),
        };
        let mut parameters = vec![("scope", wanted.as_str())];
        parameters.extend(challenge.service.as_deref().map(|service| ("service", service)));
        let parameters = serde_urlencoded::to_string(parameters).unwrap_or_default();
        let joint = if challenge.realm.contains('?') { '&' } else { '?' };
        let mut request = self.http.get(format!("{}{joint}{parameters}", challenge.realm)).timeout(PATIENCE);
        if let Credentials::Basic(user, password) = self.credentials().await? {
            if !challenge.may_have_a_password(&self.base) {
                let said = format!(
                    "it wants the password at {}, where it could be read on the way",
                    challenge.realm
                );
                return Err(self.refused(scope, &said));
            }
            request = request.basic_auth(user, Some(password));
        }
        let cannot =
            |error| self.unreachable(format!("no token of {}: {}", challenge.realm, with_causes(error)));
        let mut answer = request.send().await.map_err(cannot)?;
        let (status, mut body) = (answer.status(), Vec::new());
        while let Some(piece) = answer.chunk().await.map_err(cannot)? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_TOKEN {
                let said = format!("{} gives a token of more than {LONGEST_TOKEN} bytes", challenge.realm);
                return Err(self.refused(scope, &said));
            }
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.unreachable(format!("{} answers {}", challenge.realm, status.as_u16())));
        }
        let said = serde_json::from_slice::<Said>(&body).ok().filter(|_| status.is_success());
        let token = said.and_then(|said| said.token.or(said.access_token)).filter(|token| !token.is_empty());
        let Some(token) = token else {
            let said: String = String::from_utf8_lossy(&body).trim().chars().take(MOST_WORDS).collect();
            return Err(self.refused(scope, &said));
        };
        if let Scope::Repository(name) = scope {
            let mut known = self.known();
            known.challenge = Some(challenge.clone());
            known.tokens.insert(name.to_owned(), token.clone());
        }
        Ok(Pass::Token(token))
    }

    /// Returns the error for a request that the registry refuses whatever it carries. Forgets all facts about the
    /// access, since the password may have been changed.
    pub(super) fn refused(&self, scope: Scope<'_>, said: &str) -> RegistryError {
        let Known { credentials, .. } = std::mem::take(&mut *self.known());
        let who = match (&credentials, &self.file) {
            (Some(Credentials::Basic(user, _)), Some(file)) => {
                format!("user {user:?} of {} is not accepted", file.display())
            }
            (Some(Credentials::Basic(user, _)), None) => {
                format!("user {user:?} of `docker login` is not accepted")
            }
            _ => format!(
                "it wants a user and password: `docker login {}`, or --registry-credentials FILE",
                self.host
            ),
        };
        let (to, advice) = match scope {
            Scope::Catalog if credentials.is_some_and(|found| found != Credentials::Anonymous) => (
                String::new(),
                "; or it keeps the list of its repositories to itself: name them with --registry-repository",
            ),
            Scope::Catalog => (String::new(), ""),
            Scope::Repository(name) => (format!(" to {name}"), ""),
        };
        let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
        RegistryError::Refused { host: self.host.clone(), to, problem: format!("{who}{said}{advice}") }
    }

    async fn credentials(&self) -> Result<Credentials, RegistryError> {
        if let Some(found) = &self.known().credentials {
            return Ok(found.clone());
        }
        let found = credentials::find(&self.host, self.file.as_deref()).await?;
        self.known().credentials = Some(found.clone());
        Ok(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Each assignment leaves the facts valid, so they can be used after a thread has panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreachable(&self, problem: String) -> RegistryError {
        RegistryError::Unreachable { host: self.host.clone(), problem }
    }
}
