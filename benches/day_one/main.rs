//! The first day with a registry: `make bench-day-one`.
//!
//! A registry shows only where its tags point now. The benchmark shows clade the real images of ../shared/data as they
//! stood on one day, and compares every verdict (image, class, state, version) with the verdicts of a clade that has seen
//! the whole history. Each row adds another source of versions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod history;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use clade::declare::ClassSpec;
use clade::engine::Engine;
use clade::log::SharedLog;
use clade::log::embedded::{EmbeddedLog, Options};
use clade::observe::Observation;
use clade::oci::Digest;
use clade::publisher::Publisher;
use clade::query::answer::ExportedVersion;
use clade::query::{Filter, Query};
use clade::record::image::Evidence;
use clade::record::{Claim, ObjectReference, ReferenceKind, State, Timestamp, VersionSources};

use history::History;

/// The day on which clade comes: the last one of the data.
const DAY: &str = "2018-01-27T00:00:00Z";

/// The sources of versions in one row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Nothing,
    Patterns,
    Claims,
    Both,
    File,
}

/// A verdict: state, and the image of the base version.
type Verdicts = BTreeMap<(Digest, String), (State, Digest)>;

fn main() {
    let Some(history) = History::load(DAY.parse().unwrap()) else {
        println!("skipped: no ../shared/data here");
        return;
    };
    eprintln!("{} images and {} tags on {DAY}", history.today.len(), history.tags.len());
    let (all, versions) = whole(&history);
    let of_today = all.iter().filter(|((image, _), _)| history.today.contains(image));
    let whole: Verdicts = of_today.map(|(key, verdict)| (key.clone(), *verdict)).collect();
    println!(
        "| versions come from | of {} verdicts right | wrong | missing | not in the whole history |",
        whole.len()
    );
    println!("|---|---|---|---|---|");
    for (row, name) in [
        (Row::Nothing, "the present tags alone"),
        (Row::Patterns, "patterns of tags"),
        (Row::Claims, "claims"),
        (Row::Both, "patterns and claims"),
        (Row::File, "an imported history"),
    ] {
        let told = first_day(&history, row, &all, &versions);
        let right = whole.iter().filter(|(key, verdict)| told.get(*key) == Some(*verdict)).count();
        let missing = whole.keys().filter(|key| !told.contains_key(*key)).count();
        let more = told.keys().filter(|key| !whole.contains_key(*key)).count();
        let share = right as f64 / whole.len() as f64 * 100.0;
        println!(
            "| {name} | {right} ({share:.1} %) | {} | {missing} | {more} |",
            whole.len() - right - missing
        );
    }
}

struct Clade {
    _dir: tempfile::TempDir,
    engine: Engine,
    publisher: Publisher,
}

impl Clade {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(dir.path(), Options::default()).unwrap());
        let engine = Engine::process(log, &Default::default()).unwrap();
        let publisher = Publisher::restore(SharedLog::clone(engine.log()), Timestamp::now).unwrap();
        Self { _dir: dir, engine, publisher }
    }

    fn see(&mut self, seen: impl IntoIterator<Item = Observation>) {
        seen.into_iter().for_each(|seen| self.publisher.observe(seen).unwrap());
        self.publisher.flush().unwrap();
    }

    fn declare(&mut self, bases: &BTreeSet<String>, sources: impl Fn(&str) -> VersionSources) {
        for base in bases {
            let from =
                ObjectReference { kind: ReferenceKind::DockerImage, name: base.clone(), namespace: None };
            let name = class_of(base);
            let spec =
                ClassSpec { name, labels: BTreeMap::new(), from, versions: sources(base), rebuild: None };
            self.publisher.apply_class(&spec).unwrap();
        }
        self.publisher.flush().unwrap();
    }

    fn query(&self) -> Query {
        self.engine.catch_up(|_| {}).unwrap();
        Query::new(self.engine.view().snapshot())
    }

    /// The verdicts about all images.
    fn verdicts(&self) -> Verdicts {
        let images = self.query().list_images(&Filter::default(), &clade::query::Page::default()).unwrap();
        images
            .iter()
            .flat_map(|image| {
                let digest = image.digest;
                image.classes.into_iter().map(move |of| ((digest, of.name), (of.state, of.version)))
            })
            .collect()
    }
}

