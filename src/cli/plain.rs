//! Makes foreign text harmless before it is printed, since strangers write repositories, tags, claims, labels and
//! messages. It replaces a character that ends a line, moves a cursor or turns text round.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::CliError;

/// The character that takes the place of a harmful one.
const REPLACEMENT: char = '\u{fffd}';

/// Returns the text in one line, without characters that a terminal acts on.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) { REPLACEMENT } else { char }).collect()
}

/// Returns the text without such characters, but keeps the ends of its lines.
pub(super) fn plain_lines(text: &str) -> String {
    text.chars().map(|char| if is_harmful(char) && char != '\n' { REPLACEMENT } else { char }).collect()
}

/// Returns an answer for people: all of its texts are harmless.
pub(super) fn plain_answer<T: DeserializeOwned>(answer: Value) -> Result<T, CliError> {
    serde_json::from_value(plain_value(answer)).map_err(|error| {
        CliError::Failed(format!(
            "the answer cannot be read ({error}): is the running clade of another version?"
        ))
    })
}

fn plain_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain(&text)),
        Value::Array(items) => items.into_iter().map(plain_value).collect(),
        // The recursion is as deep as the answers of the API, which serde_json bounds as well.
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (plain(&name), plain_value(value))).collect()
        }
        other => other,
    }
}

/// Returns `true` for control characters, ends of lines and paragraphs, and characters that change the direction of
/// text (UAX #9) or cannot be seen.
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_ends_a_line_moves_a_cursor_or_turns_text_round() {
        for harmful in
            ["\n", "\r", "\x1b[2J", "\u{9b}2J", "\u{202e}", "\u{2066}", "\u{2028}", "\u{feff}", "\0"]
        {
            let text = plain(&format!("a{harmful}b"));
            assert!(text.starts_with("a\u{fffd}") && text.ends_with('b'), "{text:?}");
        }
        assert_eq!(plain("Größe 大小 café"), "Größe 大小 café");
        assert_eq!(plain_lines("one\ntwo\x1b"), "one\ntwo\u{fffd}");
    }

    #[test]
    fn every_text_of_an_answer_is_made_harmless() {
        let answer = serde_json::json!({"a\n": [{"b": "x\ny", "c": 1}], "d": null});
        let plain: Value = plain_answer(answer).unwrap();
        assert_eq!(plain, serde_json::json!({"a\u{fffd}": [{"b": "x\u{fffd}y", "c": 1}], "d": null}));
    }
}
