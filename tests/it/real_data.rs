//! All of the real images, with a class for each base that a Dockerfile declares: every verdict is compared with the one
//! that an independent script came to (`check`), and every difference is listed.
//!
//! Runs where the data is (`../shared/data`); elsewhere it says that it was skipped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use clade::declare::ClassSpec;
use clade::engine::Engine;
use clade::oci::Digest;
use clade::publisher::Publisher;
use clade::query::answer::{Lineage, TagItem};
use clade::query::{Filter, Page, Query, lineage};

use clade::record::{ObjectReference, ReferenceKind, State};
use clade::source::{self, SinkError};

use crate::workers::{publisher, start};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Declared {
    digest: Digest,
    declared_base: String,
    check: String,
}

/// What layers and declaration say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// The nearest base is a version of the declared one.
    Agree,
    /// A version of the declared base is a prefix, and another image is a longer one.
    Longer,
    /// No version of the declared base is a prefix.
    None,
}

/// The tags of these are on a version of a base whose tag is no longer listed: clade keeps the last version as current,
/// the independent script leaves them out.
const ON_A_BASE_THAT_IS_GONE: usize = 5;
/// And these on one whose newest version has no image for their platform: outdated for clade, left out by the script.
const ON_A_BASE_WITHOUT_THEIR_PLATFORM: usize = 56;

pub(crate) fn data() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    dir.join("images.jsonl.gz").exists().then_some(dir)
}

pub(crate) fn declared(dir: &Path) -> Vec<Declared> {
    let file = std::fs::File::open(dir.join("declared-bases.jsonl.gz")).unwrap();
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

/// A class's name for a base's: characters that no label has are replaced.
fn class_of(base: &str) -> String {
    base.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

fn import(dir: &Path, data: &Path, declared: &[Declared]) -> Engine {
    let engine = start(dir, Default::default(), &Default::default());
    publish(&mut publisher(&engine), data, declared);
    engine.catch_up(|_| {}).unwrap();
    engine
}

/// Publishes all of the data, and a class for each declared base.
pub(crate) fn publish(publisher: &mut Publisher, data: &Path, declared: &[Declared]) {
    let inputs = source::find(&[data.to_owned()]).unwrap().inputs;
    source::read(&inputs, &|_| {}, &mut |seen| publisher.observe(seen).map_err(SinkError::new)).unwrap();
    publisher.flush().unwrap();
    declare(publisher, declared);
    assert_eq!(publisher.counts().dead_letters, 0);
}

/// Declares a class for each declared base.
pub(crate) fn declare(publisher: &mut Publisher, declared: &[Declared]) {
    let bases: BTreeSet<&str> = declared.iter().map(|line| line.declared_base.as_str()).collect();
    for base in bases.into_iter().filter(|base| *base != "scratch") {
        let from =
            ObjectReference { kind: ReferenceKind::DockerImage, name: base.to_owned(), namespace: None };
        publisher
            .apply_class(&ClassSpec {
                name: class_of(base),
                labels: BTreeMap::new(),
                from,
                versions: clade::record::VersionSources::default(),
                rebuild: None,
            })
            .unwrap();
    }
    publisher.flush().unwrap();
}

#[test]
fn the_real_images_have_the_bases_that_an_independent_script_found() {
    let Some(data) = data() else {
        println!("SKIPPED: there is no ../shared/data with the real images");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let declared = declared(&data);
    let engine = import(dir.path(), &data, &declared);
    let mut images: HashMap<Digest, Lineage> = HashMap::new();
    lineage::each(engine.view().snapshot(), |line| {
        images.insert(line.digest, line);
        true
    });
    assert_eq!(images.len(), 40_194, "distinct images: some stand under several repositories");
    check_verdicts(&declared, &images);
    let query = Query::new(engine.view().snapshot());
    check_tags(
        &declared,
        &query.list_tags(&Filter::default(), &Page::default()).unwrap().iter().collect::<Vec<_>>(),
    );
}

fn check_verdicts(declared: &[Declared], images: &HashMap<Digest, Lineage>) {
    let mut counts: BTreeMap<(&str, Verdict), usize> = BTreeMap::new();
    for line in declared {
        let image = &images[&line.digest];
        let class = class_of(&line.declared_base);
        let depth =
            image.classes.iter().find(|standing| standing.name == class).map(|standing| standing.depth);
        let nearest = image.bases.first().map_or(0, |base| base.depth);
        let verdict = match depth {
            Some(depth) if depth >= nearest => Verdict::Agree,
            Some(_) => Verdict::Longer,
            None => Verdict::None,
        };
        *counts.entry((line.check.as_str(), verdict)).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.into_iter().map(|((check, verdict), count)| (check, verdict, count)).collect();
    println!("{counts:#?}");
    let expected = [
        ("agree: longest prefix is a version of declared base", Verdict::Agree, 35_371),
        ("declared base in data but no version is a prefix", Verdict::None, 378),
        ("declared base is a prefix, but another image is a longer prefix", Verdict::Longer, 134),
        ("declared base not in data", Verdict::None, 426),
        ("declared scratch: no prefix match", Verdict::None, 178),
    ];
    assert_eq!(counts, expected);
}

fn check_tags(declared: &[Declared], tags: &[TagItem]) {
    let bases: HashMap<Digest, &str> =
        declared.iter().map(|line| (line.digest, line.declared_base.as_str())).collect();
    let listed: BTreeSet<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
    let is_listed = |base: &str| listed.contains(base) || listed.contains(format!("{base}:latest").as_str());
    let (mut current, mut outdated) = (0, 0);
    let (mut on_gone, mut without_platform) = (Vec::new(), Vec::new());
    for tag in tags {
        for image in &tag.images {
            let Some(base) = bases.get(&image.digest) else { continue };
            let Some(standing) = image.classes.iter().find(|standing| standing.name == class_of(base)) else {
                continue;
            };
            let row = format!("{} {}: {} on {base}", tag.name, image.platform, standing.state);
            if !is_listed(base) {
                on_gone.push(row);
            } else if standing.current.is_none() {
                without_platform.push(row);
            } else if standing.state == State::Current {
                current += 1;
            } else {
                outdated += 1;
            }
        }
    }
    println!(
        "on a base whose tag is gone: {on_gone:#?}\non a base without their platform: {without_platform:#?}"
    );
    assert_eq!((current, outdated), (9_676, 117));
    assert_eq!(on_gone.len(), ON_A_BASE_THAT_IS_GONE);
    assert_eq!(without_platform.len(), ON_A_BASE_WITHOUT_THEIR_PLATFORM);
}
