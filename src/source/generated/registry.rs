//! What the made-up registry consists of.

use crate::oci::Platform;

/// A repository whose tag other images are built on.
pub(super) struct Plan {
    pub(super) repository: &'static str,
    pub(super) tag: &'static str,
    /// The index of the stream that it is built on.
    pub(super) parent: Option<usize>,
    /// Layers of its own: at least, at most.
    pub(super) layers: (usize, usize),
    /// A new version comes about every so many days, and so many days after its parent's at most.
    pub(super) period: u32,
    pub(super) delay: u32,
    pub(super) architectures: &'static [&'static str],
    /// How many of a hundred applications are built on it.
    pub(super) weight: u32,
}

const ALL: &[&str] = &["amd64", "arm64", "ppc64le"];
const TWO: &[&str] = &["amd64", "arm64"];
const ONE: &[&str] = &["amd64"];

const fn base(repository: &'static str, tag: &'static str, period: u32, weight: u32) -> Plan {
    Plan { repository, tag, parent: None, layers: (1, 3), period, delay: 0, architectures: ALL, weight }
}

const fn language(repository: &'static str, tag: &'static str, parent: usize, weight: u32) -> Plan {
    let parent = Some(parent);
    Plan { repository, tag, parent, layers: (4, 6), period: 60, delay: 2, architectures: TWO, weight }
}

const fn framework(repository: &'static str, tag: &'static str, parent: usize, weight: u32) -> Plan {
    let parent = Some(parent);
    Plan { repository, tag, parent, layers: (3, 5), period: 90, delay: 7, architectures: ONE, weight }
}

/// Every stream after its parent. The weights add up to a hundred.
pub(super) const STREAMS: &[Plan] = &[
    base("base/rhel7", "latest", 42, 6),
    base("base/debian", "stretch", 28, 3),
    base("base/alpine", "3.7", 50, 3),
    base("base/ubuntu", "16.04", 30, 2),
    language("lang/python", "3.6", 0, 16),
    language("lang/openjdk", "8", 0, 14),
    language("lang/nodejs", "8", 1, 11),
    language("lang/php", "7.1", 1, 7),
    language("lang/golang", "1.9", 2, 6),
    language("lang/ruby", "2.4", 3, 4),
    framework("web/django", "2.0", 4, 8),
    framework("web/tomcat", "9", 5, 10),
    framework("web/express", "4", 6, 6),
    framework("web/wordpress", "4.9", 7, 4),
];

/// An image of one layer: what the base was, only a claim tells.
pub(super) const SQUASHED: (&str, &str) = ("legacy/billing", "latest");
/// An image with the layers of its base, and another config.
pub(super) const CONFIG_ONLY: (&str, &str, usize) = ("lang/python-debug", "3.6", 4);
/// The stream that is once moved back to the version before.
pub(super) const ROLLED_BACK: usize = 2;

const TEAMS: [&str; 8] =
    ["payments", "search", "checkout", "identity", "catalog", "media", "logistics", "labs"];
const SERVICES: [&str; 8] = ["api", "worker", "web", "batch", "gateway", "importer", "reports", "scheduler"];

/// The repository of the application with this number: eight a team, then further teams.
pub(super) fn application(number: usize) -> String {
    let (team, service) = (number / SERVICES.len(), SERVICES[number % SERVICES.len()]);
    match team / TEAMS.len() {
        0 => format!("{}/{service}", TEAMS[team]),
        round => format!("{}-{}/{service}", TEAMS[team % TEAMS.len()], round + 1),
    }
}

pub(super) fn platform(architecture: &str) -> Platform {
    Platform::new("linux", architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_stands_after_the_one_that_it_is_built_on_and_the_weights_are_percent() {
        for (number, plan) in STREAMS.iter().enumerate() {
            assert!(plan.parent.is_none_or(|parent| parent < number), "{}", plan.repository);
        }
        assert_eq!(STREAMS.iter().map(|plan| plan.weight).sum::<u32>(), 100);
    }
}
