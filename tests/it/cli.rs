//! The program itself, as a person or a script runs it: output, exit codes, and the JSON that scripts rely on.
//!
//! `CLADE_BLESS=1 cargo test --test it cli` writes the expected output anew; `git diff` then shows what changed.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::digest;

mod asked;
mod backup;
mod check;
mod damaged;
mod demo;
mod encrypted;
mod errors;
mod exported;
mod lists;
mod running;
mod shell;
mod strangers;
mod subscribe;

use shell::Shell;

/// Compares with `tests/fixtures/cli/NAME`.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cli").join(name);
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} is\n{expected}\nand is now\n{found}", path.display());
}

#[test]
fn answers_for_people_look_as_they_did() {
    let shell = Shell::new();
    for (name, args) in [
        ("get-images.txt", "get images"),
        ("get-images-wide.txt", "get images --class base --state outdated -o wide"),
        ("get-images-name.txt", "get images --group os=base -o name"),
        ("get-tags.txt", "get tags"),
        ("get-tags-outdated.txt", "get tags --class base --state outdated"),
        ("get-classes.txt", "get classes"),
        ("get-classes-wide.txt", "get classes -o wide"),
        ("get-classes.yaml", "get classes base -o yaml"),
        ("get-groups.txt", "get groups"),
        ("ancestors.txt", "ancestors shop/app2"),
        (
            "descendants.txt",
            "descendants sha256:559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
        ),
        ("explain.txt", "explain shop/app1:1"),
        ("explain-wide.txt", "explain shop/other -o wide"),
        ("usage.txt", "usage --class base"),
        ("status.txt", "status"),
    ] {
        expect(name, &shell.ok(&args.split(' ').collect::<Vec<_>>()));
    }
}

/// The contract of docs/reference/api.md, word for word.
#[test]
fn images_and_tags_as_json_have_the_fields_that_scripts_rely_on() {
    let shell = Shell::new();
    let list = shell.json(&["get", "images", "--class", "base", "-o", "json"]);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("clade.dev/v1alpha1"), &json!("List")));
    let items = list["items"].as_array().unwrap();
    let app2 = items.iter().find(|item| item["digest"] == json!(digest("app2"))).unwrap();
    assert_eq!(
        app2,
        &json!({
            "digest": digest("app2"),
            "platform": {"os": "linux", "architecture": "amd64"},
            "repositories": ["shop/app2"],
            "tags": ["shop/app2:latest"],
            "layers": 5,
            "classes": [{
                "name": "base", "state": "outdated", "version": digest("base@v2"), "current": digest("base@v3"),
                "origin": "observed", "depth": 4, "nearest": true, "outdatedSince": "2020-01-01T00:00:03Z",
            }],
            "groups": {"os": ["base"]},
        })
    );
    let tags = shell.json(&["get", "tags", "--class", "base", "-o", "json"]);
    let tag = tags["items"].as_array().unwrap().iter().find(|tag| tag["name"] == "shop/app2:latest").unwrap();
    assert_eq!(tag["images"], json!([app2]));
    assert_eq!(tag["digest"], json!(digest("app2")));
}

