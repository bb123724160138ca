//! Topic `rebuilds`: what is to be built again because of a class, why each of it, and how far it has come.
//!
//! A rebuild is a record, and each of its targets another: the plan is written down before anything begins, and every step
//! before it is taken. Whoever reads the topic knows what may have been done, and goes on from there.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::Selector;
use super::rebuild_policy::RebuildLimits;
use super::{State, Timestamp, Topic, Value};
use crate::oci::Digest;

/// A record of the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum RebuildsRecord {
    /// One rebuild.
    Rebuild(Box<RebuildRecord>),
    /// One of its targets.
    RebuildTarget(Box<TargetRecord>),
}

/// What a record is kept under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebuildsKey {
    /// `rebuild/ID`
    Rebuild(String),
    /// `target/ID/TARGET`
    Target(String, Target),
}

/// One rebuild: what was asked for, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuildRecord {
    /// `CLASS-NUMBER`.
    pub id: String,
    /// Counts the rebuilds of this class, from 1.
    pub number: u64,
    /// Counts the changes of this record.
    pub sequence: u64,
    /// What was asked for.
    pub request: RebuildRequest,
    /// The class as it was planned for.
    pub basis: Basis,
    /// Whether the class's policy has begun it, and nobody's command.
    #[serde(default)]
    pub automatic: bool,
    /// When it was planned.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// When this record was written.
    #[schemars(with = "String")]
    pub updated: Timestamp,
    /// How it stands.
    pub state: RebuildState,
    /// Why it stands so, for people.
    pub message: String,
    /// How many waves the plan has.
    pub waves: u32,
    /// How many targets it has, those that are left to others included.
    pub targets: u32,
    /// Who has asked for this change of it, as far as that is known; nobody, where clade has made it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// How many had failed when somebody had it go on all the same: they do not stop it again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub forgiven: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// The class when a rebuild was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The class's generation.
    pub generation: u64,
    /// Its revision: counts the moves of what it follows.
    pub revision: u64,
    /// Its current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Digest>,
    /// Since when that is current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuildRequest {
    /// What is built on an image of this class.
    pub class: String,
    /// Also what is up to date already.
    #[serde(default)]
    pub all: bool,
    /// Only BuildConfigs of this namespace, and tags of its image streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Only where the image is in this group, as `os` or `os=rhel7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only BuildConfigs with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// Tags that no BuildConfig builds are told to the sink, where one is configured.
    #[serde(default)]
    pub notify: bool,
    /// Among several rebuilds, the builds of the one with the higher priority begin first.
    #[serde(default)]
    pub priority: i32,
    /// What it keeps to.
    #[serde(default)]
    pub limits: RebuildLimits,
    /// Why, in the words of who asks: it stands on every build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asks, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// How a rebuild stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RebuildState {
    /// Builds begin as its limits allow.
    Running,
    /// Somebody has paused it: what runs goes on, nothing begins.
    Paused,
    /// Too many targets have failed: what runs goes on, nothing begins until it is resumed.
    Stopped,
    /// Somebody has cancelled it: nothing begins any more.
    Cancelled,
    /// Nothing is left to do.
    Finished,
}

/// What is to be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Target {
    /// A BuildConfig.
    BuildConfig {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A tag, by its full name, that somebody else has to build.
    Tag(String),
}

/// One target of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRecord {
    /// The rebuild.
    pub rebuild: String,
    /// What is to be rebuilt.
    pub target: Target,
    /// Counts the changes of this record.
    pub sequence: u64,
    /// Its wave, from 1; 0 is that of what the plan had found to be impossible.
    pub wave: u32,
    /// Who begins the build.
    pub action: Action,
    /// Why it is rebuilt.
    pub reason: Reason,
    /// The targets of this rebuild that it is built on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Target>,
    /// Those of them whose pushes begin its build, by its ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Target>,
    /// The tag that it pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// How it stands.
    pub state: TargetState,
    /// Why it stands so, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How many builds were begun for it.
    #[serde(default)]
    pub attempts: u32,
    /// The BuildConfig's `status.lastVersion` when the last of them was begun. The API server takes only one request that
    /// names it, so that a build of which nobody knows whether it was begun is not begun twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_version: Option<u64>,
    /// The Build object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// When the last of them was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// When the API server was last asked to begin it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub requested: Option<Timestamp>,
    /// The number of the last build that was found wanting: what is looked for is a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    /// Not to be tried again before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Timestamp>,
}

/// Who begins a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// clade instantiates the BuildConfig.
    Build,
    /// An ImageChange trigger does, once its image is there; clade waits for that build.
    Trigger,
    /// Whoever listens to the sink; clade waits until the tag is up to date.
    Notify,
}

/// Why a target is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// What it is built on and in the class by: a tag or an image.
    pub input: String,
    /// The base version that its image is built on now, where it has one in the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
    /// Whether that is current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// In words.
    pub message: String,
}

/// How a target stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetState {
    /// Its turn has not come, or it is to be tried again.
    Waiting,
    /// A build is being begun: it is not known yet whether it was.
    Starting,
    /// It is being built.
    Running,
    /// It was built.
    Succeeded,
    /// It could not be built.
    Failed,
    /// It was not built, for the reason told.
    Skipped,
}

impl TargetState {
    /// Whether nothing will happen to it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

impl RebuildState {
    /// Whether nothing will begin any more, whatever is asked.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }
}

impl fmt::Display for RebuildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl fmt::Display for TargetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// `buildconfig/NAMESPACE/NAME` or `tag/NAME`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuildConfig { namespace, name } => write!(f, "buildconfig/{namespace}/{name}"),
            Self::Tag(name) => write!(f, "tag/{name}"),
        }
    }
}

impl Target {
    /// The namespace in which it is built: of a tag, that of its image stream.
    pub fn namespace(&self) -> &str {
        match self {
            Self::BuildConfig { namespace, .. } => namespace,
            Self::Tag(name) => name.rsplit_once('/').map_or("", |(namespace, _)| namespace),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("tag", name) => Some(Self::Tag(name.to_owned())),
            ("buildconfig", name) => {
                let (namespace, name) = name.split_once('/')?;
                Some(Self::BuildConfig { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => None,
        }
    }
}

impl RebuildsRecord {
    /// What it is kept under.
    pub fn key(&self) -> RebuildsKey {
        match self {
            Self::Rebuild(of) => RebuildsKey::Rebuild(of.id.clone()),
            Self::RebuildTarget(of) => RebuildsKey::Target(of.rebuild.clone(), of.target.clone()),
        }
    }
}

impl RebuildsKey {
    /// Reads a key back; `None` for one that is none.
    pub fn parse(key: &str) -> Option<Self> {
        match key.split_once('/')? {
            ("rebuild", id) => Some(Self::Rebuild(id.to_owned())),
            ("target", rest) => {
                let (id, target) = rest.split_once('/')?;
                Some(Self::Target(id.to_owned(), Target::parse(target)?))
            }
            _ => None,
        }
    }
}

impl fmt::Display for RebuildsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuild(id) => write!(f, "rebuild/{id}"),
            Self::Target(id, target) => write!(f, "target/{id}/{target}"),
        }
    }
}

impl Value for RebuildsRecord {
    const TOPIC: Topic = Topic::Rebuilds;
    const TYPE: &'static str = "dev.clade.rebuild.v1";
    fn id(&self, _: &[u8]) -> String {
        let sequence = match self {
            Self::Rebuild(of) => of.sequence,
            Self::RebuildTarget(of) => of.sequence,
        };
        format!("{}@{sequence}", self.key())
    }
}
