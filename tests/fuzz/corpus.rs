//! The seeds of each target: its folder in `tests/fuzz/corpus`, and files that the project has anyway.

use std::path::Path;

use crate::targets::shards;

/// The inputs that others are made from.
pub(crate) struct Corpus {
    pub(crate) seeds: Vec<Vec<u8>>,
}

impl Corpus {
    pub(crate) fn of(target: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut seeds = Vec::new();
        files(&root.join("tests/fuzz/corpus").join(target), &mut seeds);
        match target {
            "audit-head" | "audit-line" | "audit-segment" => {
                let mut trail = Vec::new();
                files(&root.join("tests/fixtures/audit/v1"), &mut trail);
                if target == "audit-line" {
                    let lines = trail.iter().flat_map(|file| file.split(|byte| *byte == b'\n'));
                    seeds.extend(lines.map(<[u8]>::to_vec));
                } else {
                    seeds.append(&mut trail);
                }
            }
            "snapshot" => {
                let of_shards = Self::of("shard").seeds;
                let shards = of_shards.iter().flat_map(|seed| shards(seed).0);
                seeds.extend(shards.map(|shard| rmp_serde::to_vec_named(&shard.snapshot()).unwrap()));
            }
            "records" => seeds.extend(examples(&root.join("topics"))),
            _ => {}
        }
        // The order is the same on every machine, and so are the random choices.
        seeds.sort_unstable();
        seeds.dedup();
        Self { seeds }
    }
}

fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    found.extend(entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()));
}

/// Returns the examples of every topic: its name, a key and a value, each in a line.
fn examples(topics: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(topics).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file: serde_json::Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for example in file["examples"].as_array().unwrap() {
            let (topic, key, value) = (file["name"].as_str(), example["key"].as_str(), &example["value"]);
            found.push(format!("{}\n{}\n{value}", topic.unwrap(), key.unwrap()).into_bytes());
        }
    }
    found
}
