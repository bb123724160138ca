//! Reads secrets from files: tokens, and keys for signatures.

use std::path::Path;

use super::error::CliError;

/// Reads the secret in a file, without the white space around it. `what` names it in the error, as "the token".
pub(super) fn read(what: &str, path: &Path) -> Result<String, CliError> {
    let wrong = |problem: String| CliError::Failed(format!("{what} in {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("the file is empty".to_owned())),
        secret => Ok(secret.to_owned()),
    }
}
