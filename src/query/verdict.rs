//! Judges pods by class policies, from what the index knows of their images.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Query;
use super::claims::{versions_at, versions_of};
use super::items::standings;
use super::pulled::Pulled;
use crate::class::Catalog;
use crate::oci::{Digest, LayerChain, LayerIdentity, Platform, Reference, Timestamp};
use crate::policy::{
    Behind, Circumstances, Claimed, ImageFacts, KnownImage, NodePlatform, PodVerdict, Standing, Subject,
    judge, matches,
};
use crate::record::image::Evidence;
use crate::record::policy::{ClassPolicy, PolicyRecord, Proof};
use crate::record::{Claim, Membership, Origin, State, VersionRecord};
use crate::shard::{ImageView, Shard};

/// Images of one tag or index that are judged, at most. The others count as unknown.
const MOST_PLATFORMS: usize = 100;

/// A question: may this pod run?
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictRequest {
    /// The pod.
    pub pod: Subject,
    /// The policies to judge it by, instead of those that are declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub policies: Option<Vec<NamedPolicy>>,
    /// Images that clade may not have seen: it judges a container that names one by these layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub images: Vec<Unseen>,
}

/// A policy of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedPolicy {
    /// The name.
    pub name: String,
    /// The declaration.
    pub spec: ClassPolicy,
}

/// An image that the one who asks has, by its layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unseen {
    /// The image as the container names it.
    pub image: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its platform.
    pub platform: Platform,
    /// Its layers, base first, by their diff IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff_ids: Vec<Digest>,
    /// Its layers, base first, as they are stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Digest>,
}

impl Query {
    /// The declaration of a policy.
    pub fn policy(&self, name: &str) -> Option<ClassPolicy> {
        // A view has a partition at least, and each has the whole catalog.
        let catalog = self.shards().next().map(Shard::catalog)?;
        catalog.policy(name).map(|policy| policy.spec.clone())
    }

    /// The verdict on a pod at this time, from answers that are so far behind. The error says what is wrong with the question.
    pub fn verdict(
        &self,
        request: &VerdictRequest,
        now: Timestamp,
        behind: Behind,
    ) -> Result<PodVerdict, String> {
        let asked = Asked::new(self, request.policies.as_deref(), now, behind)?;
        let pod = &request.pod;
        let platform = pod.platform.clone().unwrap_or_default();
        let with_claims = asked.counts_claims(pod);
        let facts = pod.containers.iter().map(|container| {
            let unseen: Vec<&Unseen> =
                request.images.iter().filter(|image| image.image == container.image).collect();
            if unseen.is_empty() {
                self.facts(&container.image, &platform, with_claims)
            } else {
                foreign_facts(asked.catalog, &container.image, &unseen)
            }
        });
        let facts: Vec<ImageFacts> = facts.collect();
        Ok(asked.judge(pod, &facts))
    }

    /// The facts about the image that a pod names so, on a node of this platform.
    fn facts(&self, image: &str, node: &NodePlatform, with_claims: bool) -> ImageFacts {
        let reference: Reference = match image.parse() {
            Ok(reference) => reference,
            Err(error) => {
                let problem = Some(format!("the name of the image cannot be read: {error}"));
                return ImageFacts { problem, ..ImageFacts::default() };
            }
        };
        let may_run = |platform: &Platform| node.may_run(platform);
        let is_node_known = node.os.is_some() && node.architecture.is_some();
        let (pulled, digest) = match (reference.digest, self.pulled_tag(&reference)) {
            (Some(digest), _) => (self.pulled_by_digest(digest, may_run, is_node_known), digest),
            (None, Some(tag)) => (self.pulled_by_tag(tag, may_run), tag.digest),
            (None, None) => {
                let tag = reference.tag.as_deref().unwrap_or("latest");
                let problem = Some(format!("clade has not seen the tag {tag} of {}", reference.repository));
                return ImageFacts { repository: reference.repository, problem, ..ImageFacts::default() };
            }
        };
        let nothing = pulled == Pulled::default();
        ImageFacts {
            repository: reference.repository,
            digest: Some(digest),
            problem: nothing.then(|| "the image has no variant for the platform of the node".to_owned()),
            ..self.pulled_facts(&pulled, with_claims)
        }
    }

    /// The facts about images, of the first hundred; the others count as unknown.
    pub(super) fn pulled_facts(&self, pulled: &Pulled, with_claims: bool) -> ImageFacts {
        let (judged, others) = pulled.known.split_at(pulled.known.len().min(MOST_PLATFORMS));
        let known = judged.iter().filter_map(|digest| {
            let shard = self.holding(digest)?;
            Some(self.known(shard, &shard.image(digest)?, with_claims))
        });
        ImageFacts {
            known: known.collect(),
            unknown: pulled.unseen.iter().chain(others).copied().collect(),
            ..ImageFacts::default()
        }
    }

    fn known(&self, shard: &Shard, image: &ImageView<'_>, with_claims: bool) -> KnownImage {
        let memberships = standings(shard, image).into_iter().map(|of| Standing {
            proven: of.origin != Origin::Claimed || shard.has_proven_version(image, &of.name),
            class: of.name,
            state: of.state,
            version: of.version,
            current: of.current,
            outdated_since: of.outdated_since,
            nearest: of.nearest,
        });
        let believable = image
            .claims
            .iter()
            .filter(|_| with_claims)
            .filter(|claim| self.by_layers(claim, shard, image) != "not-proven");
        let claims = believable.flat_map(|claim| claimed(shard, claim, &image.platform));
        KnownImage { digest: image.digest, memberships: memberships.collect(), claims: claims.collect() }
    }
}

