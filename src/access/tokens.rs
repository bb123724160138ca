//! The file of tokens: who may ask what, without the tokens themselves.
//!
//! ```text
//! # name  SHA-256 of the token  scopes        expires (optional)
//! ci      sha256:9f86d081...    read,command  2027-01-01T00:00:00Z
//! ```

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::{Authority, Judging, Need, Scope, Verdict};
use crate::oci::{Digest, Timestamp};
use crate::reload::FromFiles;

/// Characters of a name.
const LONGEST_NAME: usize = 63;
/// Bytes of chance in a token that clade makes: nobody guesses it, so that its hash needs no salt.
const BYTES: usize = 32;
/// The beginning of a token that clade makes, by which people and scanners of secrets recognise it.
const PREFIX: &str = "clade_";

/// The tokens of a file.
#[derive(Debug)]
pub struct Tokens(HashMap<Digest, Owner>);

#[derive(Debug)]
struct Owner {
    name: String,
    scopes: BTreeSet<Scope>,
    expires: Option<Timestamp>,
}

impl Tokens {
    /// Parses a file; `path` is for messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, String> {
        let (mut tokens, mut names) = (HashMap::new(), HashMap::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digest, owner) = entry(line).map_err(|problem| format!("{path}:{number}: {problem}"))?;
            if let Some(before) = names.insert(owner.name.clone(), number) {
                return Err(format!("{path}:{number}: {} is the name of line {before} already", owner.name));
            }
            if let Some(Owner { name, .. }) = tokens.get(&digest) {
                return Err(format!(
                    "{path}:{number}: this is the token of {name} already: make another one"
                ));
            }
            tokens.insert(digest, owner);
        }
        Ok(Self(tokens))
    }

    /// Returns whether the owner of this token may do this at this time. Digests are looked up as they are: nobody can choose a token so that
    /// its digest begins as another one does.
    pub fn verdict(&self, token: &str, scope: Scope, now: Timestamp) -> Verdict {
        match self.0.get(&Digest::of(token.as_bytes())) {
            Some(Owner { expires, .. }) if expires.is_some_and(|expires| expires <= now) => Verdict::Unknown,
            Some(Owner { scopes, .. }) if scopes.contains(&scope) => Verdict::Allowed,
            Some(Owner { name, .. }) => Verdict::Forbidden(name.clone()),
            None => Verdict::Unknown,
        }
    }
}

/// The token's digest and its owner in a line.
fn entry(line: &str) -> Result<(Digest, Owner), String> {
    const FORM: &str = "a line is NAME sha256:DIGEST SCOPES [EXPIRES], as `clade token` prints it";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (name, digest, scopes, expires) = match fields[..] {
        [name, digest, scopes] => (name, digest, scopes, None),
        [name, digest, scopes, expires] => (name, digest, scopes, Some(expires)),
        // A token may stand there by mistake, and nobody should see it in a log.
        _ => return Err(format!("it has {} fields: {FORM}", fields.len())),
    };
    let digest: Digest = digest.parse().map_err(|_| format!("the second field is no digest: {FORM}"))?;
    Ok((
        digest,
        Owner { name: checked(name)?, scopes: scopes_in(scopes)?, expires: expires.map(time).transpose()? },
    ))
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "the fourth field is no time: write it as 2027-01-01T00:00:00Z".to_owned())
}

fn scopes_in(text: &str) -> Result<BTreeSet<Scope>, String> {
    let scope = |text: &str| {
        text.parse().map_err(|_| {
            "the third field is no list of scopes: there are read, command and declare".to_owned()
        })
    };
    text.split(',').map(scope).collect()
}

/// A name that can stand in the file and in messages.
fn checked(name: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    match (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_fine) {
        true => Ok(name.to_owned()),
        false => Err(format!("the name of a token has up to {LONGEST_NAME} letters, digits and ._@-")),
    }
}

/// A new token, and its line for the file.
pub struct MadeToken {
    /// The token. Nobody but its owner should have it.
    pub token: String,
    /// The line.
    pub line: String,
}

impl MadeToken {
    /// Makes one.
    pub fn new(name: &str, scopes: &[Scope], expires: Option<Timestamp>) -> Result<Self, String> {
        let name = checked(name)?;
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
        let token = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes));
        let scopes: BTreeSet<Scope> = scopes.iter().copied().collect();
        let scopes: Vec<&str> = scopes.into_iter().map(Scope::name).collect();
        let mut line = format!("{name} {} {}", Digest::of(token.as_bytes()), scopes.join(","));
        if let Some(expires) = expires {
            line += &format!(" {expires}");
        }
        Ok(Self { token, line })
    }
}

