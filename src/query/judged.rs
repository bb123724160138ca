//! Judges what runs by class policies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Query;
use super::running::{Running, counting};
use super::verdict::{Asked, NamedPolicy};
use crate::oci::{Reference, Timestamp};
use crate::policy::{Behind, Container, ImageFacts, PodVerdict, Subject, Verdict, Workload};
use crate::record::{WorkloadContainer, WorkloadImage, WorkloadRecord};

/// Workloads that an answer has one by one, at most.
const MOST_ITEMS: usize = 1_000;

/// A question: would what runs be admitted?
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadsRequest {
    /// The policies to judge by, instead of those that are declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub policies: Option<Vec<NamedPolicy>>,
    /// The namespace. Absent, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Judges those images alone that began to run at this time of RFC 3339 or later, each by what was current when it began: would
    /// they have been admitted then? Of what does not run any more nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub began_since: Option<Timestamp>,
}

/// The verdicts on what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadVerdicts {
    /// The number of workloads by their verdict.
    pub counts: VerdictCounts,
    /// The same for each policy, by its name.
    pub policies: BTreeMap<String, VerdictCounts>,
    /// The number of workloads that no policy judges.
    pub unjudged: u64,
    /// The number of workloads of which nobody knows when an image began, where images are judged as of then: no count has these
    /// images.
    #[serde(default, skip_serializing_if = "super::answer::is_zero")]
    pub unknown_begin: u64,
    /// Those that are not allowed, by their keys, at most a thousand.
    pub items: Vec<WorkloadVerdict>,
    /// The number of those that are left out of `items`.
    #[serde(default, skip_serializing_if = "super::answer::is_zero")]
    pub more: u64,
}

/// Workloads by their verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictCounts {
    /// Every image is allowed.
    pub allowed: u64,
    /// An image is exempt, and the others are allowed.
    pub exempt: u64,
    /// An image is unknown, and none violates a policy.
    pub unknown: u64,
    /// An image violates a policy.
    pub violating: u64,
}

/// The verdict on a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadVerdict {
    /// The key, `namespace/kind/name`.
    pub key: String,
    /// The number of pods that have not ended.
    pub pods: u32,
    /// The time at which the image with the worst verdict began to run, if images are judged as of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub began: Option<Timestamp>,
    /// The verdict on its pods. A container stands there once for each image that it runs.
    #[serde(flatten)]
    pub verdict: PodVerdict,
}

/// The numbers of workloads by their verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that a policy judges.
    pub counts: VerdictCounts,
    /// Those that each policy judges, by its name, also if it judges none.
    pub policies: BTreeMap<String, VerdictCounts>,
    /// The number of those that no policy judges.
    pub unjudged: u64,
    /// The number of those of which nobody knows when an image began, where that counts.
    pub unknown_begin: u64,
}

impl Tally {
    /// Counts a workload. Returns `false` if no policy judges it.
    fn add(&mut self, verdict: &PodVerdict) -> bool {
        if verdict.containers.iter().all(|container| container.judgements.is_empty()) {
            self.unjudged += 1;
            return false;
        }
        self.counts.add(verdict.verdict);
        let mut worst: BTreeMap<&str, Verdict> = BTreeMap::new();
        for judgement in verdict.containers.iter().flat_map(|container| &container.judgements) {
            let of = worst.entry(&judgement.policy).or_insert(judgement.verdict);
            *of = (*of).max(judgement.verdict);
        }
        for (policy, verdict) in worst {
            self.policies.entry(policy.to_owned()).or_default().add(verdict);
        }
        true
    }
}

impl VerdictCounts {
    /// The number of each verdict.
    pub fn each(self) -> [(Verdict, u64); 4] {
        let Self { allowed, exempt, unknown, violating } = self;
        [
            (Verdict::Allowed, allowed),
            (Verdict::Exempt, exempt),
            (Verdict::Unknown, unknown),
            (Verdict::Violating, violating),
        ]
    }

    /// The number of all.
    pub fn all(self) -> u64 {
        self.each().into_iter().map(|(_, count)| count).sum()
    }

    fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Allowed => &mut self.allowed,
            Verdict::Exempt => &mut self.exempt,
            Verdict::Unknown => &mut self.unknown,
            Verdict::Violating => &mut self.violating,
        } += 1;
    }
}

impl Query {
    /// The verdicts on what runs at this time. The error says what is wrong with the question.
    pub fn workload_verdicts(
        &self,
        request: &WorkloadsRequest,
        now: Timestamp,
        behind: Behind,
    ) -> Result<WorkloadVerdicts, String> {
        let mut answer = WorkloadVerdicts::default();
        let Tally { counts, policies, unjudged, unknown_begin } =
            self.judge_workloads(request, now, behind, |key, record, began, verdict| {
                if verdict.verdict == Verdict::Allowed {
                    return;
                }
                if answer.items.len() < MOST_ITEMS {
                    let key = key.to_owned();
                    answer.items.push(WorkloadVerdict { key, pods: record.pods, began, verdict });
                } else {
                    answer.more += 1;
                }
            })?;
        Ok(WorkloadVerdicts { counts, policies, unjudged, unknown_begin, ..answer })
    }