#[test]
fn a_line_of_lineage_has_the_fields_that_scripts_rely_on() {
    let shell = Shell::new();
    let lines: Vec<Value> =
        shell.ok(&["export", "lineage"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8);
    let of = |name: &str| lines.iter().find(|line| line["digest"] == json!(digest(name))).unwrap();
    assert_eq!(
        of("app2"),
        &json!({
            "digest": digest("app2"),
            "platform": {"os": "linux", "architecture": "amd64"},
            "bases": [
                {"digest": digest("base@v2"), "depth": 4, "tags": []},
                {"digest": digest("base@v1"), "depth": 3, "tags": []},
            ],
            "equivalents": [],
            "classes": [{
                "name": "base", "state": "outdated", "version": digest("base@v2"), "current": digest("base@v3"),
                "origin": "observed", "depth": 4, "nearest": true, "outdatedSince": "2020-01-01T00:00:03Z",
            }],
            "claims": [],
        })
    );
    assert_eq!(of("app1")["equivalents"], json!([digest("app1conf")]));
    assert_eq!(of("app3")["bases"][0]["tags"], json!(["openshift/base:latest"]));
    assert_eq!(of("other")["claims"], json!([{"evidence": "dockerfile", "name": "openshift/base:latest"}]));
}

#[test]
fn an_image_is_found_by_tag_digest_beginning_of_a_digest_and_chain() {
    let shell = Shell::new();
    let full = digest("app3").to_string();
    for reference in ["shop/app3:latest", "shop/app3", &full, &full[..20], &full[7..20], &full[7..]] {
        assert_eq!(shell.ok(&["explain", reference, "-o", "name"]), full.clone() + "\n", "{reference}");
    }
    let chain = digest(&format!("{} {}", digest("A"), digest("X"))).to_string();
    let mut below: Vec<String> =
        shell.ok(&["descendants", &chain, "-o", "name"]).lines().map(str::to_owned).collect();
    below.sort();
    let mut expected = [digest("base@v3").to_string(), full];
    expected.sort();
    assert_eq!(below, expected);
    let direct = shell.ok(&["descendants", &digest("base@v3").to_string(), "--direct", "-o", "name"]);
    assert_eq!(direct, format!("{}\n", digest("app3")));
}

#[test]
fn what_is_declared_deleted_and_declared_again_is_told_as_kubectl_does() {
    let shell = Shell::new();
    let classes = shell.path("classes.yaml");
    assert_eq!(
        shell.ok(&["apply", "-f", &classes]),
        "imageclass.clade.dev/base unchanged\nimageclassgroup.clade.dev/os unchanged\n"
    );
    assert_eq!(shell.ok(&["delete", "class", "base"]), "imageclass.clade.dev/base deleted\n");
    assert_eq!(shell.json(&["get", "images", "--state", "outdated", "-o", "json"])["items"], json!([]));
    assert_eq!(shell.ok(&["delete", "group", "os"]), "imageclassgroup.clade.dev/os deleted\n");
    assert!(shell.ok(&["apply", "-f", &classes]).starts_with("imageclass.clade.dev/base created\n"));
}

#[test]
fn transitions_are_subscribed_to_as_one_json_object_a_line() {
    let shell = Shell::new();
    let events: Vec<Value> = shell
        .ok(&["subscribe", "outdated"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let app1 = events.iter().find(|event| event["data"]["digest"] == json!(digest("app1"))).unwrap();
    assert_eq!(app1["type"], "dev.clade.outdated.v1");
    assert_eq!(app1["data"]["to"], json!({"state": "outdated", "version": digest("base@v1")}));
    assert_eq!(app1["data"]["tags"], json!(["shop/app1:1"]));
    assert_eq!(shell.ok(&["subscribe", "outdated", "--from", "end"]), "");
}

#[cfg(unix)]
#[test]
fn only_variables_of_their_own_prefix_are_properties_of_kafka() {
    let shell = Shell::empty();
    let no_text = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![b'x', 0xff]);
    let output = shell
        .command(&["topics", "plan", "--kafka", "127.0.0.1:1"])
        // As Kubernetes tells every pod of a Service named clade-kafka, and as people have them.
        .env("CLADE_KAFKA_SERVICE_HOST", "10.0.0.1")
        .env("OTHER", no_text)
        .env("CLADE_KAFKA_PROPERTY_SASL_PASWORD", "hidden-word")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the Kafka property sasl.pasword") && !error.contains("hidden-word"), "{error}");
}

#[test]
fn nobody_else_on_the_machine_reads_the_files_that_clade_makes() {
    use std::os::unix::fs::PermissionsExt as _;

    let shell = Shell::new();
    let key = shell.path("key.pem");
    shell.ok(&["audit", "keygen", &key]);
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(&format!("{key}.pub"))), (0o600, 0o644));
    let mut found = vec![shell.dir.path().join("data")];
    let mut files = 0;
    while let Some(path) = found.pop() {
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o027, 0, "{}", path.display());
        files += 1;
        if metadata.is_dir() {
            found.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(files > 1, "{files}");
}
