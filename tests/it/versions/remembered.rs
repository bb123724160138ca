//! Versions that the status of a class still has when the log is new.

use clade::observe::{Observation, ObservedVersion};
use clade::oci::{LayerIdentity, Platform};
use clade::record::catalog::ImageChain;
use clade::record::{DeadLetterRecord, Origin, Timestamp};

use super::{FOLLOWED, built, origins};
use crate::domain::{CURRENT, OUTDATED};
use crate::support::{World, class, digest, fold, image};

/// A version with one image that has these layers.
fn version(name: &str, layers: &[&str], since: i64) -> ObservedVersion {
    let image = image(name, layers);
    let layers = image.layers.iter().map(|layer| layer.digest).collect();
    let chain = ImageChain::new(image.digest, Platform::default(), LayerIdentity::Blob, layers, Vec::new());
    ObservedVersion {
        tag: FOLLOWED.to_owned(),
        digest: image.digest,
        since: Some(Timestamp::from_second(since).unwrap()),
        built: None,
        images: vec![chain.unwrap()],
    }
}

/// A new log that sees what the status of the class *base* has, and then the class.
fn declare(world: &mut World, versions: Vec<ObservedVersion>) {
    world.see(Observation::ClassHistory("base".to_owned(), versions.into_iter().map(Ok).collect()));
    world.see(Observation::Class(Box::new(class("base", FOLLOWED, &[]))));
}

#[test]
fn they_count_once_the_class_has_a_current_version_and_not_before() {
    let mut world = World::new();
    declare(&mut world, vec![version("v2", &["B"], 20), version("v1", &["A"], 10)]);
    world.see(built("v2", &["B"], 2)).images(&[("app1", &["A", "X"]), ("app2", &["B", "X"])]);
    assert_eq!(world.state("app1", "base"), None, "nobody knows what is current");
    world.tag(FOLLOWED, &["v2"]);
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(world.state("app2", "base"), Some((CURRENT, digest("v2"))));
    assert_eq!(origins(&mut world), [(digest("v2"), Origin::Observed), (digest("v1"), Origin::History)]);
}

#[test]
fn they_count_also_if_the_tag_was_there_before_the_class_and_if_it_has_moved_on() {
    let mut world = World::new();
    world
        .see(built("v3", &["C"], 3))
        .images(&[("app1", &["A", "X"]), ("app2", &["B", "X"])])
        .tag(FOLLOWED, &["v3"]);
    declare(&mut world, vec![version("v2", &["B"], 20), version("v1", &["A"], 10)]);
    assert_eq!(world.state("app1", "base"), Some((OUTDATED, digest("v1"))));
    assert_eq!(world.state("app2", "base"), Some((OUTDATED, digest("v2"))));
}

#[test]
fn a_class_that_has_versions_on_the_log_knows_better() {
    let mut world = World::new();
    world.see(built("v2", &["B"], 2)).images(&[("app1", &["A", "X"])]).tag(FOLLOWED, &["v2"]);
    declare(&mut world, Vec::new());
    declare(&mut world, vec![version("v1", &["A"], 10)]);
    assert_eq!(world.state("app1", "base"), None);
}

#[test]
fn a_class_that_is_deleted_takes_them_with_it() {
    let mut world = World::new();
    declare(&mut world, vec![version("v1", &["A"], 10)]);
    world.see(Observation::ClassGone("base".to_owned()));
    world.see(Observation::Class(Box::new(class("base", FOLLOWED, &[]))));
    world.see(built("v2", &["B"], 2)).images(&[("app1", &["A", "X"])]).tag(FOLLOWED, &["v2"]);
    assert_eq!(world.state("app1", "base"), None);
}

#[test]
fn one_that_is_newer_than_the_current_version_or_cannot_be_read_is_a_dead_letter() {
    let mut world = World::new();
    let versions = vec![Ok(version("v9", &["Z"], 900)), Err("version x in the status: no digest".to_owned())];
    world.see(Observation::ClassHistory("base".to_owned(), versions));
    world.see(Observation::Class(Box::new(class("base", FOLLOWED, &[]))));
    world.see(built("v2", &["B"], 2)).images(&[("app9", &["Z", "X"])]).tag(FOLLOWED, &["v2"]);
    assert_eq!(world.state("app9", "base"), None);
    let letters: Vec<DeadLetterRecord> = fold(&*world.log).into_values().collect();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("began after the current version")), "{reasons:?}");
}

#[test]
fn an_empty_status_takes_back_what_an_earlier_one_had() {
    let mut world = World::new();
    declare(&mut world, vec![version("v1", &["A"], 10)]);
    declare(&mut world, Vec::new());
    world.see(built("v2", &["B"], 2)).images(&[("app1", &["A", "X"])]).tag(FOLLOWED, &["v2"]);
    assert_eq!(world.state("app1", "base"), None);
}
