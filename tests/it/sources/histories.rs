//! Histories that others keep: pages of docker-library/repo-info, image-info files of dotnet/versions, and git clones of
//! both.

use std::path::Path;

use clade::declare::ClassSpec;
use clade::oci::Digest;
use clade::query::Query;
use clade::record::{ObjectReference, ReferenceKind, State, Timestamp};
use gix::objs::tree::{Entry, EntryKind};
use gix::objs::{Commit, Tree, Write as _};
use serde_json::json;

use super::{Bench, Imported};
use crate::support::{class, digest};
use crate::workers::publisher;

/// The tag *name* with two platforms and the statement about one of them, as repo-info writes a page.
fn page(name: &str, version: &str, layers: &[&str]) -> String {
    let (repository, _) = name.split_once(':').unwrap();
    let mut page = format!(
        "## `{name}`\n\n```console\n$ docker pull {repository}@{index}\n```\n\n-\tManifest MIME: \
         `application/vnd.oci.image.index.v1+json`\n-\tPlatforms: 3\n\t-\tlinux; amd64\n\t-\tunknown; \
         unknown\n\t-\tlinux; arm64 variant v8\n",
        index = digest(&format!("{name} {version}")),
    );
    for (platform, is_statement) in
        [("linux; amd64", false), ("unknown; unknown", true), ("linux; arm64 variant v8", false)]
    {
        let image = digest(&format!("{name} {version} {platform}"));
        let id = digest(&format!("ID of {name} {version} {platform}"));
        page += &format!(
            "\n### `{name}` - {platform}\n\n```console\n$ docker pull {repository}@{image}\n```\n\n-\tManifest MIME: \
             `application/vnd.docker.distribution.manifest.v2+json`\n-\tTotal Size: **1.0 KB (1024 bytes)**  \
             \n\t(compressed transfer size, not on-disk size)\n-\tImage ID: `{id}`\n-\tDefault Command: \
             `[\"sh\"]`\n\n```dockerfile\n# Mon, 03 Aug 2026 00:00:00 GMT\nRUN echo '## `no:heading`' \
             sha256:0000\n```\n\n-\tLayers:\n"
        );
        let media_type = match is_statement {
            true => "application/vnd.in-toto+json",
            false => "application/vnd.oci.image.layer.v1.tar+gzip",
        };
        for layer in layers {
            let layer = digest(&format!("{layer} {platform}"));
            page += &format!(
                "\t-\t`{layer}`  \n\t\tLast Modified: Tue, 04 Aug 2026 23:51:56 GMT  \n\t\tSize: 1.0 KB (1024 bytes)  \
                 \n\t\tMIME: {media_type}\n"
            );
        }
    }
    page
}

/// An image of which the blobs are known, as JSON lines have it.
fn app(name: &str, layers: &[&str]) -> serde_json::Value {
    let layers: Vec<_> =
        layers.iter().map(|layer| json!({"digest": digest(&format!("{layer} linux; amd64"))})).collect();
    json!({"repository": "registry.example/shop", "digest": digest(name), "layers": layers})
}

