//! Defines the records of the log, one file per topic: keys, values, headers and versions. It does no I/O.
//!
//! Values are JSON. Their attributes are CloudEvents in the Kafka binding's binary mode (`ce_…` headers), so that any
//! CloudEvents library can subscribe. `ce_type` ends in the version of the format; a reader ignores fields that it does
//! not know and refuses versions that it does not know.

pub mod admission;
pub mod build_config;
pub mod catalog;
pub mod classification;
pub mod dead_letter;
pub mod decision;
pub mod image;
pub mod outdated;
pub mod policy;
pub mod progress;
pub mod rebuild;
pub mod rebuild_policy;
pub mod tag;
pub mod topic;
pub mod version;
pub mod workload;

mod common;
mod envelope;
mod header;
mod partition;
mod reference;
mod shared;
pub(crate) mod strict;
mod trace;

pub use admission::AdmissionRecord;
pub use build_config::BuildConfigRecord;
pub use catalog::{CatalogKey, CatalogRecord, ClassRecord, GroupRecord};
pub use classification::{ClassificationRecord, Membership, State};
pub use common::Common;
pub use dead_letter::DeadLetterRecord;
pub use decision::DecisionRecord;
pub use envelope::{DecodeError, Record, Value, decode, encode, has_type, tombstone, type_and_version};
pub use header::Header;
pub use image::{Claim, ImageRecord, Layer};
pub use outdated::TransitionRecord;
pub use partition::partition_of;
pub use policy::{ClassPolicy, PolicyRecord};
pub use progress::{Life, ProgressRecord};
pub use rebuild::{RebuildRecord, RebuildsKey, RebuildsRecord, Target, TargetRecord};
pub use rebuild_policy::{RebuildLimits, RebuildPolicy, RebuildTrigger};
pub use reference::{ObjectReference, ReferenceKind, Referenced};
pub use shared::header;
pub use tag::{
    INTERNAL_REGISTRIES, Parts, StreamTag, TagHistoryRecord, TagImage, TagItem, TagRecord, canonical_name,
};
pub use topic::{Cleanup, Topic};
pub use trace::TraceContext;
pub use version::{Origin, VersionRecord, VersionSources};
pub use workload::{
    ContainerRole, RunningImage, RunningKind, WorkloadContainer, WorkloadImage, WorkloadRecord, workload_key,
};

pub use crate::oci::Timestamp;
