//! The scopes of tokens, and the needs of requests.

use std::fmt;
use std::str::FromStr;

/// A use that a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Questions, subscriptions, rebuild plans.
    Read,
    /// Rebuilds, and copies of the log.
    Command,
    /// Declarations of classes and groups.
    Declare,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Read, Self::Command, Self::Declare];

    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Command => "command",
            Self::Declare => "declare",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|scope| scope.name() == text);
        known.ok_or_else(|| format!("{text:?} is no scope: there are read, command and declare"))
    }
}

/// The need of a request: of a token in a file a scope, of a user of Kubernetes the right to a verb on a resource of clade's
/// group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Need {
    /// The scope.
    pub scope: Scope,
    /// The verb, as in a Role.
    pub verb: &'static str,
    /// The resource of the group `clade.dev`, as in a Role.
    pub resource: &'static str,
}

impl Need {
    /// The need of a list that is watched.
    #[must_use]
    pub fn watch(self) -> Self {
        if self.scope == Scope::Read { Self { verb: "watch", ..self } } else { self }
    }

    /// To read.
    pub const fn read(verb: &'static str, resource: &'static str) -> Self {
        Self { scope: Scope::Read, verb, resource }
    }

    /// To command.
    pub const fn command(verb: &'static str, resource: &'static str) -> Self {
        Self { scope: Scope::Command, verb, resource }
    }

    /// To declare.
    pub const fn declare(verb: &'static str, resource: &'static str) -> Self {
        Self { scope: Scope::Declare, verb, resource }
    }
}