/// A clade that has seen everything.
fn whole(history: &History) -> (Verdicts, Vec<ExportedVersion>) {
    let mut clade = Clade::new();
    clade.see(history.images.values().cloned().map(|image| Observation::Image(Box::new(image))));
    clade.see(history.events.iter().cloned().map(Observation::Tag));
    clade.declare(&history.bases, |_| VersionSources { tags: Vec::new(), claims: false });
    let versions = clade.query().versions(None).unwrap().collect();
    (clade.verdicts(), versions)
}

/// A clade that comes on the day.
fn first_day(history: &History, row: Row, bases: &Verdicts, versions: &[ExportedVersion]) -> Verdicts {
    let mut clade = Clade::new();
    let by_claims = matches!(row, Row::Claims | Row::Both);
    let declared: HashMap<Digest, &String> =
        history.declared.iter().map(|(digest, base)| (*digest, base)).collect();
    // The builder of an image names the base that it used, with its digest.
    let published = |digest: &Digest| {
        let mut image = history.images[digest].clone();
        if by_claims
            && let Some(base) = declared.get(digest)
            && let Some((_, version)) = bases.get(&(*digest, class_of(base)))
        {
            let (name, digest) = (Some((*base).clone()), Some(version.to_string()));
            image.claims = vec![Claim { evidence: Evidence::Label, name, digest }];
        }
        Observation::Image(Box::new(image))
    };
    clade.see(history.today.iter().map(published).collect::<Vec<_>>());
    clade.see(history.tags.values().cloned().map(Observation::Tag));
    clade.declare(&history.bases, |base| VersionSources {
        tags: if matches!(row, Row::Patterns | Row::Both) { patterns(base) } else { Vec::new() },
        claims: by_claims,
    });
    // The registry still has what no tag points at, by its digest; such an image may name its own base.
    let mut read = BTreeSet::new();
    loop {
        let wanted = clade.publisher.wanted();
        let here = wanted.iter().flat_map(|(repository, digests)| {
            digests.iter().filter(move |digest| {
                let image = history.images.get(*digest);
                image.is_some_and(|image| image.repositories.contains(repository))
            })
        });
        let new: Vec<Digest> = here.copied().filter(|digest| read.insert(*digest)).collect();
        if new.is_empty() {
            break;
        }
        clade.see(new.iter().map(published).collect::<Vec<_>>());
    }
    if row == Row::File {
        let lines = versions.iter().map(|version| serde_json::to_vec(version).unwrap());
        clade.see(lines.map(|line| clade::source::observe_line(&line).unwrap()).collect::<Vec<_>>());
    }
    let mut verdicts = clade.verdicts();
    verdicts.retain(|(image, _), _| history.today.contains(image));
    verdicts
}

/// The patterns that somebody who knows the names would write: `php:7.1-apache` has had `7.1.12-apache`, and `debian:jessie`
/// `jessie-20171210`. A tag such as `7`, which goes from one line of releases to the next, has none.
fn patterns(base: &str) -> Vec<String> {
    let Some((_, tag)) = base.rsplit_once(':') else { return Vec::new() };
    let (version, variant) = tag.find('-').map_or((tag, ""), |at| tag.split_at(at));
    let is_number = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    match (is_number, version.matches('.').count()) {
        (true, 1) => vec![format!("{version}.?{variant}"), format!("{version}.??{variant}")],
        (true, _) => Vec::new(),
        (false, _) => vec![format!("{tag}-2*")],
    }
}

/// A class's name for a base's: characters that no label has are replaced.
fn class_of(base: &str) -> String {
    base.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}
