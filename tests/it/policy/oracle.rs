//! Random policies, images and pods are judged as a naive version of the rules judges them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clade::class::Catalog;
use clade::oci::Digest;
use clade::policy::{
    Behind, Circumstances, Claimed, Container, Decision, ImageFacts, Judgement, KnownImage, Standing,
    Subject, Verdict, Workload, judge,
};
use clade::record::policy::{Action, ClassPolicy, OnUnknown, PolicyRecord, Proof, RequiredState};
use clade::record::{CatalogRecord, ContainerRole, State, Timestamp};
use fastrand::Rng;
use serde_json::json;

use crate::support::digest;

const CLASSES: [&str; 4] = ["rhel7", "rhel8", "debian9", "gone"];
const LABELS: [&str; 3] = ["vendor", "community", "none"];
const NOW: i64 = 1_000_000;

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (number, name) in CLASSES.iter().take(3).enumerate() {
        let record: CatalogRecord = serde_json::from_value(json!({
            "kind": "ImageClass", "name": name, "sequence": number, "generation": number, "versions": 0, "revision": 0,
            "labels": {"from": LABELS[number / 2]}, "from": {"kind": "DockerImage", "name": format!("{name}:1")},
            "following": {"ready": true, "reason": "", "message": ""},
        }))
        .unwrap();
        catalog.apply(&record.key(), Some(record));
    }
    catalog
}

fn some<'a>(random: &mut Rng, of: &[&'a str]) -> Vec<&'a str> {
    of.iter().copied().filter(|_| random.u8(..3) == 0).collect()
}

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

fn selector(random: &mut Rng, key: &str, values: &[&str]) -> serde_json::Value {
    match random.u8(..4) {
        0 => json!({}),
        1 => json!({"matchLabels": {key: pick(random, values)}}),
        _ => json!({"matchExpressions": [{"key": key, "operator": "In", "values": some(random, values)}]}),
    }
}

fn policy(random: &mut Rng, name: &str) -> PolicyRecord {
    let mut require = json!({
        "classes": some(random, &CLASSES),
        "state": pick(random, &["Any", "Current"]),
        "proof": pick(random, &["Layers", "Claims"]),
    });
    if random.bool() {
        require["selector"] = selector(random, "from", &LABELS);
    }
    if random.bool() {
        require["grace"] = format!("{}s", random.u32(..200)).into();
    }
    let exempt: Vec<_> = (0..random.usize(..3))
        .map(|_| {
            let mut exemption = json!({"reason": "as a test"});
            match random.u8(..3) {
                0 => {
                    exemption["repositories"] =
                        json!([pick(random, &["docker.io/library/*", "quay.io/team/*", "quay.io/*"])]);
                }
                1 => exemption["digests"] = json!([digest(pick(random, &["0", "1", "2"]))]),
                _ => {
                    exemption["workloads"] =
                        json!([{"name": pick(random, &["web", "w*", "other"]), "kind": "Deployment", "namespace": "shop"}]);
                }
            }
            if random.bool() {
                let until = Timestamp::from_second(NOW - 50 + random.i64(0..100)).unwrap();
                exemption["until"] = until.to_string().into();
            }
            exemption
        })
        .collect();
    let spec = json!({
        "namespaceSelector": selector(random, "env", &["prod", "test"]),
        "objectSelector": selector(random, "tier", &["a", "b"]),
        "require": require,
        "onUnknown": pick(random, &["Allow", "Warn", "Deny"]),
        "action": pick(random, &["Audit", "Warn", "Deny"]),
        "exempt": exempt,
        "maxStaleness": format!("{}s", random.u32(..60)),
    });
    PolicyRecord { name: name.to_owned(), sequence: 1, spec: serde_json::from_value(spec).unwrap() }
}

fn time(random: &mut Rng) -> Option<Timestamp> {
    random.bool().then(|| Timestamp::from_second(NOW - random.i64(0..250)).unwrap())
}

fn known(random: &mut Rng) -> KnownImage {
    let standing = |random: &mut Rng, class: &str| Standing {
        class: class.to_owned(),
        state: if random.bool() { State::Current } else { State::Outdated },
        version: digest("version"),
        current: None,
        outdated_since: time(random),
        proven: random.u8(..4) > 0,
        nearest: random.bool(),
    };
    let memberships = some(random, &CLASSES[..3]).into_iter().map(|class| standing(random, class)).collect();
    let claims = some(random, &CLASSES[..3])
        .into_iter()
        .map(|class| Claimed {
            class: class.to_owned(),
            is_current: random.bool(),
            outdated_since: time(random),
        })
        .collect();
    KnownImage { digest: digest(pick(random, &["0", "1", "2"])), memberships, claims }
}

