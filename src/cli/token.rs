//! `clade token`.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use super::args::TokenArgs;
use super::error::CliError;
use crate::access::MadeToken;

/// Makes a token. It goes into a file and not to the terminal, whose content others may see.
pub(super) fn token(args: &TokenArgs) -> Result<(), CliError> {
    let made = MadeToken::new(&args.name, &args.scope, args.expires).map_err(CliError::Usage)?;
    let cannot = |error: std::io::Error| {
        CliError::Failed(format!("cannot write the token into the new file {}: {error}", args.out.display()))
    };
    // For its owner alone, whatever the mask says.
    let mut file =
        File::options().write(true).create_new(true).mode(0o600).open(&args.out).map_err(cannot)?;
    writeln!(file, "{}", made.token).map_err(cannot)?;
    println!("{}", made.line);
    Ok(())
}
