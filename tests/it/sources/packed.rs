//! Compressed files, and small ones that would be large.

use std::io::Write as _;
use std::time::Instant;

use serde_json::json;

use super::archives::Archive;
use super::{Bench, image_line};

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(content: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(content, 3).unwrap()
}

pub(super) fn xz(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_file_is_the_same_in_every_compression_whatever_it_is_called() {
    let object = json!({"kind": "Image", "metadata": {"name": crate::support::digest("app")},
        "dockerImageLayers": [{"name": crate::support::digest("A"), "size": 1}]});
    let utf16: Vec<u8> = format!("\u{feff}{object}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let line = image_line("app", &["A"]).to_string() + "\n";
    for content in [line.into_bytes(), object.to_string().into_bytes(), utf16] {
        for pack in [gzip, zstd, xz] {
            let packed = pack(&content);
            // Several behind one another are one.
            let halves = [pack(&content[..10]), pack(&content[10..])].concat();
            for file in [packed, halves] {
                let imported = Bench::new().file("export.txt", file).import();
                assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
            }
        }
    }
}

#[test]
fn a_compressed_file_that_is_damaged_from_the_beginning_is_a_dead_letter() {
    for magic in [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"] {
        let content = [magic, b"nothing of this can be unpacked"].concat();
        let imported = Bench::new().file("a.bin", content).lines("b", &[image_line("b", &["B"])]).import();
        let letters = imported.dead_letters();
        assert_eq!((imported.images(), letters.len()), (1, 1), "{letters:?}");
        assert!(letters[0].1.contains("cut off or damaged"), "{letters:?}");
    }
}

/// A gigabyte of a list with nothing in it, as some kilobytes.
fn bomb() -> Vec<u8> {
    let mut content = br#"{"kind":"List","items":["#.to_vec();
    content.extend(b"{},".repeat((1 << 30) / 3));
    content
}

#[test]
fn a_list_that_unpacks_to_a_gigabyte_ends_at_its_budget() {
    let bomb = bomb();
    for pack in [zstd, xz] {
        let begun = Instant::now();
        let imported = Bench::new().file("bomb", pack(&bomb)).lines("b", &[image_line("b", &["B"])]).import();
        let letters = imported.dead_letters();
        assert_eq!((imported.images(), letters.len()), (1, 1), "{letters:?}");
        assert!(letters[0].1.contains("decompression bomb"), "{letters:?}");
        assert!(begun.elapsed().as_secs() < 120);
    }
}

#[test]
fn a_list_of_millions_of_empty_items_is_told_thousands_of_times_and_then_counted() {
    let content = [r#"{"kind":"List","items":["#, &"{},".repeat(1_000_000), "{}]}"].concat();
    let imported = Bench::new().file("bomb", gzip(content.as_bytes())).import();
    let letters = imported.dead_letters();
    assert_eq!(letters.len(), 10_001);
    assert!(letters.iter().any(|(_, reason)| reason.starts_with("990001 more entries")));
}

#[test]
fn an_archive_that_unpacks_to_gigabytes_is_read_without_taking_them() {
    // A layer of zeros is passed over, whatever it is in.
    let hole = vec![0; 256 << 20];
    let archive = Archive::new().file("layer.tar", &hole).file("1.json", &hole[..20 << 20]);
    let content = archive.json("manifest.json", &json!([])).finish();
    for pack in [gzip, zstd, xz] {
        let imported = Bench::new().file("a.tar", pack(&content)).import();
        assert_eq!((imported.images(), imported.dead_letters()), (0, Vec::new()));
    }
}

#[test]
fn an_archive_keeps_no_more_documents_than_its_budget_and_says_which_is_missing() {
    let mut archive = Archive::new();
    let mut filler = br#"{"a":""#.to_vec();
    filler.resize(15 << 20, b' ');
    for number in 0..20 {
        archive = archive.file(&format!("{number}.json"), &filler);
    }
    let manifest = json!([{"Config": "19.json", "RepoTags": ["a:1"], "Layers": []}]);
    let content = zstd(&archive.json("manifest.json", &manifest).finish());
    assert!(content.len() < 1 << 20);
    let letters = Bench::new().file("a.tar.zst", content).import().dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].1.contains("more than 256 MiB of JSON, and 19.json was left out"), "{letters:?}");
}

/// An empty entry of a list takes a hundred times as much memory as text.
#[test]
fn a_manifest_of_millions_of_entries_is_refused() {
    let many =
        |field: &str| [r#"{"schemaVersion":2,""#, field, r#"":["#, &"{},".repeat(1_000_000), "{}]}"].concat();
    let layout =
        Archive::new().file("index.json", many("manifests").as_bytes()).json("oci-layout", &json!({}));
    let saved =
        Archive::new().file("manifest.json", ["[", &"1,".repeat(1_000_000), "1]"].concat().as_bytes());
    for content in [layout.finish(), saved.finish()] {
        let letters = Bench::new().file("a.tar.gz", gzip(&content)).import().dead_letters();
        assert_eq!(letters.len(), 1);
        assert!(letters[0].1.contains("more than 250000 entries"), "{letters:?}");
    }
}

/// The window of an xz file stands in its header, and a decoder would have to provide it.
#[test]
fn a_window_larger_than_the_usual_is_refused() {
    let mut options = lzma_rust2::XzOptions::with_preset(1);
    options.lzma_options.dict_size = 1 << 30;
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(image_line("a", &["A"]).to_string().as_bytes()).unwrap();
    let letters = Bench::new().file("a.xz", writer.finish().unwrap()).import().dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].1.contains("larger window"), "{letters:?}");
}

#[test]
fn a_name_of_gigabytes_in_an_archive_is_not_kept() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    let name = vec![b'n'; 200 << 20];
    header.set_size(name.len() as u64);
    header.set_cksum();
    builder.append(&header, &name[..]).unwrap();
    drop(name);
    let mut header = tar::Header::new_gnu();
    header.set_path("short").unwrap();
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &[][..]).unwrap();
    let imported = Bench::new().file("a.tar.gz", gzip(&builder.into_inner().unwrap())).import();
    let letters = imported.dead_letters();
    assert!(letters[0].1.contains("a tar archive without manifest.json or index.json"), "{letters:?}");
}