impl fmt::Debug for MadeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MadeToken").field("line", &self.line).finish_non_exhaustive()
    }
}

/// A file of tokens that is read again when it changes.
pub struct TokenFile {
    file: Arc<FromFiles<Tokens>>,
}

impl TokenFile {
    /// Reads the file.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let shown = path.display().to_string();
        let parse = move |contents: &[Vec<u8>]| {
            let text = contents.first().map(Vec::as_slice).unwrap_or_default();
            let text = std::str::from_utf8(text).map_err(|_| format!("{shown} is no text"))?;
            Tokens::parse(&shown, text)
        };
        Ok(Self { file: Arc::new(FromFiles::open(vec![path], parse)?) })
    }

    /// The file, to look at again.
    pub fn file(&self) -> Arc<FromFiles<Tokens>> {
        Arc::clone(&self.file)
    }
}

impl Authority for TokenFile {
    fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a> {
        Box::pin(async move { Ok(self.file.current().verdict(token, need.scope, Timestamp::now())) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    fn line(token: &str, rest: &str) -> String {
        format!("ci {} {rest}\n", Digest::of(token.as_bytes()))
    }

    #[test]
    fn a_token_is_good_for_its_scopes_until_it_expires() {
        let text = format!("# who may ask\n\n{}", line("sesame", "read,command 2027-01-01T00:00:00Z"));
        let tokens = Tokens::parse("tokens", &text).unwrap();
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let (before, after) = (at("2026-12-31T23:59:59Z"), at("2027-01-01T00:00:00Z"));
        for (token, scope, now, verdict) in [
            ("sesame", Scope::Read, before, Verdict::Allowed),
            ("sesame", Scope::Command, before, Verdict::Allowed),
            ("sesame", Scope::Declare, before, Verdict::Forbidden("ci".to_owned())),
            ("sesame", Scope::Read, after, Verdict::Unknown),
            ("sesam", Scope::Read, before, Verdict::Unknown),
            ("", Scope::Read, before, Verdict::Unknown),
        ] {
            assert_eq!(tokens.verdict(token, scope, now), verdict, "{token} {scope} {now}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_is_refused_with_its_place_and_without_its_content() {
        let good = line("sesame", "read");
        let digest = Digest::of(b"other").to_string();
        for (bad, told) in [
            ("ci sesame-in-the-clear read".to_owned(), "the second field is no digest"),
            (format!("{} {digest} read", "x".repeat(64)), "the name of a token"),
            (format!("other {digest} read,write"), "the third field is no list of scopes"),
            (format!("other {digest} read,"), "the third field is no list of scopes"),
            (format!("other {digest} sesame-in-the-clear"), "the third field is no list of scopes"),
            (format!("other {digest}"), "it has 2 fields"),
            (format!("other {digest} read 2027-01-01T00:00:00Z more"), "it has 5 fields"),
            (format!("other {digest} read tomorrow"), "the fourth field is no time"),
            (format!("ci {digest} read"), "ci is the name of line 1 already"),
            (good.replacen("ci", "other", 1), "this is the token of ci already"),
        ] {
            let error = Tokens::parse("/etc/tokens", &format!("{good}{bad}")).unwrap_err();
            assert!(error.starts_with("/etc/tokens:2: ") && error.contains(told), "{bad}: {error}");
            assert!(!error.contains("in-the-clear"), "{error}");
        }
    }

    #[test]
    fn a_token_that_is_made_is_known_by_its_line_and_no_two_are_alike() {
        let made = || MadeToken::new("ci", &[Scope::Declare, Scope::Read, Scope::Read], None).unwrap();
        let (one, other) = (made(), made());
        assert_ne!(one.token, other.token);
        assert!(one.line.ends_with(" read,declare") && !format!("{one:?}").contains(&one.token));
        let tokens = Tokens::parse("tokens", &one.line).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(tokens.verdict(&one.token, Scope::Declare, now), Verdict::Allowed);
        assert_eq!(tokens.verdict(&other.token, Scope::Declare, now), Verdict::Unknown);
        assert!(MadeToken::new("two words", &[Scope::Read], None).is_err());
    }
}
