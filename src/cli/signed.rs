//! Checks the signature of a file before it is imported.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::error::CliError;
use crate::audit::{PublicKey, SignatureLine};
use crate::oci::digest::Hasher;

/// Checks that each of the paths is a plain file of lines that is signed with the key.
pub(super) fn check(paths: &[PathBuf], key: &Path) -> Result<(), CliError> {
    let key = PublicKey::read(key)?;
    for path in paths {
        let refused =
            |problem: String| CliError::Failed(format!("{} is not imported: {problem}", path.display()));
        let cannot = |error: std::io::Error| refused(format!("cannot read it: {error}"));
        let file = std::fs::File::open(path).map_err(cannot)?;
        if !file.metadata().map_err(cannot)?.is_file() {
            return Err(refused(
                "it is no file; --verify-key takes files of `clade export versions`".to_owned(),
            ));
        }
        let (mut reader, mut before, mut line) = (BufReader::new(file), Hasher::default(), Vec::new());
        loop {
            let mut next = Vec::new();
            if reader.read_until(b'\n', &mut next).map_err(cannot)? == 0 {
                break;
            }
            before.update(&line);
            line = next;
        }
        let last: SignatureLine = serde_json::from_slice(&line).map_err(|_| {
            refused(
                "its last line is no signature; `clade export versions --signing-key FILE` writes one"
                    .to_owned(),
            )
        })?;
        last.check(&before.finish(), &key).map_err(refused)?;
    }
    Ok(())
}
