//! Topic `rebuilds`: rebuilds of a class, their targets with the reasons, and the state of each.
//!
//! A rebuild is a record, and each of its targets is another. clade writes the plan down before it begins anything, and
//! each step before it takes the step. So a reader of the topic knows which steps may have been taken, and goes on from
//! there.

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

/// The key of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RebuildsKey {
    /// `rebuild/ID`
    Rebuild(String),
    /// `target/ID/TARGET`
    Target(String, Target),
}

/// One rebuild: the request and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuildRecord {
    /// `CLASS-NUMBER`.
    pub id: String,
    /// Counts the rebuilds of the class, from 1.
    pub number: u64,
    /// Change counter of this record.
    pub sequence: u64,
    /// The request.
    pub request: RebuildRequest,
    /// The class as it was when clade planned the rebuild.
    pub basis: Basis,
    /// `true` if the rebuild policy of the class began the rebuild, and not a command.
    #[serde(default)]
    pub automatic: bool,
    /// The time of the plan.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// The time of this record.
    #[schemars(with = "String")]
    pub updated: Timestamp,
    /// The state of the rebuild.
    pub state: RebuildState,
    /// The reason for the state, for people.
    pub message: String,
    /// The number of waves in the plan.
    pub waves: u32,
    /// The number of targets, including those that clade leaves to others.
    pub targets: u32,
    /// The user who asked for this change, if known. Absent if clade made the change by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// The number of failed targets when somebody resumed the rebuild. These failures do not stop it again.
    #[serde(default, skip_serializing_if = "is_none")]
    pub forgiven: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

/// The class at the time of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basis {
    /// The generation of the class.
    pub generation: u64,
    /// The revision of the class, which counts the moves of the followed tag.
    pub revision: u64,
    /// The current version of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Digest>,
    /// The time at which that version became current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
}

/// The request for a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebuildRequest {
    /// The class. The rebuild covers images that are built on an image of this class.
    pub class: String,
    /// `true` to rebuild images that are already current as well.
    #[serde(default)]
    pub all: bool,
    /// Limits the rebuild to BuildConfigs of this namespace and tags of its image streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Limits the rebuild to images in this group, as `os` or `os=rhel7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Limits the rebuild to BuildConfigs with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// `true` to notify the sink, if one is configured, of tags that no BuildConfig builds.
    #[serde(default)]
    pub notify: bool,
    /// The priority. Among several rebuilds, the builds of the one with the higher priority begin first.
    #[serde(default)]
    pub priority: i32,
    /// The limits.
    #[serde(default)]
    pub limits: RebuildLimits,
    /// The reason in the words of the requester. clade writes it on every build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The requester, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// The state of a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RebuildState {
    /// clade starts builds as the limits allow.
    Running,
    /// Somebody has paused the rebuild. Running builds go on; clade starts no other.
    Paused,
    /// Too many targets have failed. Running builds go on; clade starts no other until the rebuild is resumed.
    Stopped,
    /// Somebody has cancelled the rebuild. clade starts no further build.
    Cancelled,
    /// No target is left to build.
    Finished,
}

/// The target of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Target {
    /// A BuildConfig.
    BuildConfig {
        /// The namespace.
        namespace: String,
        /// The name.
        name: String,
    },
    /// A tag, by its full name, that somebody other than clade has to build.
    Tag(String),
}

/// One target of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRecord {
    /// The rebuild.
    pub rebuild: String,
    /// The BuildConfig or tag to rebuild.
    pub target: Target,
    /// Change counter of this record.
    pub sequence: u64,
    /// The wave, from 1. Targets that the plan found impossible have wave 0.
    pub wave: u32,
    /// The party that starts the build.
    pub action: Action,
    /// The reason for the rebuild.
    pub reason: Reason,
    /// The targets of this rebuild that this target is built on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Target>,
    /// Those of them whose pushes start this build, through ImageChange triggers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Target>,
    /// The tag that the build pushes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The state of the target.
    pub state: TargetState,
    /// The reason for the state, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The number of builds that were started for the target.
    #[serde(default)]
    pub attempts: u32,
    /// The `status.lastVersion` of the BuildConfig when the last build was started. The API server accepts only one
    /// request that names it. So a build that may or may not have been started is not started twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_version: Option<u64>,
    /// The name of the Build object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The time at which the last build was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// The time at which that build ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// The time of the last request to the API server to start the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub requested: Option<Timestamp>,
    /// The number of the last build that did not serve. clade looks for a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    /// The earliest time of the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub not_before: Option<Timestamp>,
}

/// The party that starts a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// clade instantiates the BuildConfig.
    Build,
    /// An ImageChange trigger starts the build once its image has moved; clade waits for that build.
    Trigger,
    /// The receiver behind the sink starts the build; clade waits until the tag is current.
    Notify,
}

/// The reason why a target is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The tag or image through which the target is built on the class.
    pub input: String,
    /// The base version that its image is built on now, if that image is in the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
    /// The state of that base version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The reason in words.
    pub message: String,
}

/// The state of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetState {
    /// The target waits for its turn or for another attempt.
    Waiting,
    /// clade is starting a build and does not know yet whether it was started.
    Starting,
    /// The build is running.
    Running,
    /// The build succeeded.
    Succeeded,
    /// The build failed.
    Failed,
    /// The target was not built, for the reason in its message.
    Skipped,
}

impl TargetState {
    /// Returns `true` if the state of the target will not change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped)
    }
}

impl RebuildState {
    /// Returns `true` if no further build can begin, whatever is requested.
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
    /// Returns the namespace of the build. For a tag, it is the namespace of the image stream.
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
    /// The key of the record.
    pub fn key(&self) -> RebuildsKey {
        match self {
            Self::Rebuild(of) => RebuildsKey::Rebuild(of.id.clone()),
            Self::RebuildTarget(of) => RebuildsKey::Target(of.rebuild.clone(), of.target.clone()),
        }
    }
}

impl RebuildsKey {
    /// Parses a key. Returns `None` for a text that is no key of the topic.
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
