//! Decides which reports have to be written or deleted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Report, report};
use crate::record::DecisionRecord;

/// The namespace and the name of a report.
pub(super) type At = (String, String);

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// Write this report.
    Write(Report),
    /// Delete the report of this place.
    Delete(At),
}

impl Job {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Write(report) => &report.at,
            Self::Delete(at) => at,
        }
    }
}

/// The wanted reports, and those that there are.
#[derive(Default)]
pub(super) struct Desk {
    wanted: BTreeMap<At, Report>,
    /// The place of each decision's report.
    places: BTreeMap<String, At>,
    /// The decision that each report is of. `None` before the reports were listed.
    standing: Option<BTreeMap<At, String>>,
    /// The places that differ, or may.
    queue: BTreeSet<At>,
    /// `true` once every decision was read. Before, a missing one may only be unread.
    is_complete: bool,
}

impl Desk {
    /// Takes the decision of a workload, or that nothing is held against it any more.
    pub(super) fn decided(&mut self, key: String, decision: Option<&DecisionRecord>) {
        match decision {
            Some(decision) => {
                let report = report(&key, decision);
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

    /// Takes all reports of clade that there are, with the decision that each is of.
    pub(super) fn listed(&mut self, standing: BTreeMap<At, String>) {
        self.queue = standing.keys().chain(self.wanted.keys()).cloned().collect();
        self.standing = Some(standing);
    }

    /// Returns the next thing to do.
    pub(super) fn next(&mut self) -> Option<Job> {
        let standing = self.standing.as_ref().filter(|_| self.is_complete)?;
        while let Some(at) = self.queue.first() {
            let job = match (self.wanted.get(at), standing.get(at)) {
                (Some(report), there) if there != Some(&report.decided) => Some(Job::Write(report.clone())),
                (None, Some(_)) => Some(Job::Delete(at.clone())),
                _ => None,
            };
            if job.is_some() {
                return job;
            }
            self.queue.pop_first();
        }
        None
    }

    /// Notes that it was done.
    pub(super) fn done(&mut self, job: &Job) {
        let Some(standing) = &mut self.standing else { return };
        match job {
            Job::Write(report) => drop(standing.insert(report.at.clone(), report.decided.clone())),
            Job::Delete(at) => drop(standing.remove(at)),
        }
    }

    /// Notes that it failed: it waits for the next list, or for another decision.
    pub(super) fn failed(&mut self, job: &Job) {
        self.queue.remove(job.at());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(second: i64, verdict: &str) -> DecisionRecord {
        serde_json::from_value(json!({
            "namespace": "shop", "kind": "Deployment", "name": "web",
            "decided": crate::oci::Timestamp::from_second(second).unwrap(),
            "verdict": verdict, "decision": "deny",
            "findings": [{
                "container": "app", "role": "container", "image": "web:1", "policy": "vendor", "verdict": verdict,
                "decision": "deny", "reason": "Outdated", "message": "built on an outdated version", "class": "rhel7",
            }],
        }))
        .unwrap()
    }

    const KEY: &str = "shop/Deployment/web";

    fn written(desk: &mut Desk) -> Report {
        let Some(job @ Job::Write(_)) = desk.next() else { panic!("nothing to write") };
        desk.done(&job);
        let Job::Write(report) = job else { unreachable!() };
        report
    }

    #[test]
    fn nothing_is_written_or_deleted_before_both_sides_were_read() {
        let mut desk = Desk::default();
        let stray = ("shop".to_owned(), "clade-stray".to_owned());
        desk.listed(BTreeMap::from([(stray.clone(), "then".to_owned())]));
        desk.decided(KEY.to_owned(), Some(&decision(1, "violating")));
        assert_eq!(desk.next(), None, "more decisions may come");
        desk.complete();
        let mut jobs: Vec<At> = Vec::new();
        while let Some(job) = desk.next() {
            desk.done(&job);
            jobs.push(job.at().clone());
        }
        assert_eq!(jobs.len(), 2);
        assert!(jobs.contains(&stray), "a report of no decision is deleted");
    }

    #[test]
    fn a_report_is_written_once_for_each_change_of_its_decision_and_deleted_with_it() {
        let mut desk = Desk::default();
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
        desk.listed(BTreeMap::from([(at.clone(), decided)]));
        assert_eq!(desk.next(), None, "it stands there");
        desk.listed(BTreeMap::new());
        written(&mut desk);
        desk.decided(KEY.to_owned(), Some(&decision(2, "unknown")));
        assert_eq!(written(&mut desk).body["summary"]["error"], 1);
        desk.decided(KEY.to_owned(), None);
        assert_eq!(desk.next(), Some(Job::Delete(at)));
    }

    #[test]
    fn one_that_fails_holds_no_other_up_and_is_tried_again_after_the_next_list() {
        let mut desk = Desk::default();
        desk.complete();
        desk.listed(BTreeMap::new());
        desk.decided(KEY.to_owned(), Some(&decision(1, "violating")));
        let other = DecisionRecord { name: "api".to_owned(), ..decision(1, "exempt") };
        desk.decided("shop/Deployment/api".to_owned(), Some(&other));
        let first = desk.next().unwrap();
        desk.failed(&first);
        let second = desk.next().unwrap();
        assert_ne!(first, second);
        desk.done(&second);
        assert_eq!(desk.next(), None);
        desk.listed(BTreeMap::from([(second.at().clone(), "another".to_owned())]));
        assert!(desk.next().is_some());
    }
}