/// The policies and circumstances of a question.
pub(super) struct Asked<'q> {
    catalog: &'q Catalog,
    policies: Vec<Arc<PolicyRecord>>,
    now: Timestamp,
    behind: Behind,
}

impl<'q> Asked<'q> {
    /// With these policies, or else the declared ones. The error says which of them is wrong.
    pub(super) fn new(
        query: &'q Query,
        given: Option<&[NamedPolicy]>,
        now: Timestamp,
        behind: Behind,
    ) -> Result<Self, String> {
        // A view has a partition at least, and each has the whole catalog.
        let catalog = query.shards().next().map(Shard::catalog).ok_or("this clade has no partition")?;
        let record = |(at, NamedPolicy { name, spec }): (usize, &NamedPolicy)| {
            spec.check().map_err(|problem| format!("policies[{at}] {name:?}: {problem}"))?;
            Ok(Arc::new(PolicyRecord { name: name.clone(), sequence: 0, spec: spec.clone() }))
        };
        let policies = match given {
            Some(given) => given.iter().enumerate().map(record).collect::<Result<Vec<_>, String>>()?,
            None => catalog.policies().cloned().collect(),
        };
        Ok(Self { catalog, policies, now, behind })
    }

    /// The names of the policies.
    pub(super) fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|policy| policy.name.as_str())
    }

    /// Returns `true` if a policy that judges this pod counts claims, which take long to compare.
    pub(super) fn counts_claims(&self, pod: &Subject) -> bool {
        self.policies
            .iter()
            .map(|policy| &policy.spec)
            .any(|policy| policy.require.proof == Proof::Claims && matches(policy, pod))
    }

    pub(super) fn judge(&self, pod: &Subject, facts: &[ImageFacts]) -> PodVerdict {
        self.judge_at(self.now, pod, facts)
    }

    /// The same at another time.
    pub(super) fn judge_at(&self, now: Timestamp, pod: &Subject, facts: &[ImageFacts]) -> PodVerdict {
        let Self { catalog, behind, .. } = *self;
        judge(self.policies.iter().map(AsRef::as_ref), pod, facts, Circumstances { catalog, now, behind })
    }
}

/// The versions of classes that a claim names.
fn claimed(shard: &Shard, claim: &Claim, platform: &Platform) -> Vec<Claimed> {
    if claim.evidence == Evidence::ChainLabel {
        return Vec::new();
    }
    let named = claim.target();
    let digest = claim.digest.as_ref().and_then(|digest| digest.parse().ok());
    let digest = digest.or(named.as_ref().and_then(|(_, digest)| *digest));
    let tag = named.map(|(tag, _)| tag).unwrap_or_default();
    let (versions, is_by_digest) = match digest {
        Some(digest) => (versions_at(shard, digest), true),
        None => (versions_of(shard, &tag), false),
    };
    let mut claimed: Vec<Claimed> = Vec::new();
    for version in versions {
        let Some(class) = shard.catalog().class(&version.class) else { continue };
        let is_current = is_by_digest && class.record.current == Some(version.number);
        let replaced = || class.replaced(&version.image_for(platform)?, platform);
        let outdated_since =
            (is_by_digest && !is_current).then(replaced).flatten().map(|replaced| replaced.outdated_since);
        match claimed.iter_mut().find(|of| of.class == version.class) {
            // The same image may be a version more than once.
            Some(of) if is_current => *of = Claimed { is_current, outdated_since: None, ..of.clone() },
            Some(of) => of.outdated_since = of.outdated_since.max(outdated_since),
            None => claimed.push(Claimed { class: version.class.clone(), is_current, outdated_since }),
        }
    }
    claimed
}

/// The facts about images that no source has reported, from their layers.
fn foreign_facts(catalog: &Catalog, image: &str, unseen: &[&Unseen]) -> ImageFacts {
    let reference = image.parse::<Reference>();
    let known = unseen.iter().map(|unseen| {
        let chains = [
            LayerChain::new(LayerIdentity::DiffId, unseen.diff_ids.iter().copied()),
            LayerChain::new(LayerIdentity::Blob, unseen.blobs.iter().copied()),
        ];
        let is_proven = |version: &VersionRecord| version.origin != Origin::Claimed;
        let proven = catalog.memberships_of(&chains, &unseen.platform, is_proven);
        let members = catalog.memberships_of(&chains, &unseen.platform, |_| true);
        let standing = |member: Membership| {
            let class = catalog.class(&member.name);
            let replaced = class.and_then(|class| class.replaced(&member.version, &unseen.platform));
            Standing {
                proven: proven.iter().any(|of| of.name == member.name),
                state: member.state,
                version: member.version,
                current: class.and_then(|class| class.current_for(&unseen.platform)),
                outdated_since: replaced
                    .filter(|_| member.state == State::Outdated)
                    .map(|replaced| replaced.outdated_since),
                nearest: member.nearest,
                class: member.name,
            }
        };
        KnownImage {
            digest: unseen.digest,
            memberships: members.into_iter().map(standing).collect(),
            claims: Vec::new(),
        }
    });
    let digest = if let [one] = unseen { Some(one.digest) } else { None };
    let repository = reference.map(|reference| reference.repository).unwrap_or_default();
    ImageFacts { repository, digest, known: known.collect(), ..ImageFacts::default() }
}
