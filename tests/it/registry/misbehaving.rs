//! clade behind proxies that misbehave by chance, before a real registry whose tags move meanwhile. Another clade watches the
//! same registry undisturbed.
//!
//! In each round something changes in the registry while the proxies misbehave. All that the registry has throughout stays in
//! the answers; and once the proxies behave again, after as many passes as a deletion takes, the answers are those of the other
//! clade, but for times, and for what times decide.

mod kind;
mod proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::{Clade, Registry, before, eventually, filled, ok, script};
use kind::{ALL, Kind};
use proxy::Proxy;

/// The clades that are disturbed, each with a seed of its own.
const DISTURBED: usize = 3;
/// The repositories beside those that the registry is filled with, and the tags of each.
const COPIES: usize = 8;
const TAGS: usize = 24;
/// The passes after which everything is settled: a deletion takes two, and what could not be read before comes in another.
const PASSES: usize = 3;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().unwrap())
}

/// A clade and the proxy before its registry.
struct Watched {
    proxy: Proxy,
    clade: Clade,
    seed: u64,
}

impl Watched {
    fn start(registry: &Registry, seed: u64) -> Self {
        let mut watched = Self { proxy: Proxy::start(&registry.address, seed), clade: Clade::new(), seed };
        watched.watch();
        watched.clade.declare_base(&watched.proxy.address);
        watched
    }

    fn watch(&mut self) {
        let address = format!("http://{}", self.proxy.address);
        self.clade.watch(&["--registry", &address, "--registry-poll", "1", "--registry-rate", "100000"]);
    }

    fn restart(&mut self) {
        let mut process = self.clade.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        self.watch();
    }

    /// All images, tags and classes by name, without the registry's name and without times.
    fn answers(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for (kind, name) in [("images", "/digest"), ("tags", "/name"), ("classes", "/metadata/name")] {
            for item in self.clade.items(&format!("get {kind}")) {
                let text = item.to_string().replace(&self.proxy.address, "registry");
                let mut item: Value = serde_json::from_str(&text).unwrap();
                leave_out_times(&mut item);
                all.insert(format!("{kind} {}", item.pointer(name).unwrap().as_str().unwrap()), item);
            }
        }
        all
    }

    /// Waits until this many passes are over that have begun since it had this number.
    fn passes(&self, from: usize, passes: usize) {
        // The list after the last of them is that of the next one.
        eventually("passes", || self.proxy.passes() > from + passes);
    }

    /// Fails if anything of this is not among the answers.
    fn has(&self, names: &BTreeSet<String>, round: &str) {
        let answers = self.answers();
        let gone: Vec<&String> = names.iter().filter(|name| !answers.contains_key(*name)).collect();
        assert!(
            gone.is_empty(),
            "seed {}, {round}: {} of {} are gone: {gone:#?}\n{}",
            self.seed,
            gone.len(),
            names.len(),
            self.clade.told()
        );
    }
}

fn leave_out_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for time in ["since", "until", "outdatedSince", "sequence", "revision"] {
                members.remove(time);
            }
            members.values_mut().for_each(leave_out_times);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_times),
        _ => {}
    }
}

/// Adds repositories with many tags, as the registry has them in its files.
fn add_copies(repositories: &Path) {
    for number in 0..COPIES {
        let from = repositories.join(if number % 4 == 3 { "team/multi" } else { "team/app" });
        let to = repositories.join(format!("many/copy-{number}"));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        ok(std::process::Command::new("cp").arg("-r").arg(&from).arg(&to));
        let tags = to.join("_manifests/tags");
        let link = |tag: &str| std::fs::read_to_string(tags.join(tag).join("current/link"));
        let targets = [link("1").unwrap(), link("zstd").or_else(|_| link("1")).unwrap()];
        for tag in 0..TAGS {
            let target = &targets[tag % 2];
            let hex = target.strip_prefix("sha256:").unwrap();
            let tag = tags.join(format!("v{tag}"));
            for place in ["current".to_owned(), format!("index/sha256/{hex}")] {
                std::fs::create_dir_all(tag.join(&place)).unwrap();
                std::fs::write(tag.join(&place).join("link"), target).unwrap();
            }
        }
    }
}

