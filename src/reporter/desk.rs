//! Decides which reports have to be written or deleted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Report, report};
use crate::kubernetes::StandingReport;
use crate::record::DecisionRecord;

/// The namespace and the name of a report.
pub(super) type At = (String, String);

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// Write this report.
    Write(Report),
    /// Delete the report of this place, with this uid.
    Delete(At, String),
}

impl Job {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Write(report) => &report.at,
            Self::Delete(at, _) => at,
        }
    }
}

/// The wanted reports, and those that there are.
pub(super) struct Desk {
    /// The name of this instance.
    instance: String,
    wanted: BTreeMap<At, Report>,
    /// The place of each decision's report.
    places: BTreeMap<String, At>,
    /// The reports as they were listed or written. `None` before they were listed.
    standing: Option<BTreeMap<At, StandingReport>>,
    /// Reports that somebody has changed.
    changed: BTreeSet<At>,
    /// The places that differ, or may.
    queue: BTreeSet<At>,
    /// `true` once every decision was read. Before, a missing one may only be unread.
    is_complete: bool,
}

impl Desk {
    pub(super) fn new(instance: String) -> Self {
        Self {
            instance,
            wanted: BTreeMap::new(),
            places: BTreeMap::new(),
            standing: None,
            changed: BTreeSet::new(),
            queue: BTreeSet::new(),
            is_complete: false,
        }
    }

    /// Takes the decision of a workload, or that nothing is held against it any more. An imported workload may be of another cluster,
    /// and has no report here.
    pub(super) fn decided(&mut self, key: String, decision: Option<&DecisionRecord>) {
        match decision.filter(|decision| decision.source.is_some()) {
            Some(decision) => {
                let report = report(&self.instance, &key, decision);
                self.queue.insert(report.at.clone());
                self.places.insert(key, report.at.clone());
                self.wanted.insert(report.at.clone(), report);
            }
            None => {
                if let Some(at) = self.places.remove(&key) {
                    self.wanted.remove(&at);
                    self.queue.insert(at);
                }
            }
        }
    }

    /// Notes that every decision on the log was read.
    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Takes all reports of this instance that there are.
    pub(super) fn listed(&mut self, standing: BTreeMap<At, StandingReport>) {
        let known = self.standing.take().unwrap_or_default();
        let is_changed = |(at, there): &(&At, &StandingReport)| {
            known.get(*at).is_some_and(|known| known.version != there.version)
        };
        self.changed = standing.iter().filter(is_changed).map(|(at, _)| at.clone()).collect();
        self.queue = standing.keys().chain(self.wanted.keys()).cloned().collect();
        self.standing = Some(standing);
    }

    /// Returns the next thing to do.
    pub(super) fn next(&mut self) -> Option<Job> {
        let standing = self.standing.as_ref().filter(|_| self.is_complete)?;
        while let Some(at) = self.queue.first() {
            let job = match (self.wanted.get(at), standing.get(at)) {
                (Some(report), Some(there))
                    if there.decided == report.decided && !self.changed.contains(at) =>
                {
                    None
                }
                (Some(report), _) => Some(Job::Write(report.clone())),
                (None, Some(there)) => Some(Job::Delete(at.clone(), there.uid.clone())),
                _ => None,
            };
            if job.is_some() {
                return job;
            }
            self.queue.pop_first();
        }
        None
    }

    /// Notes that it was done, with the report that stands there now.
    pub(super) fn done(&mut self, job: &Job, there: Option<StandingReport>) {
        let Some(standing) = &mut self.standing else { return };
        self.changed.remove(job.at());
        match there {
            Some(there) => drop(standing.insert(job.at().clone(), there)),
            None => drop(standing.remove(job.at())),
        }
    }

    /// Notes that the server does not answer: nothing is to be done before the next list.
    pub(super) fn away(&mut self) {
        self.standing = None;
    }

