//! Live sources: what one lists no longer is gone, also when nobody was there to see it go.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use clade::log::SharedLog;
use clade::log::memory::{Faults, MemoryLog};
use clade::observe::{Listing, Observation, Polled};
use clade::publisher::Publisher;
use clade::record::{BuildConfigRecord, ImageRecord, TagRecord, Timestamp};

use crate::support::{digest, fold, image, tag};

fn log() -> SharedLog {
    Arc::new(MemoryLog::new(3, Faults::none()))
}

/// A publisher as after a restart.
fn publisher(log: &SharedLog) -> Publisher {
    Publisher::restore(SharedLog::clone(log), || Timestamp::from_second(1_000).unwrap()).unwrap()
}

fn publish(log: &SharedLog, observations: impl IntoIterator<Item = Observation>) {
    let mut publisher = publisher(log);
    for observation in observations {
        publisher.observe(observation).unwrap();
    }
    publisher.flush().unwrap();
}

fn image_of(name: &str, sources: &[&str]) -> Observation {
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    Observation::Image(Box::new(ImageRecord { sources, ..image(name, &["A", name]) }))
}

fn repository(source: &str, repository: &str, tags: Vec<Observation>) -> Observation {
    let tags = tags.into_iter().map(|tag| match tag {
        Observation::Tag(tag) => clade::observe::ObservedTag { source: Some(source.to_owned()), ..tag },
        other => panic!("{other:?} is no tag"),
    });
    Observation::Repository {
        source: source.to_owned(),
        repository: repository.to_owned(),
        tags: tags.collect(),
    }
}

fn listed(source: &str, images: &[&str]) -> Observation {
    Observation::Listed(source.to_owned(), Listing::Images(images.iter().map(|name| digest(name)).collect()))
}

fn images(log: &SharedLog) -> Vec<String> {
    let mut names: Vec<String> = fold::<ImageRecord>(&**log).into_keys().collect();
    names.sort_unstable();
    names
}

fn digests(names: &[&str]) -> Vec<String> {
    let mut digests: Vec<String> = names.iter().map(|name| digest(name).to_string()).collect();
    digests.sort_unstable();
    digests
}

#[test]
fn an_image_that_was_deleted_while_nobody_watched_is_gone_after_the_next_listing() {
    let log = log();
    publish(&log, [image_of("a", &["kubernetes"]), image_of("b", &["kubernetes"])]);
    publish(&log, [image_of("b", &["kubernetes"]), listed("kubernetes", &["b"])]);
    assert_eq!(images(&log), digests(&["b"]));
}

#[test]
fn a_listing_takes_away_what_is_its_own_and_nothing_else() {
    let log = log();
    publish(
        &log,
        [
            image_of("file", &[]),
            image_of("here", &["one.example"]),
            image_of("there", &["two.example"]),
            image_of("both", &["one.example"]),
            image_of("both", &["two.example"]),
        ],
    );
    publish(&log, [listed("one.example", &[])]);
    assert_eq!(images(&log), digests(&["file", "there", "both"]));
    assert_eq!(fold::<ImageRecord>(&*log)[&digest("both").to_string()].sources, ["two.example"]);
    publish(&log, [Observation::ImageGoneFrom("two.example".to_owned(), digest("both"))]);
    assert_eq!(images(&log), digests(&["file", "there"]));
}

#[test]
fn what_was_imported_stays_when_a_live_source_lets_it_go() {
    let log = log();
    publish(&log, [image_of("both", &[])]);
    publish(&log, [image_of("both", &["kubernetes"]), listed("kubernetes", &["both"])]);
    publish(&log, [listed("kubernetes", &[])]);
    assert_eq!(images(&log), digests(&["both"]));
}

#[test]
fn what_a_live_source_has_now_counts_whatever_the_clocks_say() {
    let log = log();
    let now = |image| repository("kubernetes", "team/app", vec![tag("team/app:v1", 1, &[image])]);
    publish(&log, [image_of("a", &["kubernetes"]), image_of("b", &["kubernetes"]), now("a")]);
    publish(&log, [now("b")]);
    publish(&log, [now("a")]);
    assert_eq!(fold::<TagRecord>(&*log)["team/app:v1"].current.digest, Some(digest("a")));
}

#[test]
fn a_listing_that_says_what_is_published_writes_nothing() {
    let log = log();
    let all = || {
        [
            image_of("a", &["kubernetes"]),
            repository("kubernetes", "team/app", vec![tag("team/app:v1", 1, &["a"])]),
            listed("kubernetes", &["a"]),
        ]
    };
    publish(&log, all());
    let mut publisher = publisher(&log);
    all().into_iter().for_each(|observation| publisher.observe(observation).unwrap());
    publisher.flush().unwrap();
    let counts = publisher.counts();
    assert_eq!((counts.images, counts.tags), (0, 0));
}

