//! The usage of a class: what its lists have, counted.

use std::collections::BTreeMap;
use std::ops::AddAssign as _;
use std::sync::Arc;

use clade::query::answer::{RepositoryUsage, Usage};
use clade::query::{Filter, Page, Query};
use clade::record::State;
use clade::view::View;

use crate::history::{publish, random_fact};
use crate::support::{World, digest};

/// The same counts from the lists.
fn counted(view: &Arc<View>, class: &str) -> Usage {
    let query = || Query::new(view.snapshot());
    let filter = Filter { class: Some(class.to_owned()), ..Filter::default() };
    let mut repositories: BTreeMap<String, RepositoryUsage> = BTreeMap::new();
    let (mut images, mut outdated, mut tags) = (0, 0, 0);
    for image in query().list_images(&filter, &Page::default()).unwrap().iter() {
        let is_outdated = image.classes.iter().any(|of| of.name == class && of.state == State::Outdated);
        images += 1;
        outdated += u64::from(is_outdated);
        for name in image.repositories {
            let usage = repositories.entry(name).or_default();
            usage.images += 1;
            usage.outdated += u64::from(is_outdated);
        }
    }
    for tag in query().list_tags(&filter, &Page::default()).unwrap().iter() {
        tags += 1;
        let (repository, _) = tag.name.rsplit_once(':').unwrap();
        repositories.entry(repository.to_owned()).or_default().tags.get_or_insert_default().add_assign(1);
    }
    let repositories: Vec<RepositoryUsage> = repositories
        .into_iter()
        .map(|(name, usage)| RepositoryUsage { name, tags: usage.tags.or(Some(0)), ..usage })
        .collect();
    let mut namespaces: Vec<String> =
        repositories.iter().filter_map(|usage| Some(usage.name.rsplit_once('/')?.0.to_owned())).collect();
    namespaces.dedup();
    let (running, running_outdated) = (None, None);
    let (class, tags) = (class.to_owned(), Some(tags));
    Usage { at: None, class, images, outdated, tags, running, running_outdated, repositories, namespaces }
}

#[test]
fn the_usage_of_a_class_is_what_its_lists_have() {
    let mut members = 0;
    for seed in 0..40 {
        let (mut world, mut random, mut second) = (World::new(), fastrand::Rng::with_seed(seed), 0);
        for _ in 0..80 {
            publish(&mut world.publisher, &random_fact(&mut random, &mut second)).unwrap();
        }
        world.process();
        for class in Query::new(world.view.snapshot()).list_classes(None).unwrap() {
            let name = class.metadata.name;
            let usage = Query::new(world.view.snapshot()).usage(&name, true).unwrap();
            assert_eq!(usage, counted(&world.view, &name), "seed {seed}, {name}");
            let mut without_tags = Usage { tags: None, ..usage.clone() };
            without_tags.repositories.retain(|of| of.images > 0);
            without_tags.repositories.iter_mut().for_each(|of| of.tags = None);
            let namespace = |of: &RepositoryUsage| Some(of.name.rsplit_once('/')?.0.to_owned());
            without_tags.namespaces = without_tags.repositories.iter().filter_map(namespace).collect();
            without_tags.namespaces.dedup();
            let found = Query::new(world.view.snapshot()).usage(&name, false).unwrap();
            assert_eq!(found, without_tags, "seed {seed}, {name}");
            members += usage.images;
            let status = class.status;
            let of_versions = status.current.iter().chain(&status.history).map(|version| version.members);
            assert_eq!(of_versions.sum::<u64>(), usage.images, "seed {seed}, {name}");
        }
    }
    assert!(members > 500, "{members}");
}

#[test]
fn a_tag_that_one_partition_has_and_another_has_heard_of_counts_once() {
    let mut world = World::new();
    // First layers that lie in different partitions.
    let found = |world: &mut World, image: &str| {
        world.process();
        world.view.snapshot().locate(&digest(image)).unwrap().partition()
    };
    let layers: Vec<String> = (0..20).map(|number| format!("layer {number}")).collect();
    for layer in &layers {
        world.images(&[(layer, &[layer])]);
    }
    let one = found(&mut world, &layers[0]);
    let other = layers.iter().find(|layer| found(&mut world, layer) != one).unwrap().clone();
    world.tag("base:1", &[&layers[0], &other]).class("base", "base:1");
    world.tag("app:1", &[&layers[0]]).process();
    let there = found(&mut world, &other);
    world.tag("app:1", &[&other]).process_only(there);
    let usage = Query::new(world.view.snapshot()).usage("base", true).unwrap();
    assert_eq!(usage.tags, Some(2), "base:1 and app:1");
}
