//! The output forms that users write themselves: `jsonpath=TEMPLATE` and `custom-columns=HEADER:PATH,…`, as kubectl has them.

use serde_json::Value;
use serde_json_path::JsonPath;

/// A template: text, and between braces paths of JSON (RFC 9535), `range PATH`, `end`, and quoted text.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Path(JsonPath),
    /// The parts up to the `end` after them, for each value that the path finds.
    Range(JsonPath, Vec<Part>),
}

impl Template {
    /// Reads a template. A path without braces around it is one, too.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('{') {
            return Ok(Self(vec![Part::Path(path(text)?)]));
        }
        // The parts of the template, and of the range that is open.
        let (mut parts, mut open): (Vec<Part>, Option<(JsonPath, Vec<Part>)>) = (Vec::new(), None);
        let mut rest = text;
        while !rest.is_empty() {
            let into = open.as_mut().map_or(&mut parts, |(_, parts)| parts);
            let Some(braced) = rest.strip_prefix('{') else {
                let end = rest.find('{').unwrap_or(rest.len());
                into.push(Part::Text(rest[..end].to_owned()));
                rest = &rest[end..];
                continue;
            };
            let end = closing(braced).ok_or_else(|| format!("jsonpath: {rest:?} has no closing brace"))?;
            let inner = braced[..end].trim();
            rest = &braced[end + 1..];
            if let Some(ranged) = inner.strip_prefix("range ") {
                if open.is_some() {
                    return Err("jsonpath: a range inside a range is not supported".to_owned());
                }
                open = Some((path(ranged.trim())?, Vec::new()));
            } else if inner == "end" {
                let (path, inside) = open.take().ok_or("jsonpath: {end} without {range …}")?;
                parts.push(Part::Range(path, inside));
            } else if inner.starts_with('"') {
                let text = serde_json::from_str(inner)
                    .map_err(|error| format!("jsonpath: {inner} is no quoted text: {error}"))?;
                into.push(Part::Text(text));
            } else {
                into.push(Part::Path(path(inner)?));
            }
        }
        match open {
            Some(_) => Err("jsonpath: {range …} without {end}".to_owned()),
            None => Ok(Self(parts)),
        }
    }

    /// The text for an answer.
    pub(in crate::cli) fn of(&self, answer: &Value) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Range(path, inside) => {
                    for value in path.query(answer) {
                        inside.iter().for_each(|part| part.write(value, &mut text));
                    }
                }
                part => part.write(answer, &mut text),
            }
        }
        text
    }
}

impl Part {
    fn write(&self, value: &Value, to: &mut String) {
        match self {
            Self::Text(text) => to.push_str(text),
            Self::Path(path) => to.push_str(&joined(path, value, " ").unwrap_or_default()),
            // There is none inside another.
            Self::Range(..) => {}
        }
    }
}

/// The end of what stands between braces: braces in quotes do not count.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// A path as kubectl takes it: `.a`, `$.a`, `@.a` or `{.a}`.
fn path(text: &str) -> Result<JsonPath, String> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let rest = inner.strip_prefix(['$', '@']).unwrap_or(inner);
    let rooted = if rest.is_empty() || rest.starts_with(['.', '[']) {
        format!("${rest}")
    } else {
        format!("$.{rest}")
    };
    JsonPath::parse(&rooted).map_err(|error| format!("{text:?} is no path of JSON: {error}"))
}

/// The values that a path finds; `None` if there are none.
fn joined(path: &JsonPath, value: &Value, between: &str) -> Option<String> {
    let found: Vec<String> = path
        .query(value)
        .into_iter()
        .map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect();
    (!found.is_empty()).then(|| found.join(between))
}

/// Columns that the user names.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Columns(Vec<(String, JsonPath)>);

impl Columns {
    /// Reads `HEADER:PATH,…`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let column = |column: &str| {
            let (header, of) = column
                .split_once(':')
                .filter(|(header, of)| !header.is_empty() && !of.is_empty())
                .ok_or_else(|| {
                    format!("custom-columns: {column:?}: write HEADER:PATH, as NAME:.metadata.name")
                })?;
            Ok((header.to_owned(), path(of)?))
        };
        text.split(',').map(column).collect::<Result<_, String>>().map(Self)
    }

    pub(in crate::cli) fn headers(&self) -> Vec<&str> {
        self.0.iter().map(|(header, _)| header.as_str()).collect()
    }

    /// The row of an item.
    pub(in crate::cli) fn row(&self, item: &Value) -> Vec<String> {
        self.0
            .iter()
            .map(|(_, path)| joined(path, item, ",").unwrap_or_else(|| "<none>".to_owned()))
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(template: &str) -> String {
        let list = json!({ "items": [
            { "digest": "a", "layers": 2, "classes": [{ "name": "os", "state": "current" }] },
            { "digest": "b", "layers": 5, "classes": [] },
        ] });
        Template::parse(template).unwrap().of(&list)
    }

    #[test]
    fn a_template_is_text_with_the_values_of_paths() {
        assert_eq!(told("{.items[*].digest}"), "a b");
        assert_eq!(told("$.items[0].layers"), "2");
        assert_eq!(told(".items[?(@.layers > 2)].digest"), "b");
        assert_eq!(
            told(r#"{range .items[*]}{.digest}: {.classes[*].name}{"\n"}{end}done"#),
            "a: os\nb: \ndone"
        );
        assert_eq!(told("{.nothing}"), "");
        assert_eq!(told(r#"{.items[?(@.digest == "}")].digest}"#), "");
    }

    #[test]
    fn a_template_that_makes_no_sense_is_refused_with_the_place() {
        for (template, problem) in [
            ("{.items[*]", "closing brace"),
            ("{.items[}", "no path of JSON"),
            ("{end}", "without {range"),
            ("{range .items[*]}{.a}", "without {end}"),
            ("{range .a}{range .b}{end}{end}", "not supported"),
            (r#"{"open}"#, "closing brace"),
        ] {
            let told = Template::parse(template).unwrap_err();
            assert!(told.contains(problem), "{template}: {told}");
        }
    }

    #[test]
    fn a_column_has_a_header_and_a_path() {
        let columns = Columns::parse("DIGEST:.digest,CLASSES:.classes[*].name,X:.x").unwrap();
        assert_eq!(columns.headers(), ["DIGEST", "CLASSES", "X"]);
        let item = json!({ "digest": "a", "classes": [{ "name": "os" }, { "name": "lang" }] });
        assert_eq!(columns.row(&item), ["a", "os,lang", "<none>"]);
        for nonsense in ["DIGEST", "DIGEST:", ":.digest", "A:.a,,B:.b", "A:.["] {
            assert!(Columns::parse(nonsense).is_err(), "{nonsense}");
        }
    }
}
