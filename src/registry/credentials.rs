//! The credentials for a registry, from a file with user and password or from `docker login`, credential helpers
//! included.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential};

use super::RegistryError;

/// The time that a credential helper has to answer. It may ask a service far away.
const PATIENCE: Duration = Duration::from_secs(30);
/// Docker Hub's host, and its name among the logins, which has historical reasons.
const DOCKER_HUB: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// Who clade is to a registry. Printing it hides the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Nobody.
    Anonymous,
    /// User and password.
    Basic(String, String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic(user, _) => f.debug_tuple("Basic").field(user).finish(),
        }
    }
}

/// Finds the credentials for a host. The result hides the password when it is printed.
pub(super) async fn find(host: &str, file: Option<&Path>) -> Result<Credentials, RegistryError> {
    let (name, file) = (host.to_owned(), file.map(Path::to_owned));
    let reading = tokio::task::spawn_blocking(move || match file {
        Some(file) => of_file(&file),
        None => of_docker(&name),
    });
    let found = match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(found)) => found,
        Ok(Err(panicked)) => Err(panicked.to_string()),
        Err(_) => Err(format!("the credential helper did not answer within {} s", PATIENCE.as_secs())),
    };
    found.map_err(|problem| RegistryError::Refused { host: host.to_owned(), to: String::new(), problem })
}

fn of_file(path: &PathBuf) -> Result<Credentials, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    match text.trim_end_matches(['\r', '\n']).split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.contains('\n') => {
            Ok(Credentials::Basic(user.to_owned(), password.to_owned()))
        }
        _ => Err(format!("{shown} must have one line, user:password")),
    }
}

/// Returns `true` if docker has a configuration file, readable or not.
fn has_config() -> bool {
    let dir = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| std::env::home_dir().map(|home| home.join(".docker")));
    // If the check itself fails, the file counts as present.
    dir.is_some_and(|dir| dir.join("config.json").try_exists().unwrap_or(true))
}

fn of_docker(host: &str) -> Result<Credentials, String> {
    let name = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host };
    match get_credential(name) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Credentials::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(format!(
            "docker's login for {host} is an identity token, which clade cannot use: give it a user and password \
             (--registry-credentials)"
        )),
        Err(CredentialRetrievalError::ConfigReadError) if has_config() => Err(format!(
            "docker's login for {host} cannot be read: who is nobody there sees less, and what is not seen looks deleted"
        )),
        Err(
            CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError,
        ) => Ok(Credentials::Anonymous),
        // The message of a helper that does not know the host, word for word (docker-credential-helpers,
        // `IsErrCredentialsNotFound`).
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(Credentials::Anonymous)
        }
        // The error does not quote the helper's output, which may contain a secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => Err(format!("{helper} has failed")),
        Err(error) => Err(format!("docker's login for {host} cannot be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &str) -> Result<Credentials, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        of_file(&file.path().to_owned())
    }

    #[test]
    fn a_file_has_user_and_password_in_one_line() {
        let expected = Credentials::Basic("clade".to_owned(), "a:b ".to_owned());
        assert_eq!(of("clade:a:b \n"), Ok(expected));
        for wrong in ["", "clade", ":secret", "clade:a\nb"] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        assert!(!format!("{:?}", of("clade:secret")).contains("secret"));
    }
}
