//! The page in a real Chromium.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use clade::oci::Digest;
use serde_json::json;

use super::{Demo, Running, clade, cluster, made, ok};

/// Runs a script of `tests/page` on a clade, and returns what it says.
fn look(script: &str, demo: &Demo) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let mut look = Command::new(tests.join("chromium.sh"));
    look.arg(tests.join(script)).args([&demo.running.url, env!("CARGO_BIN_EXE_clade")]);
    let looked = look.arg(demo.dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(looked.status.success(), "{told}{}", String::from_utf8_lossy(&looked.stderr));
    told
}

#[test]
#[ignore = "needs Chromium: make test"]
fn the_page_can_be_read_searched_and_followed_in_a_browser() {
    let dir = made();
    cluster::import(dir.path());
    // A sink that nobody answers at: a rebuild of tags begins, and goes on trying.
    let sink = ["--sink", "http://127.0.0.1:9/"];
    let running = Running::start(dir.path(), &[&["--listen", "127.0.0.1:0", "--audit"][..], &sink].concat());
    let demo = Demo { dir, running };
    cluster::rebuild(&demo.running.url);
    let told = look("look.mjs", &demo);
    assert!(told.contains("looked at 17 views"), "{told}");
}

/// Thirty bases of a name of 200 characters, each followed by a class, and an image of sixty layers with forty tags that is built on
/// all of them.
fn odd(dir: &Path) {
    let repository = format!("{}/{}", "a-namespace-that-does-not-end".repeat(3), "name".repeat(28));
    assert!(repository.len() >= 199, "{}", repository.len());
    let digest = |text: String| Digest::of(text.as_bytes()).to_string();
    let image = |name: &str, layers: usize| {
        let layer = |at: usize| {
            let size = 10_u64.pow(u32::try_from(at % 9).unwrap());
            json!({"digest": digest(format!("layer {at}")), "size": size})
        };
        let layers: Vec<_> = (0..layers).map(layer).collect();
        json!({
            "repository": repository, "digest": digest(name.to_owned()), "platform": {"os": "linux", "architecture": "amd64"},
            "created": "2026-01-01T00:00:00Z", "layers": layers,
        })
    };
    let tag = |name: &str, of: &str| {
        let platform = json!({"os": "linux", "architecture": "amd64"});
        json!({
            "seen": "2026-01-02T00:00:00Z", "repository": repository, "tag": name, "event": "set",
            "manifests": [{"platform": platform, "digest": digest(of.to_owned())}],
        })
    };
    let (mut images, mut tags, mut classes) = (String::new(), String::new(), String::new());
    for number in 0..30 {
        let name = format!("base-{number}");
        writeln!(images, "{}", image(&name, 2 * number + 1)).unwrap();
        writeln!(tags, "{}", tag(&name, &name)).unwrap();
        let from = json!({"kind": "DockerImage", "name": format!("{repository}:{name}")});
        let class = json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": {"name": format!("class-{number}")},
            "spec": {"from": from},
        });
        writeln!(classes, "---\n{class}").unwrap();
    }
    writeln!(images, "{}", image("odd", 60)).unwrap();
    for number in 0..40 {
        writeln!(tags, "{}", tag(&format!("v1.{number}.0-a-rather-long-tag"), "odd")).unwrap();
    }
    let lines = dir.join("lines");
    std::fs::create_dir(&lines).unwrap();
    for (name, content) in [("images.jsonl", images), ("tags.jsonl", tags)] {
        std::fs::write(lines.join(name), content).unwrap();
    }
    let (declared, data) = (lines.join("classes.yaml"), dir.join("data"));
    std::fs::write(&declared, classes).unwrap();
    let [declared, data, lines] = [&declared, &data, &lines].map(|path| path.to_str().unwrap());
    ok(&["apply", "-f", declared, "--data-dir", data]);
    std::fs::remove_file(declared).unwrap();
    let ran = clade(&["import", lines, "--data-dir", data]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
#[ignore = "needs Chromium: make test"]
fn long_names_many_tags_layers_and_classes_fit_into_a_window() {
    let dir = tempfile::tempdir().unwrap();
    odd(dir.path());
    let running = Running::start(&dir.path().join("data"), &["--listen", "127.0.0.1:0"]);
    let told = look("odd.mjs", &Demo { dir, running });
    assert!(told.contains("all of it fits"), "{told}");
}
