//! Files that are imported, and objects of a cluster.

use std::path::Path;

use clade::observe::Observation;
use clade::oci::Digest;
use clade::source::{Input, find, observe_line, observe_objects, read};

use super::{in_proportion, parts};

/// Returns the size of an observation, as records have it.
fn size(seen: &Observation) -> usize {
    match seen {
        Observation::Image(record) => serde_json::to_vec(record).unwrap().len(),
        Observation::BuildConfig(record) => serde_json::to_vec(record).unwrap().len(),
        Observation::Unreadable(letter) => serde_json::to_vec(letter).unwrap().len(),
        other => format!("{other:?}").len() / 4,
    }
}

fn is_readable(seen: &Observation) -> bool {
    !matches!(seen, Observation::Unreadable(_) | Observation::NotAnImage(_))
}

/// Reads lines of a history.
pub(crate) fn lines(input: &[u8]) -> bool {
    let mut all = true;
    for line in input.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match observe_line(line) {
            Ok(seen) => in_proportion(line, size(&seen), 8),
            Err(problem) => {
                in_proportion(line, problem.len(), 8);
                all = false;
            }
        }
    }
    all
}

/// Reads an object of OpenShift: its kind in a line, and its JSON.
pub(crate) fn openshift(input: &[u8]) -> bool {
    let Some([kind, json]) = parts(input) else { return false };
    let (Ok(kind), Ok(json)) = (std::str::from_utf8(kind), std::str::from_utf8(json)) else { return false };
    match clade::openshift::observations(kind, json) {
        // Every tag of a stream repeats the repository, so only each observation alone is in proportion.
        Ok(seen) => {
            seen.iter().for_each(|seen| in_proportion(input, size(seen), 8));
            !seen.is_empty()
        }
        Err(problem) => {
            in_proportion(input, problem.len(), 8);
            false
        }
    }
}

/// Reads a file of documents in JSON or YAML: objects of Kubernetes, and what tools print of images.
pub(crate) fn objects(input: &[u8]) -> bool {
    let (mut seen, mut all) = (0, true);
    observe_objects(Path::new("objects.json"), input, &mut |observation| {
        // Aliases of YAML repeat what they name.
        in_proportion(input, size(&observation), 64);
        seen += 1;
        all &= is_readable(&observation);
        Ok(())
    })
    .unwrap();
    // An object has braces around it, in YAML as well once it is repeated.
    assert!(seen <= 32 * input.len() + 4_096);
    seen > 0 && all
}

/// Reads a file of any kind, as `clade import` does: archives, compressed files, and text in each encoding.
pub(crate) fn files(input: &[u8]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, input).unwrap();
    let Ok(found) = find(&[path]) else { return false };
    let (mut seen, mut all) = (0, true);
    read(&found.inputs, &|_| {}, &mut |observation| {
        seen += 1;
        all &= is_readable(&observation);
        assert!(seen <= 1_000_000, "a file of {} bytes has no end", input.len());
        Ok(())
    })
    .unwrap();
    seen > 0 && all
}

/// Reads an OCI image layout: its index in the first line, a blob in each other. `$2` is the digest of the blob in line
/// 2, and so on.
pub(crate) fn layout(input: &[u8]) -> bool {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("layout");
    let blobs = dir.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let lines: Vec<&str> = text.lines().take(24).collect();
    let mut digests: Vec<(String, String)> = Vec::new();
    for (at, line) in lines.iter().enumerate().rev() {
        let mut content = (*line).to_owned();
        for (name, digest) in &digests {
            content = content.replace(name, digest);
        }
        if at == 0 {
            std::fs::write(dir.join("index.json"), content).unwrap();
        } else {
            let digest = Digest::of(content.as_bytes());
            std::fs::write(blobs.join(digest.hex()), content).unwrap();
            digests.push((format!("${}\"", at + 1), format!("{digest}\"")));
        }
    }
    if lines.is_empty() {
        return false;
    }
    let (mut seen, mut all) = (0, true);
    read(&[Input::Layout(dir)], &|_| {}, &mut |observation| {
        seen += 1;
        all &= is_readable(&observation);
        // Documents may lie in one another, and an index may name one often, but a layout must have an end.
        assert!(seen <= 100_000, "a layout of {} bytes has no end", input.len());
        Ok(())
    })
    .unwrap();
    seen > 0 && all
}
