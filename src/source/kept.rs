//! The small JSON documents of an archive, by path, and the description of an archive without images.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::manifest::{MAX_DOCUMENT, without_mark};
use super::tar::Tar;
use super::unpack::{Skip, cut_off};

/// Bytes of JSON that are kept of an archive, at most: thousands of images.
const KEPT: u64 = 256 << 20;
/// Bytes that a document takes beside its content.
const BESIDE: u64 = 128;
/// Bytes that show whether content is JSON.
const SNIFFED: u64 = 16;
/// Names that are kept to tell what an archive without images is.
const SAMPLE: usize = 64;

/// The JSON documents of an archive, by path.
#[derive(Default)]
pub(super) struct Documents {
    found: HashMap<String, Vec<u8>>,
    kept: u64,
    /// The paths of some entries.
    sample: Vec<String>,
    /// A document was left out, since the others have filled the room.
    is_full: bool,
    /// The reason why the archive ends before its end.
    pub(super) broken: Option<String>,
}

impl Documents {
    pub(super) fn collect(mut tar: Tar<impl Skip>) -> Self {
        let mut all = Self::default();
        if let Err(error) = all.walk(&mut tar) {
            all.broken = Some(cut_off(&error));
        }
        all
    }

    fn walk(&mut self, tar: &mut Tar<impl Skip>) -> std::io::Result<()> {
        while let Some(entry) = tar.next()? {
            if self.sample.len() < SAMPLE {
                self.sample.push(entry.name.chars().take(256).collect());
            }
            // The configs of single layers, from before images had configs.
            if entry.size > MAX_DOCUMENT || entry.name.ends_with("/json") {
                continue;
            }
            let mut content = tar.content(entry.size.min(SNIFFED))?;
            if !is_json(&content) {
                continue;
            }
            let size = entry.size + entry.name.len() as u64 + BESIDE;
            if self.kept + size > KEPT {
                self.is_full = true;
                continue;
            }
            content.extend(tar.content(entry.size - content.len() as u64)?);
            self.kept += size;
            self.found.insert(entry.name, content);
        }
        Ok(())
    }

    /// Returns the document at a path.
    pub(super) fn get(&self, path: &str) -> Option<&[u8]> {
        self.found.get(path).map(Vec::as_slice)
    }

    /// Returns the reason why a document is not there.
    pub(super) fn absent(&self, path: &str) -> String {
        match (self.is_full, &self.broken) {
            (true, _) => format!(
                "the archive has more than {} MiB of JSON, and {path} was left out: save fewer images at once",
                KEPT >> 20
            ),
            (_, Some(_)) => format!("{path} is not in the part of the archive that can be read"),
            _ => format!("the archive has no {path}"),
        }
    }

    /// Returns the folders that are image layouts, with a slash behind them.
    pub(super) fn layouts(&self) -> BTreeSet<String> {
        let with_blobs: HashSet<&str> = self
            .found
            .keys()
            .filter_map(|path| path.split_once("blobs/sha256/"))
            .map(|(root, _)| root)
            .collect();
        let root = |path: &String| {
            let root = path.strip_suffix("index.json")?;
            let is_folder = root.is_empty() || root.ends_with('/');
            let is_layout =
                with_blobs.contains(root) || self.found.contains_key(&format!("{root}oci-layout"));
            (is_folder && is_layout).then(|| root.to_owned())
        };
        self.found.keys().filter_map(root).collect()
    }

    /// Returns the description of an archive without images.
    pub(super) fn other(&self) -> String {
        let has = |test: fn(&str) -> bool| self.sample.iter().any(|name| test(name));
        let what = if has(|name| name.ends_with("Chart.yaml")) {
            "a Helm chart"
        } else if self.found.contains_key("repositories") || has(|name| name.ends_with("/layer.tar")) {
            "an archive that `docker save` wrote before version 1.10, without manifest.json: load it and save it again"
        } else if has(|name| ["etc/", "usr/", "bin/", "var/", "lib/"].iter().any(|dir| name.starts_with(dir)))
        {
            "a file system or a layer alone: a tar archive without manifest.json or index.json"
        } else if self.sample.is_empty() {
            "an empty tar archive"
        } else {
            "a tar archive without manifest.json or index.json"
        };
        format!("it is {what}; clade reads archives of `docker save`, `podman save` and image layouts")
    }
}

fn is_json(beginning: &[u8]) -> bool {
    let text = without_mark(beginning).trim_ascii_start();
    text.starts_with(b"{") || text.starts_with(b"[")
}