    /// Judges what runs at this time, and calls `take` with each workload that a policy judges, by the keys, and with the time as
    /// of which its worst image is judged, if that is not the present. The error says what is wrong with the question.
    pub fn judge_workloads(
        &self,
        request: &WorkloadsRequest,
        now: Timestamp,
        behind: Behind,
        mut take: impl FnMut(&str, &WorkloadRecord, Option<Timestamp>, PodVerdict),
    ) -> Result<Tally, String> {
        let asked = Asked::new(self, request.policies.as_deref(), now, behind)?;
        let mut running = Running::new(self);
        let none = asked.policies().map(|name| (name.to_owned(), VerdictCounts::default()));
        let mut tally = Tally { policies: none.collect(), ..Tally::default() };
        for (key, record) in self.snapshot.workloads().after(None) {
            if request.namespace.as_ref().is_some_and(|namespace| *namespace != record.namespace) {
                continue;
            }
            if let Some(since) = request.began_since {
                let mut images = record.containers.iter().flat_map(counting);
                tally.unknown_begin += u64::from(images.any(|image| image.since.is_none()));
                if begun(record, since).next().is_none() {
                    continue;
                }
            }
            if tally.policies.is_empty() {
                tally.unjudged += 1;
                continue;
            }
            let beginnings = request
                .began_since
                .and_then(|since| self.judge_beginnings(&asked, record, since, &mut running));
            let (began, verdict) = match beginnings {
                Some((began, verdict)) => (Some(began), verdict),
                None => (None, self.judge_now(&asked, record, &mut running)),
            };
            if tally.add(&verdict) {
                take(key, record, began, verdict);
            }
        }
        Ok(tally)
    }

    fn judge_now(&self, asked: &Asked<'_>, record: &WorkloadRecord, running: &mut Running<'_>) -> PodVerdict {
        let containers = record.containers.iter();
        let images = containers.flat_map(|of| counting(of).map(move |image| (of, image)));
        let (containers, images): (Vec<Container>, Vec<&WorkloadImage>) =
            images.map(|(of, image)| (container(of, image), image)).unzip();
        let subject = subject(record, containers);
        let with_claims = asked.counts_claims(&subject);
        let facts: Vec<ImageFacts> =
            images.into_iter().map(|image| self.running_facts(image, running, with_claims)).collect();
        asked.judge(&subject, &facts)
    }

    /// The verdicts on the images that began to run at this time or later, each as of when it began, and that time of the worst;
    /// `None` if none did.
    fn judge_beginnings(
        &self,
        asked: &Asked<'_>,
        record: &WorkloadRecord,
        since: Timestamp,
        running: &mut Running<'_>,
    ) -> Option<(Timestamp, PodVerdict)> {
        let verdicts = begun(record, since).map(|(image, began, of)| {
            let subject = subject(record, vec![container(of, image)]);
            let facts = self.running_facts(image, running, asked.counts_claims(&subject));
            (began, asked.judge_at(began, &subject, &[facts.at(began)]))
        });
        verdicts.reduce(|(began, verdict), (other_began, other)| {
            let began = if other.verdict > verdict.verdict { other_began } else { began };
            (began, verdict.and(other))
        })
    }

    /// The facts about an image that runs.
    fn running_facts(
        &self,
        image: &WorkloadImage,
        running: &mut Running<'_>,
        with_claims: bool,
    ) -> ImageFacts {
        let asked = image.asked.parse::<Reference>().ok();
        let digest = image.running.map(|running| running.digest);
        ImageFacts {
            digest: digest.or_else(|| asked.as_ref()?.digest),
            repository: asked.map(|asked| asked.repository).unwrap_or_default(),
            ..self.pulled_facts(&running.images(image), with_claims)
        }
    }
}

/// The images of a workload that count and began to run at this time or later, with that time and their containers.
fn begun(
    record: &WorkloadRecord,
    since: Timestamp,
) -> impl Iterator<Item = (&WorkloadImage, Timestamp, &WorkloadContainer)> {
    let images = record.containers.iter().flat_map(|of| counting(of).map(move |image| (image, of)));
    let times = images.filter_map(|(image, of)| Some((image, image.since?, of)));
    times.filter(move |(_, began, _)| *began >= since)
}

/// The container of an image that runs in it.
fn container(of: &WorkloadContainer, image: &WorkloadImage) -> Container {
    Container { name: of.name.clone(), role: of.role, image: image.asked.clone() }
}

/// A workload as a pod of it that has these containers.
fn subject(record: &WorkloadRecord, containers: Vec<Container>) -> Subject {
    Subject {
        namespace: record.namespace.clone(),
        namespace_labels: record.namespace_labels.clone(),
        labels: record.labels.clone(),
        workload: Some(Workload { kind: record.kind.clone(), name: record.name.clone() }),
        platform: None,
        containers,
    }
}
