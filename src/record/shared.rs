//! Shares the texts of decoded headers: a record has half a dozen of them, and texts that many records share take no
//! memory.

use std::borrow::Cow;

use super::envelope::Value;
use super::header::{self, Header};
use super::topic::Topic;
use super::{
    AdmissionRecord, BuildConfigRecord, CatalogRecord, ClassificationRecord, DeadLetterRecord,
    DecisionRecord, ImageRecord, ProgressRecord, RebuildsRecord, TagHistoryRecord, TagRecord,
    TransitionRecord, WorkloadRecord,
};

/// Returns a header with this name and value.
pub fn header(name: &str, value: &str) -> Header {
    (shared(&NAMES, name), shared(&VALUES, value))
}

const NAMES: [&str; 7] = [
    header::SPEC_VERSION,
    header::ID,
    header::SOURCE,
    header::TYPE,
    header::SUBJECT,
    header::CONTENT_TYPE,
    header::TRACE,
];

const VALUES: [&str; 3 + 2 * Topic::ALL.len()] = [
    header::SPEC_VERSION_1,
    header::JSON,
    Topic::Images.source(),
    Topic::Tags.source(),
    Topic::Catalog.source(),
    Topic::Buildconfigs.source(),
    Topic::Workloads.source(),
    Topic::Classifications.source(),
    Topic::Outdated.source(),
    Topic::Decisions.source(),
    Topic::Admissions.source(),
    Topic::Rebuilds.source(),
    Topic::Progress.source(),
    Topic::DeadLetters.source(),
    ImageRecord::TYPE,
    TagRecord::TYPE,
    TagHistoryRecord::TYPE,
    CatalogRecord::TYPE,
    BuildConfigRecord::TYPE,
    WorkloadRecord::TYPE,
    ClassificationRecord::TYPE,
    TransitionRecord::TYPE,
    DecisionRecord::TYPE,
    AdmissionRecord::TYPE,
    RebuildsRecord::TYPE,
    ProgressRecord::TYPE,
    DeadLetterRecord::TYPE,
];

fn shared(known: &[&'static str], text: &str) -> Cow<'static, str> {
    match known.iter().find(|known| **known == text) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text.to_owned()),
    }
}