#[test]
fn a_tag_that_its_repository_has_no_longer_leads_nowhere_and_keeps_its_history() {
    let log = log();
    let both = vec![tag("team/app:v1", 1, &["a"]), tag("team/app:v2", 2, &["a"])];
    publish(&log, [image_of("a", &["kubernetes"]), repository("kubernetes", "team/app", both)]);
    publish(&log, [repository("kubernetes", "team/app", vec![tag("team/app:v2", 2, &["a"])])]);
    let tags = fold::<TagRecord>(&*log);
    assert_eq!(tags["team/app:v1"].current.digest, None);
    assert_eq!(tags["team/app:v1"].history[0].digest, Some(digest("a")));
    assert_eq!(tags["team/app:v2"].current.digest, Some(digest("a")));
    let none = Listing::Repositories(HashSet::new());
    publish(&log, [Observation::Listed("kubernetes".to_owned(), none)]);
    assert_eq!(fold::<TagRecord>(&*log)["team/app:v2"].current.digest, None);
}

#[test]
fn a_tag_that_comes_back_as_it_was_is_back() {
    let log = log();
    let here = || repository("kubernetes", "team/app", vec![tag("team/app:v1", 1, &["a"])]);
    publish(&log, [image_of("a", &["kubernetes"]), here()]);
    publish(&log, [repository("kubernetes", "team/app", Vec::new())]);
    publish(&log, [here()]);
    assert_eq!(fold::<TagRecord>(&*log)["team/app:v1"].current.digest, Some(digest("a")));
}

#[test]
fn a_build_config_is_written_once_and_goes_when_it_is_listed_no_longer() {
    let log = log();
    let config = || {
        let record = serde_json::json!({
            "namespace": "team", "name": "app", "sequence": 0, "source": "kubernetes", "lastVersion": 3
        });
        Observation::BuildConfig(Box::new(serde_json::from_value::<BuildConfigRecord>(record).unwrap()))
    };
    publish(&log, [config()]);
    let before = fold::<BuildConfigRecord>(&*log);
    assert_eq!(before["team/app"].last_version, 3);
    publish(&log, [config()]);
    assert_eq!(fold::<BuildConfigRecord>(&*log), before);
    let none = Listing::BuildConfigs(HashSet::new());
    publish(&log, [Observation::Listed("kubernetes".to_owned(), none)]);
    assert_eq!(fold::<BuildConfigRecord>(&*log).len(), 0);
}

/// What time it is for the test below.
static NOW: AtomicI64 = AtomicI64::new(1_000);

fn clock() -> Timestamp {
    Timestamp::from_second(NOW.load(Ordering::Relaxed)).unwrap()
}

/// An image for one platform of a version of the base.
fn image_on(name: &str, layers: &[&str], architecture: &str) -> Observation {
    let platform = clade::oci::Platform::new("linux", architecture);
    Observation::Image(Box::new(ImageRecord { platform, ..image(name, layers) }))
}

#[test]
fn a_base_that_is_pushed_platform_by_platform_is_one_version_for_its_class() {
    let log = log();
    let restore = || {
        Publisher::restore(SharedLog::clone(&log), clock)
            .unwrap()
            .settling(std::time::Duration::from_secs(30))
    };
    let mut publisher = restore();
    let observe = |publisher: &mut Publisher, observations: Vec<Observation>| {
        observations.into_iter().for_each(|observation| publisher.observe(observation).unwrap());
        publisher.settle();
        publisher.flush().unwrap();
    };
    let following = |publisher: &Publisher| {
        let class = publisher.catalog().class("base").unwrap();
        (class.record.versions, class.record.current, class.record.following.reason.clone())
    };
    let tags = |items: &[(i64, &[&str])]| {
        let tags: Vec<Observation> =
            items.iter().map(|(at, images)| tag("base:latest", *at, images)).collect();
        let items = tags.into_iter().flat_map(|tag| match tag {
            Observation::Tag(tag) => tag.items,
            other => panic!("{other:?} is no tag"),
        });
        let tag = clade::observe::ObservedTag {
            source: Some("kubernetes".to_owned()),
            repository: "base".to_owned(),
            tag: "latest".to_owned(),
            items: items.collect(),
            complete: false,
        };
        vec![Observation::Repository {
            source: "kubernetes".to_owned(),
            repository: "base".to_owned(),
            tags: vec![tag],
        }]
    };
    observe(
        &mut publisher,
        vec![
            image_on("old amd64", &["A"], "amd64"),
            image_on("old arm64", &["B"], "arm64"),
            image_on("new amd64", &["C"], "amd64"),
            image_on("new arm64", &["D"], "arm64"),
        ],
    );
    let old: (i64, &[&str]) = (900, &["old amd64", "old arm64"]);
    observe(&mut publisher, tags(&[old]));
    publisher.apply_class(&crate::support::class("base", "base:latest", &[])).unwrap();
    publisher.flush().unwrap();
    assert_eq!(following(&publisher), (1, Some(0), "Following".to_owned()), "the first counts at once");

    let half: (i64, &[&str]) = (1_000, &["new amd64", "old arm64"]);
    observe(&mut publisher, tags(&[old, half]));
    assert_eq!(following(&publisher), (1, Some(0), "Settling".to_owned()));
    NOW.store(1_010, Ordering::Relaxed);
    let whole: (i64, &[&str]) = (1_010, &["new amd64", "new arm64"]);
    observe(&mut publisher, tags(&[old, half, whole]));
    NOW.store(1_039, Ordering::Relaxed);
    // Also for one that begins anew meanwhile.
    drop(publisher);
    let mut publisher = restore();
    observe(&mut publisher, Vec::new());
    assert_eq!(following(&publisher), (1, Some(0), "Settling".to_owned()));
    NOW.store(1_040, Ordering::Relaxed);
    observe(&mut publisher, Vec::new());
    assert_eq!(following(&publisher), (3, Some(2), "Following".to_owned()));
}