fn facts(random: &mut Rng) -> ImageFacts {
    let known: Vec<KnownImage> = (0..random.usize(..3)).map(|_| known(random)).collect();
    let unknown: Vec<Digest> = (0..usize::from(random.u8(..4) == 0)).map(|_| digest("unknown")).collect();
    ImageFacts {
        repository: pick(random, &["php", "quay.io/team/app", "quay.io/other/app"]).to_owned(),
        digest: random.bool().then(|| digest(pick(random, &["0", "1", "index"]))),
        known,
        unknown,
        problem: None,
    }
}

/// The classes that a policy requires one of.
fn required(policy: &ClassPolicy, catalog: &Catalog) -> BTreeSet<String> {
    let names = catalog.classes().map(|class| class.record.name.clone());
    let selected = |name: &String| {
        let labels = &catalog.class(name).unwrap().record.labels;
        policy.require.classes.contains(name)
            || policy.require.selector.as_ref().is_some_and(|selector| selector.selects(labels))
    };
    names.filter(selected).collect()
}

fn is_exempt(policy: &ClassPolicy, subject: &Subject, image: &ImageFacts, now: Timestamp) -> bool {
    let mut all: Vec<Digest> = image.known.iter().map(|known| known.digest).collect();
    all.extend(&image.unknown);
    all.dedup();
    policy.exempt.iter().filter(|of| of.until.is_none_or(|until| until > now)).any(|of| {
        let is_named = of.repositories.iter().any(|pattern| match pattern.as_str() {
            "docker.io/library/*" => image.repository == "php",
            "quay.io/team/*" => image.repository.starts_with("quay.io/team/"),
            "quay.io/*" => image.repository.starts_with("quay.io/"),
            other => panic!("{other}"),
        });
        let is_digest = of
            .digests
            .iter()
            .any(|one| image.digest == Some(*one) || all == [*one] && image.unknown.is_empty());
        let is_workload = of.workloads.iter().any(|workload| workload.name != "other");
        is_named || is_digest || is_workload && subject.workload.is_some()
    })
}

/// The rules as docs/concepts.md writes them, without a thought of cost.
fn naive(
    policy: &ClassPolicy,
    subject: &Subject,
    image: &ImageFacts,
    catalog: &Catalog,
    (now, behind): (Timestamp, Duration),
) -> (Verdict, Decision) {
    let required = required(policy, catalog);
    let is_tolerated = |is_current: bool, since: Option<Timestamp>| {
        policy.require.state == RequiredState::Any
            || is_current
            || policy.require.grace.as_ref().zip(since).is_some_and(|(grace, since)| {
                now.as_second() < since.as_second() + i64::try_from(grace.length().as_secs()).unwrap()
            })
    };
    let takes_claims = policy.require.proof == Proof::Claims;
    let satisfies = |known: &KnownImage| {
        let by_layers = known.memberships.iter().any(|of| {
            required.contains(&of.class)
                && (of.proven || takes_claims)
                && is_tolerated(of.state == State::Current, of.outdated_since)
        });
        let by_claims = known.claims.iter().any(|of| {
            takes_claims && required.contains(&of.class) && is_tolerated(of.is_current, of.outdated_since)
        });
        by_layers || by_claims
    };
    let is_bad = image.known.iter().any(|known| !satisfies(known));
    let is_unknown = image.known.is_empty() || !image.unknown.is_empty();
    let verdict = if !is_bad && !is_unknown {
        Verdict::Allowed
    } else if is_exempt(policy, subject, image, now) {
        Verdict::Exempt
    } else if is_bad && behind <= policy.max_staleness.length() {
        Verdict::Violating
    } else {
        Verdict::Unknown
    };
    let decision = match (verdict, policy.action, policy.on_unknown) {
        (Verdict::Allowed | Verdict::Exempt, ..) | (Verdict::Unknown, _, OnUnknown::Allow) => Decision::Allow,
        (_, Action::Audit, _) => Decision::Audit,
        (Verdict::Unknown, _, OnUnknown::Warn) | (_, Action::Warn, _) => Decision::Warn,
        (_, Action::Deny, _) => Decision::Deny,
    };
    (verdict, decision)
}

