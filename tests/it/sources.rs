//! Tests the import of files and folders as people have them, whole and broken, in the way of `clade import`.

use std::io::Write as _;
use std::path::Path;

use clade::engine::Engine;
use clade::log::{TopicPartition, for_each};
use clade::oci::Digest;
use clade::publisher::Counts;
use clade::query::{Filter, Page, Query};
use clade::record::{DeadLetterRecord, Topic, decode};
use clade::source::{self, SinkError};
use serde_json::{Value, json};

use crate::support::digest;
use crate::workers::{publisher, start};

mod archives;
mod documents;
mod files;
mod histories;
mod layout;
mod names;
mod openshift;
mod packed;
mod told;
mod yaml;

/// A data directory and a folder of things to import.
struct Bench {
    data: tempfile::TempDir,
    files: tempfile::TempDir,
}

/// The result of an import.
struct Imported {
    engine: Engine,
    counts: Counts,
}

impl Bench {
    fn new() -> Self {
        Self { data: tempfile::tempdir().unwrap(), files: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.files.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    fn lines(&self, name: &str, lines: &[Value]) -> &Self {
        self.file(name, lines.iter().map(|line| line.to_string() + "\n").collect::<String>())
    }

    /// Adds a blob of an image layout. Returns its descriptor.
    fn blob(&self, layout: &str, media_type: &str, content: &Value) -> Value {
        let content = serde_json::to_vec(content).unwrap();
        let digest = Digest::of(&content);
        self.file(&format!("{layout}/blobs/sha256/{}", digest.hex()), &content);
        json!({"mediaType": media_type, "digest": digest, "size": content.len()})
    }

    fn import(&self) -> Imported {
        let engine = start(self.data.path(), Default::default(), &Default::default());
        let mut publisher = publisher(&engine);
        let inputs = source::find(&[self.files.path().to_owned()]).unwrap().inputs;
        source::read(&inputs, &|_| {}, &mut |seen| publisher.observe(seen).map_err(SinkError::new)).unwrap();
        publisher.flush().unwrap();
        engine.catch_up(|_| {}).unwrap();
        Imported { counts: publisher.counts(), engine }
    }
}

impl Imported {
    fn query(&self) -> Query {
        self.engine.catch_up(|_| {}).unwrap();
        Query::new(self.engine.view().snapshot())
    }

    fn images(&self) -> usize {
        self.query().list_images(&Filter::default(), &Page::default()).unwrap().iter().count()
    }

    fn ancestors(&self, of: &str) -> Vec<Digest> {
        let items = self.query().ancestors(of, &Filter::default(), &Page::default()).unwrap().items;
        items.into_iter().map(|item| item.digest).collect()
    }

    /// Returns the place of each dead letter, without the folder, and its reason.
    fn dead_letters(&self) -> Vec<(String, String)> {
        let mut letters = Vec::new();
        for partition in 0..self.engine.log().partitions() {
            for_each(
                &**self.engine.log(),
                TopicPartition { topic: Topic::DeadLetters, partition },
                |stored| {
                    let letter = decode::<DeadLetterRecord>(&stored.record).unwrap().unwrap();
                    let place = letter.origin.rsplit('/').next().unwrap_or_default().to_owned();
                    letters.push((place, letter.reason));
                },
            )
            .unwrap();
        }
        letters.sort();
        letters
    }
}

fn image_line(name: &str, layers: &[&str]) -> Value {
    let layers: Vec<Value> = layers.iter().map(|layer| json!({"digest": digest(layer), "size": 1})).collect();
    json!({"repository": "test", "digest": digest(name), "layers": layers})
}

fn tag_line(tag: &str, seen: &str, image: &str) -> Value {
    let manifests = json!([{"platform": {"os": "linux", "architecture": "amd64"}, "digest": digest(image)}]);
    json!({"seen": seen, "repository": "test", "tag": tag, "event": "set", "manifests": manifests})
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_history_is_read_plain_or_gzipped_whatever_its_files_are_called() {
    let bench = Bench::new();
    let tags = tag_line("1", "2020-01-01T00:00:00Z", "base").to_string() + "\n";
    bench.lines("anything", &[image_line("base", &["A"]), image_line("app", &["A", "B"])]);
    let imported = bench.file("b.gz", gzip(&tags)).import();
    assert_eq!((imported.counts.images, imported.counts.tags, imported.counts.dead_letters), (2, 1, 0));
    assert_eq!(imported.ancestors(&digest("app").to_string()), [digest("base")]);
    assert_eq!(imported.query().images("test:1").unwrap(), [digest("base")]);
}

#[test]
fn what_is_imported_twice_is_written_once() {
    let bench = Bench::new();
    bench.lines("images", &[image_line("base", &["A"])]).lines(
        "tags",
        &[tag_line("1", "2020-01-01T00:00:00Z", "base"), tag_line("1", "2020-01-02T00:00:00Z", "new")],
    );
    drop(bench.import());
    let again = bench.import().counts;
    assert_eq!((again.images, again.unchanged_images, again.tags), (0, 1, 0));
}

#[test]
fn a_moment_that_is_learned_of_later_and_was_earlier_is_taken() {
    let bench = Bench::new();
    bench.lines("images", &[image_line("base", &["A"])]);
    bench.lines("tags", &[tag_line("1", "2020-01-02T00:00:00Z", "base")]);
    drop(bench.import());
    bench.lines("tags", &[tag_line("1", "2020-01-01T00:00:00Z", "base")]);
    let imported = bench.import();
    let tags = imported.query().list_tags(&Filter::default(), &Page::default()).unwrap();
    let tags: Vec<_> = tags.iter().collect();
    assert_eq!(tags[0].since.to_string(), "2020-01-01T00:00:00Z");
}

#[test]
fn a_gzip_that_is_cut_off_is_a_dead_letter_and_what_stood_before_is_imported() {
    let bench = Bench::new();
    let lines: String = (0..2_000)
        .map(|n| image_line(&format!("image {n}"), &["A", &format!("layer {n}")]).to_string() + "\n")
        .collect();
    let whole = gzip(&lines);
    let imported = bench
        .file("images.jsonl.gz", &whole[..whole.len() / 2])
        .lines("more", &[image_line("x", &["X"])])
        .import();
    assert!((500..1_500).contains(&imported.images()), "{}", imported.images());
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].0.starts_with("images.jsonl.gz:"), "{letters:?}");
    assert!(letters[0].1.contains("cut off or damaged; get it again and import it again"), "{letters:?}");
}

#[test]
fn every_bad_line_is_a_dead_letter_that_names_it_and_every_good_one_is_imported() {
    let bench = Bench::new();
    let good = image_line("good", &["A", "A", "B"]).to_string();
    let with_digest = |text: &str| good.replace(&digest("good").to_string(), text);
    let upper = format!("sha256:{}", digest("x").hex().to_uppercase());
    let lines = [
        good.clone(),
        good[..good.len() / 2].to_owned(),
        "not JSON at all".to_owned(),
        with_digest(&format!("sha512:{0}{0}", digest("x").hex())),
        with_digest("sha256:abc"),
        with_digest(&upper),
        good.replace("\"test\"", "\"Not A Repository\""),
        r#"{"something":"else"}"#.to_owned(),
        json!({"seen": "2020-01-01T00:00:00Z", "repository": "test", "tag": "a tag", "event": "set"})
            .to_string(),
        json!({"seen": "yesterday", "repository": "test", "tag": "1", "event": "set"}).to_string(),
        json!({"seen": "2020-01-01T00:00:00Z", "repository": "test", "tag": "1", "event": "exploded"})
            .to_string(),
        String::new(),
        image_line("last", &["A"]).to_string(),
    ];
    let mut content = lines.join("\n").into_bytes();
    content.extend_from_slice(b"\n{\"repository\":\"\xff\xfe\"}\n");
    let imported = bench.file("images", content).import();
    assert_eq!(imported.images(), 2);
    let places: Vec<String> = imported.dead_letters().into_iter().map(|(place, _)| place).collect();
    let mut expected: Vec<String> =
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14].iter().map(|n| format!("images:{n}")).collect();
    expected.sort();
    assert_eq!(places, expected);
    let reasons: String = imported.dead_letters().into_iter().map(|(_, reason)| reason + "\n").collect();
    for told in [
        "sha256, which is the one supported",
        "64 lower-case hexadecimal digits",
        "\"exploded\"",
        "neither an image",
    ] {
        assert!(reasons.contains(told), "{told}: {reasons}");
    }
}