    /// Notes that the server has refused it: it waits for the next list, or for another decision.
    pub(super) fn refused(&mut self, job: &Job) {
        self.queue.remove(job.at());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(second: i64, verdict: &str) -> DecisionRecord {
        serde_json::from_value(json!({
            "namespace": "shop", "kind": "Deployment", "name": "web", "source": "kubernetes",
            "decided": crate::oci::Timestamp::from_second(second).unwrap(),
            "verdict": verdict, "decision": "deny",
            "findings": [{
                "container": "app", "role": "container", "image": "web:1", "policy": "vendor", "verdict": verdict,
                "decision": "deny", "reason": "Outdated", "message": "built on an outdated version", "class": "rhel7",
            }],
        }))
        .unwrap()
    }

    fn there(decided: &str, version: &str) -> StandingReport {
        StandingReport { decided: decided.to_owned(), uid: "1".to_owned(), version: version.to_owned() }
    }

    fn conclude(desk: &mut Desk, job: &Job) {
        let after = match job {
            Job::Write(report) => Some(there(&report.decided, "2")),
            Job::Delete(..) => None,
        };
        desk.done(job, after);
    }

    const KEY: &str = "shop/Deployment/web";

    fn written(desk: &mut Desk) -> Report {
        let Some(job @ Job::Write(_)) = desk.next() else { panic!("nothing to write") };
        conclude(desk, &job);
        let Job::Write(report) = job else { unreachable!() };
        report
    }

    #[test]
    fn nothing_is_written_or_deleted_before_both_sides_were_read() {
        let mut desk = Desk::new("clade".to_owned());
        let stray = ("shop".to_owned(), "clade-stray".to_owned());
        desk.listed(BTreeMap::from([(stray.clone(), there("then", "1"))]));
        desk.decided(KEY.to_owned(), Some(&decision(1, "violating")));
        assert_eq!(desk.next(), None, "more decisions may come");
        desk.complete();
        let mut jobs: Vec<At> = Vec::new();
        while let Some(job) = desk.next() {
            conclude(&mut desk, &job);
            jobs.push(job.at().clone());
        }
        assert_eq!(jobs.len(), 2);
        assert!(jobs.contains(&stray), "a report of no decision is deleted");
    }

    #[test]
    fn a_report_is_written_once_for_each_change_of_its_decision_and_deleted_with_it() {
        let mut desk = Desk::new("clade".to_owned());
        desk.complete();
        desk.listed(BTreeMap::new());
        desk.decided(KEY.to_owned(), Some(&decision(1, "violating")));
        let report = written(&mut desk);
        assert_eq!(desk.next(), None);
        let (at, decided) = (report.at.clone(), report.decided.clone());
        assert!(at.1.starts_with("clade-deployment-web-"), "{at:?}");
        assert_eq!(report.body["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
        let result = &report.body["results"][0];
        assert_eq!(
            (&result["policy"], &result["rule"], &result["result"]),
            (&json!("vendor"), &json!("app"), &json!("fail"))
        );
        assert_eq!(report.body["scope"]["apiVersion"], "apps/v1");
        desk.listed(BTreeMap::from([(at.clone(), there(&decided, "2"))]));
        assert_eq!(desk.next(), None, "it stands there");
        desk.listed(BTreeMap::from([(at.clone(), there(&decided, "3"))]));
        assert_eq!(written(&mut desk).at, at, "somebody has changed it");
        desk.listed(BTreeMap::new());
        written(&mut desk);
        desk.decided(KEY.to_owned(), Some(&decision(2, "unknown")));
        assert_eq!(written(&mut desk).body["summary"]["error"], 1);
        desk.decided(KEY.to_owned(), None);
        assert_eq!(desk.next(), Some(Job::Delete(at, "1".to_owned())));
    }

    #[test]
    fn one_that_is_refused_holds_no_other_up_and_is_tried_again_after_the_next_list() {
        let mut desk = Desk::new("clade".to_owned());
        desk.complete();
        desk.listed(BTreeMap::new());
        desk.decided(KEY.to_owned(), Some(&decision(1, "violating")));
        let other = DecisionRecord { name: "api".to_owned(), ..decision(1, "exempt") };
        desk.decided("shop/Deployment/api".to_owned(), Some(&other));
        let first = desk.next().unwrap();
        desk.refused(&first);
        let second = desk.next().unwrap();
        assert_ne!(first, second);
        conclude(&mut desk, &second);
        assert_eq!(desk.next(), None);
        desk.listed(BTreeMap::from([(second.at().clone(), there("another", "2"))]));
        assert!(desk.next().is_some());
    }

    #[test]
    fn an_imported_workload_has_no_report_and_the_rest_of_many_judgements_is_told() {
        let mut desk = Desk::new("clade".to_owned());
        desk.complete();
        desk.listed(BTreeMap::new());
        desk.decided(KEY.to_owned(), Some(&DecisionRecord { source: None, ..decision(1, "violating") }));
        assert_eq!(desk.next(), None);
        desk.decided(KEY.to_owned(), Some(&DecisionRecord { more: 7, ..decision(1, "violating") }));
        let report = written(&mut desk);
        assert!(report.body["results"][1]["message"].as_str().unwrap().starts_with("7 more"));
        let other = super::super::report::report("another", KEY, &decision(1, "violating"));
        assert_ne!(other.at, report.at, "two instances write two reports");
    }
}
