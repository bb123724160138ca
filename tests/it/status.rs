//! One status: the API, the custom resource and the command line say the same of a class, whatever has become of its tag.

use std::collections::BTreeMap;
use std::process::Command;

use clade::class::Count;
use clade::kubernetes::status_of;
use clade::query::Query;
use clade::query::answer::ClassItem;
use clade::record::ClassificationRecord;
use serde_json::Value;

use crate::support::{class, fold, image, tag};
use crate::workers::{publisher, start};
use clade::observe::Observation;

/// A class by what has become of the tag that it follows: `Ready`, `Following` and why, versions, members, outdated members.
const CASES: &[(&str, [&str; 3], [u64; 3])] = &[
    ("unseen", ["False", "False", "NotFound"], [0, 0, 0]),
    ("followed", ["True", "True", "Following"], [1, 2, 0]),
    ("gone", ["True", "False", "TagGone"], [1, 1, 0]),
    ("rolled-back", ["True", "True", "Following"], [3, 3, 1]),
    ("layerless", ["False", "False", "NoLayers"], [0, 0, 0]),
];

fn observations() -> Vec<Observation> {
    let images: &[(&str, &[&str])] = &[
        ("followed 1", &["f"]),
        ("app on followed", &["f", "app"]),
        ("gone 1", &["g"]),
        ("rolled-back 1", &["r"]),
        ("rolled-back 2", &["r", "r2"]),
        ("app on rolled-back 1", &["r", "app"]),
        ("layerless 1", &[]),
    ];
    let images = images.iter().map(|(name, layers)| Observation::Image(Box::new(image(name, layers))));
    let tags: &[(&str, i64, &[&str])] = &[
        ("test/followed:latest", 10, &["followed 1"]),
        ("test/gone:latest", 10, &["gone 1"]),
        ("test/gone:latest", 20, &[]),
        ("test/rolled-back:latest", 10, &["rolled-back 1"]),
        ("test/rolled-back:latest", 20, &["rolled-back 2"]),
        ("test/rolled-back:latest", 30, &["rolled-back 1"]),
        ("test/layerless:latest", 10, &["layerless 1"]),
    ];
    images.chain(tags.iter().map(|(name, second, images)| tag(name, *second, images))).collect()
}

fn condition<'a>(conditions: impl IntoIterator<Item = &'a Value>, kind: &str) -> (String, String) {
    let found = conditions.into_iter().find(|of| of["type"] == kind).unwrap();
    (found["status"].as_str().unwrap().to_owned(), found["reason"].as_str().unwrap().to_owned())
}

/// Both conditions and the numbers of a status, in the form that API and custom resource have in common.
fn told(status: &Value) -> ([String; 3], u64) {
    let conditions = status["conditions"].as_array().unwrap();
    let (ready, _) = condition(conditions, "Ready");
    let (following, why) = condition(conditions, "Following");
    let earlier = status["history"].as_array().map_or(0, Vec::len) as u64;
    ([ready, following, why], earlier + u64::from(status.get("current").is_some_and(|of| !of.is_null())))
}

#[test]
fn the_api_the_custom_resource_and_the_command_line_say_the_same_of_every_class() {
    let dir = tempfile::tempdir().unwrap();
    let engine = start(dir.path(), Default::default(), &Default::default());
    let mut publisher = publisher(&engine);
    for seen in observations() {
        publisher.observe(seen).unwrap();
    }
    for (name, ..) in CASES {
        publisher.apply_class(&class(name, &format!("test/{name}:latest"), &[])).unwrap();
    }
    publisher.apply_class(&class("deleted", "test/followed:latest", &[])).unwrap();
    publisher.flush().unwrap();
    publisher.delete_class("deleted").unwrap();
    publisher.flush().unwrap();
    engine.catch_up(|_| {}).unwrap();

    let items: BTreeMap<String, ClassItem> = Query::new(engine.view().snapshot())
        .list_classes(None)
        .unwrap()
        .into_iter()
        .map(|item| (item.metadata.name.clone(), item))
        .collect();
    let mut labelled: BTreeMap<String, Count> = BTreeMap::new();
    for record in fold::<ClassificationRecord>(&**engine.log()).into_values() {
        for member in &*record.classes {
            labelled.entry(member.name.clone()).or_default().add(member.state);
        }
    }
    let catalog = publisher.catalog().clone();
    drop((publisher, engine));
    let output = Command::new(env!("CARGO_BIN_EXE_clade"))
        .args(["--data-dir", dir.path().to_str().unwrap(), "get", "classes"])
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: BTreeMap<&str, Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|cells| (cells[0], cells))
        .collect();

    assert_eq!(items.len(), CASES.len(), "a deleted class is nowhere: {:?}", items.keys());
    assert_eq!(rows.len(), CASES.len(), "{table}");
    assert!(catalog.class("deleted").is_none());
    for (name, conditions, [versions, members, outdated]) in CASES {
        let expected = conditions.map(str::to_owned);
        let item = serde_json::to_value(&items[*name].status).unwrap();
        assert_eq!(told(&item), (expected.clone(), *versions), "the API, of {name}: {item}");
        assert_eq!(
            (&item["members"], &item["outdated"]),
            (&(*members).into(), &(*outdated).into()),
            "{name}"
        );
        let resource = status_of(name, &catalog).unwrap();
        assert_eq!(told(&resource), (expected, *versions), "the custom resource, of {name}: {resource}");
        assert_eq!(resource.get("versions"), Some(&(*versions).into()), "{name}");
        assert_eq!(resource["current"]["digest"], item["current"]["digest"], "{name}");
        let count = labelled.get(*name).copied().unwrap_or_default();
        assert_eq!((count.members, count.outdated), (*members, *outdated), "the labeler, of {name}");
        let row = &rows[name];
        let [ready, _, why] = conditions;
        let cells = [versions.to_string(), members.to_string(), outdated.to_string()];
        assert_eq!(row[3..6], cells, "the table, of {name}: {table}");
        assert_eq!(row[7..9], [*ready, *why], "the table, of {name}: {table}");
    }
}