/// A clone with one commit for each of these states of its files, each a day after the one before.
fn clone(dir: &Path, states: &[&[(&str, &str)]]) {
    std::fs::create_dir_all(dir).unwrap();
    let clone = gix::init_bare(dir).unwrap();
    let mut parent = None;
    for (day, files) in (0..).zip(states) {
        let mut tree = Tree::empty();
        for (path, content) in *files {
            let blob = clone.write_blob(content.as_bytes()).unwrap().detach();
            tree = with(&clone, tree, path, blob);
        }
        let tree = clone.write_object(&tree).unwrap().detach();
        let who = gix::actor::Signature {
            name: "bot".into(),
            email: "bot@example".into(),
            time: gix::date::Time::new(1_700_000_000 + day * 86_400, 0),
        };
        let commit = Commit {
            tree,
            parents: parent.into_iter().collect(),
            author: who.clone(),
            committer: who,
            encoding: None,
            message: "as of a day".into(),
            extra_headers: Vec::new(),
        };
        parent = Some(clone.write_object(&commit).unwrap().detach());
    }
    std::fs::create_dir_all(dir.join("refs/heads")).unwrap();
    std::fs::write(dir.join("refs/heads/main"), format!("{}\n", parent.unwrap())).unwrap();
    std::fs::write(dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
}

/// The tree with a file more.
fn with(clone: &gix::Repository, mut tree: Tree, path: &str, blob: gix::ObjectId) -> Tree {
    let (name, inner) = path.split_once('/').map_or((path, None), |(name, inner)| (name, Some(inner)));
    let at = tree.entries.iter().position(|entry| entry.filename == name);
    let known = at.map(|at| tree.entries.remove(at).oid);
    let (kind, oid) = match inner {
        None => (EntryKind::Blob, blob),
        Some(inner) => {
            let below =
                known.map_or_else(Tree::empty, |id| clone.find_tree(id).unwrap().decode().unwrap().into());
            let below = with(clone, below, inner, blob);
            (EntryKind::Tree, clone.write_object(&below).unwrap().detach())
        }
    };
    tree.entries.push(Entry { mode: kind.into(), filename: name.into(), oid });
    tree.entries.sort();
    tree
}

/// The state of an image in the class *base*, and the image of its version.
fn state(query: &Query, image: &str) -> Option<(State, Digest)> {
    let explained = query.explain(&digest(image).to_string()).unwrap().remove(0);
    let standing = explained.image.classes.into_iter().find(|class| class.name == "base")?;
    Some((standing.state, standing.version))
}

/// Declares the class *base*, which follows this tag.
fn declare(imported: &Imported, tag: &str) -> Query {
    let from = ObjectReference { kind: ReferenceKind::DockerImage, name: tag.to_owned(), namespace: None };
    let mut publisher = publisher(&imported.engine);
    publisher.apply_class(&ClassSpec { from, ..class("base", tag, &[]) }).unwrap();
    publisher.flush().unwrap();
    imported.query()
}

#[test]
fn a_clone_of_repo_info_tells_each_target_of_each_tag_since_its_commit() {
    let bench = Bench::new();
    let (old, new) = (page("base:12", "old", &["A"]), page("base:12", "new", &["B"]));
    let other = page("base:13", "only", &["C"]);
    clone(
        &bench.files.path().join("repo-info"),
        &[
            &[("repos/base/remote/12.md", &old), ("README.md", "a history")],
            &[("repos/base/remote/12.md", &old), ("repos/base/remote/13.md", &other)],
            &[("repos/base/remote/12.md", &new), ("repos/base/remote/13.md", &other)],
        ],
    );
    bench.lines("apps.jsonl", &[app("app1", &["A", "X"]), app("app2", &["B", "X"])]);
    let imported = bench.import();
    assert_eq!(imported.counts.dead_letters, 0);
    assert_eq!((imported.counts.images, imported.counts.tags), (6 + 2, 2));
    let query = declare(&imported, "base:12");
    let image = |version: &str| digest(&format!("base:12 {version} linux; amd64"));
    assert_eq!(state(&query, "app1"), Some((State::Outdated, image("old"))));
    assert_eq!(state(&query, "app2"), Some((State::Current, image("new"))));
    let status = query.list_classes(None).unwrap().remove(0).status;
    let since = |day: i64| Some(Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap());
    assert_eq!(status.current.unwrap().since, since(2));
    assert_eq!(status.history[0].since, since(0), "the page did not change with the second commit");
    let explained = query.explain(&image("old").to_string()).unwrap().remove(0);
    assert_eq!(explained.image.image_id, Some(digest("ID of base:12 old linux; amd64")));
    assert_eq!(explained.image.repositories, ["docker.io/library/base"]);
}

#[test]
fn a_page_of_repo_info_alone_is_the_tag_as_of_its_file() {
    let bench = Bench::new();
    bench.file("12.md", page("base:12", "new", &["A", "B"]));
    bench.file("NOTES.md", "# Notes\n\nNo page of a history.\n");
    let imported = bench.import();
    assert_eq!(imported.counts.dead_letters, 0);
    assert_eq!((imported.counts.images, imported.counts.tags, imported.counts.not_images), (2, 1, 1));
}

#[test]
fn a_page_that_is_broken_is_told_with_its_line_and_costs_no_other_page() {
    let bench = Bench::new();
    let good = page("base:12", "new", &["A"]);
    let bad = good.replace("linux; arm64 variant v8\n\n", "somewhere\n\n");
    clone(
        &bench.files.path().join("repo-info"),
        &[&[("repos/base/remote/12.md", &good), ("repos/base/remote/13.md", &bad)]],
    );
    let imported = bench.import();
    assert_eq!((imported.counts.images, imported.counts.tags), (2, 1));
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 1);
    let (place, reason) = &letters[0];
    assert_eq!(place, "13.md");
    assert!(reason.starts_with("line ") && reason.contains("\"somewhere\" is no platform"), "{reason}");
}

