//! Files as editors, shells and other tools write them.

use serde_json::{Value, json};

use super::{Bench, image_line};
use crate::support::digest;

#[test]
fn a_file_is_the_same_in_every_encoding_that_a_shell_writes() {
    let image = json!({"kind": "Image", "metadata": {"name": digest("app")},
        "dockerImageLayers": [{"name": digest("A"), "size": 1}]});
    for text in [image_line("app", &["A"]).to_string() + "\n", serde_json::to_string_pretty(&image).unwrap()]
    {
        let marked: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
        for content in [
            format!("\u{feff}{text}").into_bytes(),
            marked.iter().copied().flat_map(u16::to_le_bytes).collect(),
            marked.iter().copied().flat_map(u16::to_be_bytes).collect(),
        ] {
            let imported = Bench::new().file("export.json", content).import();
            assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
        }
    }
}

#[test]
fn a_document_of_another_tool_is_one_thing_that_is_not_read() {
    let layers = json!([{"digest": digest("A"), "size": 1}]);
    let documents: [(Value, &str); 5] = [
        (json!({"artifacts": [{"id": "1"}], "source": {"metadata": {"layers": layers}}}), "syft"),
        (json!({"schemaVersion": 2, "config": {"digest": digest("c")}, "layers": layers}), "a manifest"),
        (json!([{"Id": digest("c"), "RepoTags": ["a:1"], "RootFS": {"Layers": [digest("A")]}}]), "inspect"),
        (json!({"Name": "quay.io/a", "Digest": digest("a"), "RepoTags": ["1"], "Layers": []}), "inspect"),
        (json!({"bomFormat": "CycloneDX", "components": []}), "CycloneDX"),
    ];
    for (document, what) in documents {
        let bench = Bench::new();
        bench.file("other.json", serde_json::to_vec_pretty(&document).unwrap());
        let error = clade::source::find(&[bench.files.path().join("other.json")]).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        // In a folder, such a file does not keep others from being read.
        let imported = bench.lines("images.jsonl", &[image_line("app", &["A"])]).import();
        assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
    }
}

#[test]
fn fields_of_a_line_that_nobody_needs_cost_no_image() {
    let mut line = image_line("app", &["A"]);
    line["created"] = json!("last week");
    line["media_type"] = Value::Null;
    line["config_digest"] = json!("none");
    line["platform"] = json!("linux");
    line["layers"][0]["size"] = json!("large");
    line["diff_ids"] = Value::Null;
    let imported = Bench::new().lines("images.jsonl", &[line]).import();
    assert_eq!((imported.images(), imported.dead_letters()), (1, Vec::new()));
}
