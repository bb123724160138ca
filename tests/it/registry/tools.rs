//! Images as buildah and podman build and push them by themselves, in two registries, and as podman, buildah, skopeo and
//! umoci save them: see `tests/registry/build.sh`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clade::oci::Digest;
use serde_json::{Value, json};

use super::{Clade, Registry, eventually, ok, script};

/// The tags of images that are built on base/os by their layers, and its own.
const ON_OS: [&str; 10] = [
    "base/os:latest",
    "team/app:1",
    "team/chunked:1",
    "team/docker:1",
    "team/flat:1",
    "team/layers:1",
    "team/listed:1",
    "team/multi:1",
    "team/multistage:1",
    "team/zstd:1",
];

/// Builds and pushes. Returns the digest of each pushed tag.
fn build(registry: &Registry, dir: &Path, step: &[&str]) -> BTreeMap<String, String> {
    let pushed = ok(script("build.sh").arg(&registry.address).arg(dir).args(step));
    let pushed = pushed.lines().map(|line| line.split_once(' ').unwrap());
    pushed.map(|(tag, digest)| (tag.to_owned(), digest.to_owned())).collect()
}

fn empty(options: &[&str]) -> Registry {
    Registry::start_in(tempfile::tempdir().unwrap(), options, "")
}

/// Their images are in the right classes, becomes outdated when its base moves, and claims what the tool wrote.
fn is_answered_right(registry: &Registry) {
    let at = &registry.address;
    let dir = tempfile::tempdir().unwrap();
    let pushed = build(registry, dir.path(), &[]);
    let clade = Clade::watching(&["--registry", &format!("http://{at}"), "--registry-poll", "1"]);
    let tags = || -> BTreeMap<String, String> {
        let of = |tag: &Value, field: &str| tag[field].as_str().unwrap().to_owned();
        let tags = clade.items("get tags").into_iter();
        tags.map(|tag| (of(&tag, "name").replacen(&format!("{at}/"), "", 1), of(&tag, "digest"))).collect()
    };
    eventually("all tags", || tags() == pushed);
    clade.declare_base(at);
    assert_eq!(clade.tags("--class os --state current"), ON_OS);
    assert!(clade.tags("--class os --state outdated").is_empty());

    let os = format!("{at}/base/os:latest");
    let claims = |tag: &str| clade.items(&format!("explain {at}/{tag}"))[0]["claims"].clone();
    let claim = |digest: &Value, by_layers: &str| json!([{"evidence": "annotation", "name": os, "digest": digest, "byLayers": by_layers}]);
    let base = json!(pushed["base/os:latest"]);
    for tag in ["team/app:1", "team/flat:1", "team/zstd:1", "team/chunked:1", "team/multi:1"] {
        assert_eq!(claims(tag), claim(&base, "proven"), "{tag}");
    }
    // In layers or stages, the digest is that of an image which the tool has made on the way and keeps to itself.
    for tag in ["team/layers:1", "team/multistage:1"] {
        let claimed = claims(tag);
        assert_eq!(claimed, claim(&claimed[0]["digest"], "unknown"), "{tag}");
        assert_ne!(claimed[0]["digest"], base);
    }
    // Docker's format has no annotations, and what is built on nothing has empty ones.
    for tag in ["team/docker:1", "base/os:latest", "base/zstd:latest"] {
        assert_eq!(claims(tag).as_array().map_or(0, Vec::len), 0, "{tag}");
    }
    let squashed = clade.ask(&format!("explain {at}/team/squashed:1"));
    assert!(squashed.contains(&format!("unknown by layers; claimed: {os}")), "{squashed}");
    let ancestors = clade.items(&format!("ancestors {at}/team/on-zstd:1"));
    assert_eq!(ancestors[0]["tags"], json!([format!("{at}/base/zstd:latest")]));
    let multi = clade.items(&format!("get tags --repository {at}/team/multi"));
    assert_eq!(multi[0]["images"].as_array().unwrap().len(), 2);
    let coverage: Value = serde_json::from_str(&clade.ask("coverage -o json")).unwrap();
    let total = &coverage["total"];
    assert_eq!([&total["knownBase"], &total["claimed"], &total["unknown"]], [1, 1, 1], "{total}");

    build(registry, dir.path(), &["move"]);
    eventually("a new application", || {
        clade.tags("--class os --state current") == ["base/os:latest", "team/app:2"]
    });
    assert_eq!(clade.tags("--class os --state outdated"), ON_OS[1..]);
    assert_eq!(clade.ask("subscribe dead-letters"), "");
}