/// An image-info file with one image of two platforms.
fn image_info(version: &str, layers: &[&str]) -> String {
    let built = |architecture: &str, layers: &[&str]| {
        json!({
            "dockerfile": "src/base/Dockerfile",
            "simpleTags": [format!("12-{architecture}")],
            "digest": format!("mcr.example/base@{}", digest(&format!("{version} {architecture}"))),
            "osType": "Linux", "osVersion": "bookworm-slim", "architecture": architecture,
            "created": "2026-06-13T16:08:06.0001893Z",
            "layers": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>(),
        })
    };
    let shared = json!({
        "digest": format!("mcr.example/base@{}", digest(version)),
        "created": "2026-06-13T18:49:54.4438626Z", "sharedTags": ["12"],
    });
    let platforms = [built("amd64", layers), built("arm64", &["Z"])];
    let images = json!([{"productVersion": "12.0.1", "manifest": shared, "platforms": platforms}]);
    json!({"schemaVersion": "1.0", "repos": [{"repo": "base", "images": images}]}).to_string()
}

/// These names with their digests from the highest to the lowest, which no sorted list is.
fn falling<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut names = names.to_vec();
    names.sort_by_key(|name| std::cmp::Reverse(digest(name)));
    names
}

#[test]
fn an_image_info_file_lists_layers_from_the_top_down() {
    let bench = Bench::new();
    let layers = falling(&["one", "two", "three"]);
    bench.file("image-info.json", image_info("v1", &layers));
    let above: Vec<_> =
        layers.iter().rev().chain(&["X"]).map(|layer| json!({"digest": digest(layer)})).collect();
    bench.lines(
        "apps.jsonl",
        &[json!({"repository": "registry.example/shop", "digest": digest("app"), "layers": above})],
    );
    let imported = bench.import();
    assert_eq!((imported.counts.dead_letters, imported.counts.images, imported.counts.tags), (0, 3, 3));
    let query = declare(&imported, "mcr.example/base:12");
    assert_eq!(state(&query, "app"), Some((State::Current, digest("v1 amd64"))));
}

#[test]
fn of_an_image_info_file_with_sorted_layers_the_tags_are_read_and_the_images_are_not() {
    let bench = Bench::new();
    let mut layers = falling(&["one", "two", "three"]);
    layers.reverse();
    bench.file("image-info.json", image_info("v1", &layers));
    let imported = bench.import();
    // The other platform has one layer, which needs no order.
    assert_eq!((imported.counts.images, imported.counts.tags), (1, 3));
    assert!(imported.dead_letters()[0].1.contains("sorted by digest"));
}

#[test]
fn one_list_of_layers_says_nothing_about_the_others_and_a_bad_layer_costs_its_image() {
    let bench = Bench::new();
    let good = falling(&["one", "two", "three"]);
    let sorted: Vec<_> = good.iter().rev().copied().collect();
    let info = |version: &str, layers: &[&str]| -> serde_json::Value {
        serde_json::from_str(&image_info(version, layers)).unwrap()
    };
    let mut file = info("v1", &good);
    let images = |file: &mut serde_json::Value| file["repos"][0]["images"].as_array_mut().unwrap().clone();
    let mut all = images(&mut file);
    all.extend(images(&mut info("v2", &sorted)));
    let mut bad = info("v3", &good);
    bad["repos"][0]["images"][0]["platforms"][0]["layers"][1] = json!("sha512:00");
    all.extend(images(&mut bad));
    file["repos"][0]["images"] = json!(all);
    bench.file("image-info.json", file.to_string());
    let imported = bench.import();
    // The other platform of each has one layer.
    assert_eq!(imported.counts.images, 1 + 3);
    let reasons: Vec<_> = imported.dead_letters().into_iter().map(|(_, reason)| reason).collect();
    let told = |part: &str| reasons.iter().filter(|reason| reason.contains(part)).count();
    assert_eq!((told("of 1 images are sorted by digest"), told("layers of sha256:")), (1, 1), "{reasons:?}");
}

