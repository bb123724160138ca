//! Files that clade does not read: it says what they are.

use serde_json::json;

use super::archives::Archive;
use super::packed::{gzip, xz};
use super::{Bench, image_line};
use crate::support::digest;

/// Files that are not read, and words of their descriptions.
fn others() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let layers = json!([{"digest": digest("A"), "size": 1}]);
    let pretty = |value| serde_json::to_vec_pretty(&value).unwrap();
    vec![
        (
            "syft",
            pretty(json!({"artifacts": [{"id": "1"}], "source": {"metadata": {"layers": layers}}})),
            "syft",
        ),
        ("cyclonedx", pretty(json!({"bomFormat": "CycloneDX", "components": []})), "CycloneDX"),
        ("package.json", pretty(json!({"name": "x", "version": "1"})), "with the fields name, version"),
        ("history.json", pretty(json!([{"id": "x", "created": 1}])), "with the fields created, id"),
        ("buildah.json", pretty(json!([{"id": "x", "createdatraw": 1}])), "`buildah images`"),
        ("inspect.json", pretty(json!({"FromImageID": "x", "Config": "{}"})), "`buildah inspect` prints"),
        (
            "podman.json",
            pretty(json!([{"RepoTags": null, "SharedSize": 1}])),
            "`podman inspect` prints of them",
        ),
        ("Chart.yaml", b"apiVersion: v2\nname: x\nversion: 1.0.0\n".to_vec(), "Helm chart"),
        (
            "template.yaml",
            b"kind: Deployment\nmetadata:\n  name: {{ .Name }}\n".to_vec(),
            "template of a Helm",
        ),
        ("compose.yaml", b"services:\n  web:\n    image: x\n".to_vec(), "Compose file"),
        ("values.yaml", b"image: x\n".to_vec(), "looks like YAML and has no kind"),
        ("README.md", b"# A title\n\nText.\n".to_vec(), "neither JSON nor YAML"),
        ("empty", Vec::new(), "an empty file"),
        ("picture", b"\x89PNG\r\n\x1a\n\0\0".to_vec(), "a picture (PNG)"),
        ("images.bz2", b"BZh91AY&SY".to_vec(), "bzip2"),
        ("images.zip", b"PK\x03\x04\x14\0".to_vec(), "a zip archive: unpack it first"),
        ("twice.xz", xz(&gzip(b"{}")), "gzip inside of another compression"),
        ("class.yaml", b"kind: ImageClass\nmetadata: {name: x}\n".to_vec(), "use `clade apply -f`"),
        ("group.json", pretty(json!({"kind": "ImageClassGroup"})), "use `clade apply -f`"),
    ]
}

#[test]
fn a_file_that_is_named_and_not_read_is_an_error_that_says_what_it_is() {
    for (name, content, told) in others() {
        let bench = Bench::new();
        bench.file(name, content);
        let path = bench.files.path().join(name);
        let error = clade::source::find(std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(error.contains(told) && error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_folder_is_read_and_each_other_file_in_it_is_told_with_what_it_is() {
    let bench = Bench::new();
    for (name, content, _) in others() {
        bench.file(name, content);
    }
    bench.file(".hidden", "x").lines("images.jsonl", &[image_line("app", &["A"])]);
    let found = clade::source::find(&[bench.files.path().to_owned()]).unwrap();
    assert_eq!(found.inputs.len(), 1);
    assert_eq!(found.passed_over.len(), others().len());
    for (name, _, told) in others() {
        let of = found.passed_over.iter().find(|of| of.path.ends_with(name)).unwrap();
        assert!(of.reason.contains(told), "{name}: {}", of.reason);
    }
    let imported = bench.import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
}

#[test]
fn an_archive_without_images_says_what_it_is() {
    let json = json!({});
    for (archive, told) in [
        (Archive::new().file("x/Chart.yaml", b"name: x"), "a Helm chart"),
        (Archive::new().file("etc/passwd", b"root"), "a file system or a layer alone"),
        (Archive::new().file("1/layer.tar", b"x").json("repositories", &json), "before version 1.10"),
        (Archive::new().file("text", b"x"), "a tar archive without manifest.json or index.json"),
    ] {
        let letters = Bench::new().file("a.tgz", gzip(&archive.finish())).import().dead_letters();
        assert_eq!(letters.len(), 1);
        assert!(letters[0].1.contains(told), "{letters:?}");
    }
}

#[test]
fn a_declaration_among_objects_says_where_it_belongs() {
    let list = json!({"kind": "List", "items": [{"kind": "Image", "metadata": {"name": digest("a")}},
        {"kind": "ImageClass", "metadata": {"name": "x"}}]});
    let letters = Bench::new().file("x", list.to_string()).import().dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].1.contains("ImageClass x: is declared with `clade apply -f`"), "{letters:?}");
}
