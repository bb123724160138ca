//! `clade demo` and `clade generate`.

use std::path::Path;

use super::args::{DemoArgs, GenerateArgs};
use super::error::CliError;

pub(super) fn demo(_dir: &Path, _is_given: bool, _args: &DemoArgs) -> Result<(), CliError> {
    Err(CliError::Failed("being written".to_owned()))
}

pub(super) fn generate(_args: &GenerateArgs) -> Result<(), CliError> {
    Err(CliError::Failed("being written".to_owned()))
}
