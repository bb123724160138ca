//! Entries about classes, their versions, groups, and policies.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Known, no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::{ChainId, Digest, Platform, Timestamp};
use crate::record::catalog::Selector;
use crate::record::{
    CatalogKey, CatalogRecord, ClassRecord, GroupRecord, ObjectReference, Origin, PolicyRecord,
    RebuildPolicy, VersionRecord, decode,
};

/// The prefix of entries about versions.
pub(super) const VERSION: &str = "class.version";

/// A class, without its record counters.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Class<'a> {
    generation: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    follows: &'a ObjectReference,
    versions: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u32>,
    revision: u64,
    ready: bool,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<&'a RebuildPolicy>,
}

/// A version, with the chain ID that proves it instead of the list of layers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    number: u32,
    digest: Digest,
    #[serde(skip_serializing_if = "Origin::is_observed")]
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    images: Vec<Chain>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    digest: Digest,
    platform: Platform,
    chain_id: ChainId,
    layers: usize,
}

#[derive(Serialize)]
struct Number {
    number: u32,
}

#[derive(Serialize)]
struct Group<'a> {
    selector: &'a Selector,
}

#[derive(Serialize)]
struct Why<'a> {
    reason: &'a str,
    message: &'a str,
}

pub(super) fn entry(known: &Known, time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let key = &stored.record.key;
    let decoded = decode::<CatalogRecord>(&stored.record).map_err(|error| wrong(&error))?;
    Ok(match decoded {
        Some(CatalogRecord::ImageClass(class)) => of_class(&class, known.get(key), time),
        Some(CatalogRecord::ImageClassVersion(version)) => of_version(version, time),
        Some(CatalogRecord::ImageClassGroup(group)) => of_group(&group, known.get(key), time),
        Some(CatalogRecord::ClassPolicy(policy)) => of_policy(&policy, known.get(key), time),
        None => match CatalogKey::parse(key).ok_or_else(|| no_key(stored))? {
            CatalogKey::Class(name) => {
                Entry { class: Some(name), from: known.get(key), ..Entry::new("class.deleted", time) }
            }
            CatalogKey::Version(class, number) => Entry {
                class: Some(class),
                from: Facts::of(&Number { number }),
                ..Entry::new("class.version.deleted", time)
            },
            CatalogKey::Group(name) => {
                Entry { group: Some(name), from: known.get(key), ..Entry::new("group.deleted", time) }
            }
            CatalogKey::Policy(name) => {
                Entry { policy: Some(name), from: known.get(key), ..Entry::new("policy.deleted", time) }
            }
        },
    })
}

fn of_class(class: &ClassRecord, before: Option<Facts>, time: Timestamp) -> Entry {
    let is_new = before.is_none();
    let facts = Class {
        generation: class.generation,
        labels: &class.labels,
        follows: &class.from,
        versions: class.versions,
        current: class.current,
        revision: class.revision,
        ready: class.following.ready,
        reason: &class.following.reason,
        rebuild: class.rebuild.as_deref(),
    };
    Entry {
        class: Some(class.name.clone()),
        from: before,
        to: Facts::of(&facts),
        why: Facts::of(&Why { reason: &class.following.reason, message: &class.following.message }),
        ..Entry::new(if is_new { "class.created" } else { "class.changed" }, time)
    }
}

fn of_version(version: VersionRecord, time: Timestamp) -> Entry {
    let chain = |image: &crate::record::catalog::ImageChain| Chain {
        digest: image.digest,
        platform: image.platform.clone(),
        chain_id: image.chain_id,
        layers: image.layers.len(),
    };
    let images = version.images.iter().map(chain).collect();
    let facts = Version {
        number: version.number,
        digest: version.digest,
        origin: version.origin,
        tag: version.tag,
        since: version.since,
        images,
    };
    Entry { class: Some(version.class), to: Facts::of(&facts), ..Entry::new(VERSION, time) }
}

fn of_group(group: &GroupRecord, before: Option<Facts>, time: Timestamp) -> Entry {
    let what = if before.is_none() { "group.created" } else { "group.changed" };
    Entry {
        group: Some(group.name.clone()),
        from: before,
        to: Facts::of(&Group { selector: &group.selector }),
        ..Entry::new(what, time)
    }
}

fn of_policy(policy: &PolicyRecord, before: Option<Facts>, time: Timestamp) -> Entry {
    let kind = if before.is_none() { "policy.created" } else { "policy.changed" };
    Entry {
        policy: Some(policy.name.clone()),
        from: before,
        to: Facts::of(&policy.spec),
        ..Entry::new(kind, time)
    }
}
