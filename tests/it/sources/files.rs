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
