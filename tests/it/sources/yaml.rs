//! Lists and objects in YAML.

use serde_json::json;

use super::Bench;
use crate::support::digest;

fn image(name: &str, layers: &[&str]) -> String {
    let layers: String = layers
        .iter()
        .map(|layer| format!("- mediaType: tar\n  name: {}\n  size: 1\n", digest(layer)))
        .collect();
    format!(
        "apiVersion: image.openshift.io/v1\ndockerImageLayers:\n{layers}dockerImageMetadata:\n  Architecture: amd64\n  \
         Os: linux\ndockerImageReference: registry/team/{name}@{0}\nkind: Image\nmetadata:\n  creationTimestamp: \
         \"2020-01-01T00:00:00Z\"\n  name: {0}\n",
        digest(name)
    )
}

fn indented(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    format!("- {first}\n") + &lines.map(|line| format!("  {line}\n")).collect::<String>()
}

#[test]
fn a_list_in_yaml_is_the_same_as_in_json() {
    let list = format!(
        "apiVersion: v1\nitems:\n{}{}kind: List\nmetadata:\n  resourceVersion: \"\"\n",
        indented(&image("base", &["A"])),
        indented(&image("app", &["A", "B"]))
    );
    let documents = format!("# images\n---\n{}---\n{}", image("base", &["A"]), image("app", &["A", "B"]));
    let windows = format!("\u{feff}{}", list.replace('\n', "\r\n"));
    let utf16: Vec<u8> = windows.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for content in [list.into_bytes(), documents.into_bytes(), windows.into_bytes(), utf16] {
        let imported = Bench::new().file("images.yaml", content).import();
        assert_eq!((imported.images(), imported.dead_letters()), (2, Vec::new()));
        assert_eq!(imported.ancestors(&digest("app").to_string()), [digest("base")]);
    }
}

#[test]
fn a_document_of_yaml_that_is_broken_costs_no_other() {
    let text = format!("{}---\nkind: Image\nmetadata: [\n---\n{}", image("a", &["A"]), image("b", &["B"]));
    let imported = Bench::new().file("images", text).import();
    let letters = imported.dead_letters();
    assert_eq!((imported.images(), letters.len()), (2, 1), "{letters:?}");
    assert!(letters[0].1.contains("not YAML"), "{letters:?}");
}

#[test]
fn an_inspected_image_may_be_yaml() {
    let text = format!(
        "- Id: {}\n  RepoTags:\n  - app:1\n  RootFS:\n    Layers:\n    - {}\n",
        digest("a"),
        digest("A")
    );
    let imported = Bench::new().file("x", text).import();
    assert_eq!(imported.query().images("app:1").unwrap(), [digest("a")]);
}

#[test]
fn aliases_that_multiply_end_at_their_budget_and_so_does_depth() {
    let mut bomb = "kind: List\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..12 {
        bomb += &format!("a{n}: &a{n} [{}]\n", [format!("*a{}", n - 1).as_str(); 9].join(", "));
    }
    let item = format!("kind: List\nx: &x {}\nitems: [{}]\n", "x".repeat(1 << 20), "*x, ".repeat(10_000));
    let deep = format!("kind: List\nitems: {}", "[".repeat(1_000_000));
    for content in [bomb, item, deep] {
        let letters = Bench::new().file("bomb.yaml", content).import().dead_letters();
        assert_eq!(letters.len(), 1);
        assert!(letters[0].1.contains("is not YAML"), "{letters:?}");
    }
}

#[test]
fn objects_of_other_kinds_are_counted_and_image_streams_come_last() {
    let stream = json!({"kind": "ImageStream", "metadata": {"name": "app", "namespace": "team"}, "status": {"tags": [
        {"tag": "1", "items": [{"created": "2020-01-01T00:00:00Z", "dockerImageReference": "x", "image": digest("app")}]}]}});
    let text = format!("{stream}\n---\nkind: Deployment\n---\n{}", image("app", &["A"]));
    let imported = Bench::new().file("x.yaml", text.replace("}\n---", "}\n\n---")).import();
    assert_eq!((imported.counts.images, imported.counts.tags), (1, 1), "{:?}", imported.dead_letters());
}