#[test]
fn an_image_of_ten_thousand_layers_is_one_and_one_of_twenty_thousand_is_a_dead_letter() {
    let bench = Bench::new();
    let many = |name: &str, count: usize| {
        let layers: Vec<String> = (0..count).map(|layer| layer.to_string()).collect();
        image_line(name, &layers.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let imported = bench
        .lines("images", &[many("tall", 10_000), many("taller", 20_000), image_line("base", &["0", "1"])])
        .import();
    assert_eq!(imported.images(), 2);
    assert_eq!(imported.ancestors(&digest("tall").to_string()), [digest("base")]);
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].1.contains("bytes, more than the 1048576 that a record may have"), "{letters:?}");
}

#[test]
fn digests_chosen_to_look_alike_are_told_apart() {
    let bench = Bench::new();
    // The first sixteen bytes are the same: the directory of images compares no more.
    let alike = |last: u32| {
        let mut bytes = [7; 32];
        bytes[28..].copy_from_slice(&last.to_le_bytes());
        Digest::from_bytes(bytes)
    };
    let lines: Vec<Value> = (0..3_000_u32)
        .map(|n| {
            json!({"repository": "test", "digest": alike(n), "layers": [{"digest": alike(n % 50)}, {"digest": alike(n)}]})
        })
        .collect();
    let imported = bench.lines("images", &lines).import();
    assert_eq!(imported.images(), 3_000);
    for n in [0, 1, 49, 2_999] {
        assert_eq!(imported.query().images(&alike(n).to_string()).unwrap(), [alike(n)]);
        assert!(imported.engine.view().snapshot().locate(&alike(n)).unwrap().image(&alike(n)).is_some());
    }
}

#[test]
fn a_file_that_was_named_and_cannot_be_used_is_an_error_with_its_name() {
    let bench = Bench::new();
    bench.file("picture.png", [0x89, b'P', b'N', b'G']);
    for path in [
        bench.files.path().join("picture.png"),
        bench.files.path().join("absent"),
        bench.files.path().to_owned(),
    ] {
        let error = source::find(std::slice::from_ref(&path)).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert!(source::find(&[Path::new("/").join("dev").join("null")]).is_err());
}