/// A verdict stays until the time that its judgement names, or for ever, and then the judgement is another one.
fn lasts(
    of: &Judgement,
    policies: &[PolicyRecord],
    (subject, facts): (&Subject, &[ImageFacts]),
    circumstances: Circumstances<'_>,
    container: &str,
) {
    let at = |now: Timestamp| {
        let later = judge(policies, subject, facts, Circumstances { now, ..circumstances });
        let found = later.containers.into_iter().find(|of| of.container.name == container).unwrap();
        found.judgements.into_iter().find(|by| by.policy == of.policy).unwrap()
    };
    let moment = Duration::from_millis(1);
    match of.until {
        None => {
            let late = at(circumstances.now.checked_add(Duration::from_secs(1 << 30)).unwrap());
            assert_eq!(late.verdict, of.verdict);
        }
        Some(until) => {
            let before = at(until.checked_sub(moment).unwrap());
            assert_eq!((before.verdict, before.until), (of.verdict, of.until));
            let then = at(until);
            assert_ne!((then.verdict, &then.reason), (of.verdict, &of.reason));
        }
    }
}

#[test]
fn random_pods_are_judged_as_a_naive_version_of_the_rules_judges_them() {
    let (catalog, now) = (catalog(), Timestamp::from_second(NOW).unwrap());
    let mut counts: BTreeMap<(Verdict, String), u32> = BTreeMap::new();
    for seed in 0..4_000 {
        let random = &mut Rng::with_seed(seed);
        let policies: Vec<PolicyRecord> =
            (0..random.usize(1..4)).map(|number| policy(random, &format!("p{number}"))).collect();
        let facts: Vec<ImageFacts> = (0..random.usize(1..3)).map(|_| facts(random)).collect();
        let container = |number| Container {
            name: format!("c{number}"),
            role: ContainerRole::Container,
            image: "x".to_owned(),
        };
        let subject = Subject {
            namespace: "shop".to_owned(),
            namespace_labels: BTreeMap::from([(
                "env".to_owned(),
                pick(random, &["prod", "test"]).to_owned(),
            )]),
            labels: BTreeMap::from([("tier".to_owned(), pick(random, &["a", "b"]).to_owned())]),
            workload: random
                .bool()
                .then(|| Workload { kind: "Deployment".to_owned(), name: "web".to_owned() }),
            platform: None,
            containers: (0..facts.len()).map(container).collect(),
        };
        let behind = Duration::from_secs(random.u64(..70));
        let circumstances = Circumstances { catalog: &catalog, now, behind: Behind::By(behind) };
        let verdict = judge(&policies, &subject, &facts, circumstances);

        let matching: Vec<&PolicyRecord> = policies
            .iter()
            .filter(|of| of.spec.namespace_selector.selects(&subject.namespace_labels))
            .filter(|of| of.spec.object_selector.selects(&subject.labels))
            .collect();
        let (ready, idle): (Vec<&PolicyRecord>, Vec<&PolicyRecord>) =
            matching.into_iter().partition(|of| !required(&of.spec, &catalog).is_empty());
        let idle: Vec<&str> = idle.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(
            verdict.not_ready.iter().map(|of| of.policy.as_str()).collect::<Vec<_>>(),
            idle,
            "seed {seed}"
        );
        let mut worst = (Verdict::Allowed, Decision::Allow);
        for (container, image) in verdict.containers.iter().zip(&facts) {
            let expected: Vec<(String, Verdict, Decision)> = ready
                .iter()
                .map(|of| {
                    let (verdict, decision) = naive(&of.spec, &subject, image, &catalog, (now, behind));
                    (of.name.clone(), verdict, decision)
                })
                .collect();
            let judged: Vec<(String, Verdict, Decision)> =
                container.judgements.iter().map(|of| (of.policy.clone(), of.verdict, of.decision)).collect();
            assert_eq!(judged, expected, "seed {seed}");
            for of in &container.judgements {
                lasts(of, &policies, (&subject, &facts), circumstances, &container.container.name);
                worst = (worst.0.max(of.verdict), worst.1.max(of.decision));
                *counts.entry((of.verdict, of.reason.clone())).or_default() += 1;
                assert!(!of.message.is_empty());
            }
        }
        assert_eq!((verdict.verdict, verdict.decision), worst, "seed {seed}");
    }
    let reasons: BTreeSet<&str> = counts.keys().map(|(_, reason)| reason.as_str()).collect();
    let all = [
        "Claimed",
        "Exempt",
        "Member",
        "NotAMember",
        "OnlyClaimed",
        "Outdated",
        "Stale",
        "UnknownImage",
        "WithinGrace",
    ];
    assert_eq!(reasons, BTreeSet::from(all), "{counts:?}");
}