/// A change of the registry, by name.
type Change = (&'static str, fn(&Registry, &str));

/// `old` is the digest that the base has at the beginning.
const CHANGES: [Change; 4] = [
    ("tags are pushed", |registry, _| {
        registry.skopeo("copy", &["team/app:1", "team/app:2"]);
        registry.skopeo("copy", &["team/squashed:1", "many/copy-0:new"]);
        registry.skopeo("copy", &["team/app:zstd", "new/app:1"]);
    }),
    ("the bases move", |registry, _| drop(ok(script("fill.sh").args([&registry.address, "move"])))),
    ("images are deleted, and a claim names the earlier base", |registry, old| {
        registry.skopeo("delete", &["team/attested:1"]);
        registry.skopeo("delete", &["many/copy-1:zstd"]);
        before::push_with_claim(
            registry,
            "team/tells:1",
            &format!("{}/base/os:latest", registry.address),
            old,
        );
    }),
    ("tags move to an index and from one, and repositories are emptied", |registry, _| {
        registry.skopeo("copy", &["team/app:1", "many/copy-3:v1"]);
        registry.skopeo("copy", &["base/multi:latest", "many/copy-4:v2"]);
        registry.skopeo("delete", &["many/copy-7:1"]);
        registry.skopeo("delete", &["new/app:1"]);
    }),
];

#[test]
#[ignore = "needs a registry: make test"]
fn behind_a_proxy_that_misbehaves_nothing_vanishes_and_all_is_right_once_it_behaves() {
    let seed = number("CLADE_PROXY_SEED", 1);
    let requests = usize::try_from(number("CLADE_PROXY_REQUESTS", 2_000)).unwrap();
    let each = requests.div_ceil(DISTURBED * CHANGES.len());
    let dir = tempfile::tempdir().unwrap();
    ok(std::process::Command::new("cp").arg("-r").arg(filled().0.join("data")).arg(dir.path()));
    add_copies(&dir.path().join("data/docker/registry/v2/repositories"));
    let registry = Registry::start_in(dir, &[], "");
    let inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"];
    let base = format!("docker://{}/base/os:latest", registry.address);
    let old = ok(std::process::Command::new("skopeo").args(inspect).arg(base)).trim().to_owned();

    let undisturbed = Watched::start(&registry, 0);
    let mut all: Vec<Watched> = (0..).take(DISTURBED).map(|n| Watched::start(&registry, seed + n)).collect();
    for watched in all.iter().chain([&undisturbed]) {
        watched.passes(0, PASSES);
    }
    let mut right = undisturbed.answers();
    assert!(right.len() > COPIES * TAGS, "{right:#?}");
    for watched in &all {
        assert_settled(watched, &right, "at the beginning", 0);
    }
    for (number, (round, change)) in CHANGES.iter().enumerate() {
        let begun = Instant::now();
        let from: Vec<usize> = all.iter().map(|watched| watched.proxy.requests()).collect();
        for watched in &mut all {
            watched.proxy.misbehave(true);
            if number % 3 == 2 {
                watched.restart();
            }
        }
        change(&registry, &old);
        undisturbed.passes(undisturbed.proxy.passes(), PASSES);
        let next = undisturbed.answers();
        let stays: BTreeSet<String> = right.keys().filter(|name| next.contains_key(*name)).cloned().collect();
        right = next;
        for (watched, from) in all.iter().zip(from) {
            eventually("as many requests", || {
                watched.has(&stays, round);
                watched.proxy.requests() - from >= each
            });
        }
        let disturbed = begun.elapsed();
        for watched in &all {
            watched.has(&stays, round);
            watched.proxy.misbehave(false);
        }
        let from: Vec<usize> = all.iter().map(|watched| watched.proxy.passes()).collect();
        for (watched, from) in all.iter().zip(from) {
            watched.passes(from, PASSES);
            assert_settled(watched, &right, round, from);
        }
        println!("{round}: {disturbed:?} disturbed, {:?} in all", begun.elapsed());
    }
    let mut told: BTreeMap<Kind, usize> = BTreeMap::new();
    for watched in &all {
        let of_it = watched.proxy.told();
        println!(
            "seed {}: {} requests, {} misbehaved",
            watched.seed,
            watched.proxy.requests(),
            of_it.values().sum::<usize>()
        );
        of_it.into_iter().for_each(|(kind, times)| *told.entry(kind).or_default() += times);
    }
    println!("{told:?}");
    let missing: Vec<Kind> = ALL.into_iter().filter(|kind| !told.contains_key(kind)).collect();
    assert_eq!(missing, [], "{requests} requests have none of these");
}

/// Fails if the answers are not right, nor become it in two more passes.
fn assert_settled(watched: &Watched, right: &BTreeMap<String, Value>, round: &str, from: usize) {
    let mut answers = watched.answers();
    while answers != *right {
        if watched.proxy.passes() > from + PASSES + 2 {
            let names: BTreeSet<&String> = right.keys().chain(answers.keys()).collect();
            let differ = names.into_iter().filter(|name| right.get(*name) != answers.get(*name));
            let differ: Vec<String> = differ
                .map(|name| format!("{name}\n  is {:?}\n  not {:?}", answers.get(name), right.get(name)))
                .collect();
            let told = watched.clade.told();
            panic!("seed {}, {round}: {} differ:\n{}\n{told}", watched.seed, differ.len(), differ.join("\n"));
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        answers = watched.answers();
    }
}