fn polled(look: u64, seen: Polled) -> Observation {
    Observation::Polled { source: "one.example".to_owned(), look, seen }
}

fn polled_tags(look: u64, names: &[&str]) -> Observation {
    let tags = names.iter().map(|name| match tag(&format!("one.example/app:{name}"), 1, &["a"]) {
        Observation::Tag(tag) => {
            clade::observe::ObservedTag { source: Some("one.example".to_owned()), ..tag }
        }
        other => panic!("{other:?} is no tag"),
    });
    polled(look, Polled::Repository("one.example/app".to_owned(), tags.collect()))
}

fn everything(look: u64, repositories: &[&str], images: &[&str], unseen: &[&str]) -> Observation {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let images = images.iter().map(|name| digest(name)).collect();
    polled(look, Polled::Everything { repositories: owned(repositories), images, unseen: owned(unseen) })
}

fn living_tags(log: &SharedLog) -> usize {
    fold::<TagRecord>(&**log).values().filter(|tag| tag.current.digest.is_some()).count()
}

#[test]
fn a_repository_that_vanishes_at_once_is_believed_when_a_second_look_misses_it_too() {
    let log = log();
    let mut publisher = publisher(&log);
    let mut see = |observation: Observation| {
        publisher.observe(observation).unwrap();
        publisher.flush().unwrap();
        (living_tags(&log), images(&log).len())
    };
    see(image_of("a", &["one.example"]));
    assert_eq!(see(polled_tags(1, &["1", "2", "3", "4", "5", "6"])), (6, 1));
    assert_eq!(see(polled_tags(2, &["1", "2", "3", "4", "5"])), (5, 1), "one tag is gone at once");
    assert_eq!(see(polled_tags(3, &["1"])), (5, 1), "most of them are not");
    assert_eq!(see(polled_tags(4, &["1", "2", "3", "4", "5"])), (5, 1));
    assert_eq!(see(polled_tags(5, &["1"])), (5, 1), "they had come back meanwhile");
    assert_eq!(see(polled_tags(6, &["1"])), (1, 1));
    assert_eq!(see(everything(7, &[], &[], &[])), (1, 1));
    assert_eq!(see(everything(7, &[], &[], &[])), (1, 1), "the same look told twice is one look");
    assert_eq!(see(everything(8, &[], &[], &[])), (0, 0));
}

#[test]
fn what_could_not_be_looked_at_keeps_its_tags_and_images() {
    let log = log();
    let mut publisher = publisher(&log);
    let of = |name: &str, repository: &str| {
        let sources = vec!["one.example".to_owned()];
        let repositories = vec![format!("one.example/{repository}")];
        Observation::Image(Box::new(ImageRecord { sources, repositories, ..image(name, &["A", name]) }))
    };
    publisher.observe(of("a", "app")).unwrap();
    publisher.observe(of("b", "other")).unwrap();
    publisher.observe(polled_tags(1, &["1"])).unwrap();
    let unknown = clade::observe::ObservedTag {
        source: Some("one.example".to_owned()),
        repository: "one.example/app".to_owned(),
        tag: "1".to_owned(),
        items: Vec::new(),
        complete: false,
    };
    publisher.observe(polled(2, Polled::Repository("one.example/app".to_owned(), vec![unknown]))).unwrap();
    let both = ["one.example/app", "one.example/other"];
    publisher.observe(everything(2, &both, &[], &["one.example/app"])).unwrap();
    publisher.flush().unwrap();
    assert_eq!((living_tags(&log), images(&log)), (1, digests(&["a"])));
}

#[test]
fn a_tag_of_another_source_keeps_no_image_of_a_source_that_has_deleted_it() {
    let log = log();
    let mut publisher = publisher(&log);
    let imported = tag("one.example/app:imported", 1, &["a"]);
    for seen in [image_of("a", &["one.example"]), image_of("b", &["one.example"]), imported] {
        publisher.observe(seen).unwrap();
    }
    publisher.flush().unwrap();
    publisher.observe(everything(1, &["one.example/app"], &["b"], &[])).unwrap();
    publisher.flush().unwrap();
    assert_eq!(images(&log), digests(&["b"]));
}
