//! One name, written in several ways.

use clade::oci::Digest;
use clade::record::{ObjectReference, ReferenceKind};
use serde_json::json;

use super::{Bench, image_line};
use crate::support::{class, digest};
use crate::workers::publisher;

const OF_PHP: [&str; 4] = ["docker.io/library/php", "index.docker.io/library/php", "library/php", "php"];

fn seen_as(repository: &str) -> super::Imported {
    let line = |name: &str, layers: &[&str]| {
        let mut line = image_line(name, layers);
        line["repository"] = json!(repository);
        line
    };
    let tag = json!({"seen": "2024-01-01T00:00:00Z", "repository": repository, "tag": "8", "event": "set",
        "manifests": [{"digest": digest("base")}]});
    Bench::new().lines("all.jsonl", &[line("base", &["A"]), line("app", &["A", "B"]), tag]).import()
}

#[test]
fn a_name_of_docker_hub_is_found_in_each_of_its_spellings() {
    for seen in OF_PHP {
        let imported = seen_as(seen);
        let mut publisher = publisher(&imported.engine);
        for (number, asked) in OF_PHP.iter().enumerate() {
            let found: Vec<Digest> = imported.query().images(&format!("{asked}:8")).unwrap();
            assert_eq!(found, [digest("base")], "{asked} of {seen}");
            let mut of = class(&format!("php{number}"), "unused:1", &[]);
            let name = format!("{asked}:8");
            of.from = ObjectReference { kind: ReferenceKind::DockerImage, name, namespace: None };
            publisher.apply_class(&of).unwrap();
        }
        publisher.flush().unwrap();
        for (number, asked) in OF_PHP.iter().enumerate() {
            let class = imported.query().list_classes(Some(&format!("php{number}"))).unwrap().remove(0);
            assert_eq!(class.status.members, 2, "{asked} of {seen}");
        }
    }
    assert!(seen_as("quay.io/library/php").query().images("php:8").is_err());
}

#[test]
fn the_registry_of_a_cluster_by_its_address_has_the_tags_of_its_streams() {
    let stream = json!({"kind": "ImageStream", "metadata": {"name": "php", "namespace": "team"}, "status": {
        "dockerImageRepository": "172.30.1.1:5000/team/php",
        "tags": [{"tag": "8", "items": [{"created": "2024-01-01T00:00:00Z", "image": digest("base")}]}]}});
    let image = |name: &str, layers: &[&str]| {
        let layers: Vec<_> = layers.iter().map(|layer| json!({"name": digest(layer)})).collect();
        json!({"kind": "Image", "metadata": {"name": digest(name)}, "dockerImageLayers": layers})
    };
    let items = [image("base", &["A"]), image("app", &["A", "B"]), stream];
    let imported =
        Bench::new().file("all.json", json!({"kind": "List", "items": items}).to_string()).import();
    let mut publisher = publisher(&imported.engine);
    for (number, host) in
        ["172.30.1.1:5000", "image-registry.openshift-image-registry.svc:5000"].into_iter().enumerate()
    {
        let name = format!("{host}/team/php:8");
        assert_eq!(imported.query().images(&name).unwrap(), [digest("base")]);
        let mut of = class(&format!("php{number}"), "unused:1", &[]);
        of.from = ObjectReference { kind: ReferenceKind::DockerImage, name, namespace: None };
        publisher.apply_class(&of).unwrap();
    }
    publisher.flush().unwrap();
    for name in ["php0", "php1"] {
        assert_eq!(imported.query().list_classes(Some(name)).unwrap().remove(0).status.members, 2, "{name}");
    }
    assert!(imported.query().images("172.30.9.9:5000/team/php:8").is_err());
}