#[test]
#[ignore = "needs a registry: make test"]
fn images_that_buildah_and_podman_push_into_docker_registry_are_answered_right() {
    is_answered_right(&empty(&[]));
}

#[test]
#[ignore = "needs a registry: make test"]
fn images_that_buildah_and_podman_push_into_zot_are_answered_right() {
    is_answered_right(&empty(&["--zot"]));
}

/// Imports as a person does, and wants no warning.
fn import(clade: &Clade, path: &Path) {
    let output = clade.command("import").arg(path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("warning"), "{}: {told}", path.display());
}

/// A form in which images were saved, with those before the base moved and those after it.
fn is_read_right(form: &str, saved: &Path, registry: &str) {
    let clade = Clade::new();
    let id = |step: &str, name: &str| {
        let config = std::fs::read(saved.join(format!("{step}/skopeo-raw/{name}-config"))).unwrap();
        Digest::of(&config).to_string()
    };
    import(&clade, &saved.join("old").join(form));
    let names = || -> Vec<String> {
        let tags = clade.items("get tags").into_iter();
        tags.map(|tag| tag["name"].as_str().unwrap().replacen(registry, "", 1)).collect()
    };
    let is_named = names() == ["/base/os:latest", "/team/app:1"];
    if is_named {
        clade.declare_base(registry);
    }
    import(&clade, &saved.join("new").join(form));

    let images = clade.items("get images");
    let ids: BTreeSet<&str> = images.iter().filter_map(|image| image["imageId"].as_str()).collect();
    match form {
        // It prints no image ID.
        "skopeo-inspect" => assert!(ids.is_empty(), "{form}: {ids:?}"),
        // Its applications are its own.
        "umoci" => assert!(ids.contains(&*id("old", "os")) && ids.contains(&*id("new", "os"))),
        _ => {
            let all = [id("old", "os"), id("old", "app"), id("new", "os"), id("new", "app")];
            assert_eq!(ids, all.iter().map(String::as_str).collect(), "{form}");
        }
    }
    assert_eq!(images.len(), 4, "{form}: {images:#?}");
    for image in &images {
        assert_eq!(image["platform"], json!({"os": "linux", "architecture": "amd64"}), "{form}");
        let bases = clade.items(&format!("ancestors {}", image["digest"].as_str().unwrap()));
        assert_eq!(bases.len() + 1, usize::try_from(image["layers"].as_u64().unwrap()).unwrap(), "{form}");
        let application = ["old", "new"].into_iter().find(|step| image["imageId"] == id(step, "app"));
        assert!(application.is_none_or(|step| bases[0]["imageId"] == id(step, "os")), "{form}");
    }
    // A folder of one image has no name for it, and the tools do not write tags into what they print of an image.
    let is_nameless = form.ends_with("-dir") && form != "podman-oci-dir"
        || ["skopeo-inspect", "skopeo-raw", "skopeo-formatted"].contains(&form);
    match form {
        "skopeo-sync" => assert!(names().iter().any(|name| name.ends_with("app:2")), "{:?}", names()),
        _ if is_nameless => assert!(names().is_empty(), "{form}: {:?}", names()),
        _ => {
            assert_eq!(clade.tags("--class os --state current"), ["base/os:latest", "team/app:2"], "{form}");
            assert_eq!(clade.tags("--class os --state outdated"), ["team/app:1"], "{form}");
        }
    }
}

#[test]
#[ignore = "needs a registry: make test"]
fn what_tools_save_and_print_is_read_as_the_images_that_they_push() {
    let registry = empty(&[]);
    let dir = tempfile::tempdir().unwrap();
    build(&registry, dir.path(), &[]);
    build(&registry, dir.path(), &["move"]);
    let saved = dir.path().join("saved");
    let forms = std::fs::read_dir(saved.join("old")).unwrap();
    let forms: Vec<String> = forms.map(|form| form.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(forms.len(), 19, "{forms:?}");
    for form in forms {
        is_read_right(&form, &saved, &registry.address);
    }
}