#[test]
fn a_clone_of_dotnet_versions_tells_each_target_of_each_tag() {
    let bench = Bench::new();
    let layers = falling(&["one", "two"]);
    let (old, new) = (image_info("v1", &layers), image_info("v2", &falling(&["four", "five"])));
    let path = "build-info/docker/image-info.base.json";
    clone(&bench.files.path().join("versions"), &[&[(path, &old)], &[(path, &new), ("a.json", "{}")]]);
    let imported = bench.import();
    assert_eq!((imported.counts.dead_letters, imported.counts.images, imported.counts.tags), (0, 4, 3));
    let query = declare(&imported, "mcr.example/base:12");
    let status = query.list_classes(None).unwrap().remove(0).status;
    assert_eq!(status.current.map(|version| version.digest), Some(digest("v2")));
    assert_eq!(status.history.iter().map(|version| version.digest).collect::<Vec<_>>(), [digest("v1")]);
}

#[test]
fn another_git_clone_is_a_folder_as_any_other() {
    let bench = Bench::new();
    clone(&bench.files.path().join("shop/.git"), &[&[("repos/base.md", "no page")]]);
    bench.lines("shop/apps.jsonl", &[app("app", &["A"])]);
    let imported = bench.import();
    assert_eq!((imported.counts.images, imported.counts.dead_letters), (1, 0));
}

/// The error that clade gives for a folder that it cannot read.
fn passed_over(dir: &Path) -> String {
    match clade::source::find(&[dir.to_owned()]) {
        Ok(found) => panic!("{found:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_clone_that_cannot_be_read_is_not_taken_for_its_files() {
    let bench = Bench::new();
    let dir = bench.files.path().join("repo-info");
    clone(&dir.join(".git"), &[&[("repos/base/remote/12.md", &page("base:12", "new", &["A"]))]]);
    bench.file("repo-info/repos/base/remote/12.md", page("base:12", "new", &["A"]));
    std::fs::write(dir.join(".git/HEAD"), "no commit").unwrap();
    let told = passed_over(bench.files.path());
    assert!(told.contains("a git clone that cannot be read"), "{told}");
}

#[test]
fn a_clone_leads_to_no_other_folder_and_waits_for_no_pipe() {
    let bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = page("base:12", "elsewhere", &["A"]);
    clone(elsewhere.path(), &[&[("repos/base/remote/12.md", &other)]]);
    let file = bench.files.path().join("a/.git");
    bench.file("a/.git", format!("gitdir: {}", elsewhere.path().display()));
    assert!(file.is_file());
    let link = bench.files.path().join("b/.git");
    bench.file("b/notes.txt", "");
    std::os::unix::fs::symlink(elsewhere.path(), link).unwrap();
    let pipe = bench.files.path().join("c/.git");
    std::fs::create_dir_all(pipe.join("objects")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(pipe.join("HEAD")).status().unwrap().success());
    let told = passed_over(bench.files.path());
    assert!(told.contains("notes.txt"), "{told}");
}

#[test]
fn a_list_of_files_that_unpacks_to_far_more_costs_its_commit() {
    let bench = Bench::new();
    let dir = bench.files.path().join("repo-info");
    let good = page("base:12", "new", &["A"]);
    clone(&dir, &[&[("repos/base/remote/12.md", &good)]]);
    let repository = gix::open(&dir).unwrap();
    // One name of 20 MB that packs well.
    let name = "x".repeat(20 << 20);
    let tree = [format!("100644 {name}\0").as_bytes(), &[0; 20]].concat();
    let huge = repository.write_buf(gix::objs::Kind::Tree, &tree).unwrap();
    let root = [&b"40000 repos\0"[..], huge.as_bytes()].concat();
    let root = repository.write_buf(gix::objs::Kind::Tree, &root).unwrap();
    let parent = repository.head_id().unwrap().detach();
    let who = "bot <bot@example> 1700090000 +0000";
    let commit = format!("tree {root}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nhuge");
    let commit = repository.write_buf(gix::objs::Kind::Commit, commit.as_bytes()).unwrap();
    std::fs::write(dir.join("refs/heads/main"), format!("{commit}\n")).unwrap();
    assert!(passed_over(&dir).contains("more than 16777216"), "HEAD has it");
    // A later commit is in order again.
    let root = repository.find_commit(parent).unwrap().tree_id().unwrap().detach();
    let next = format!("tree {root}\nparent {commit}\nauthor {who}\ncommitter {who}\n\nnext");
    let next = repository.write_buf(gix::objs::Kind::Commit, next.as_bytes()).unwrap();
    std::fs::write(dir.join("refs/heads/main"), format!("{next}\n")).unwrap();
    let imported = bench.import();
    let letters = imported.dead_letters();
    assert_eq!((imported.counts.images, letters.len()), (2, 1), "{letters:?}");
    assert!(letters[0].1.contains("the commit cannot be read"), "{letters:?}");
}
