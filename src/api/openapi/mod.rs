//! The description of the API, OpenAPI 3.1: from the types of its parameters and answers, and the table of its
//! operations.

mod operations;

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::error::Problem;
use operations::{Answers, OPERATIONS, Operation};

/// Where the schemas of a document stand.
const SCHEMAS: &str = "/components/schemas";

/// The document.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let problem = schemas.subschema_for::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in OPERATIONS {
        let described = describe(operation, &problem.clone().to_value(), &mut schemas);
        let methods = paths.entry(operation.path).or_default();
        methods.insert(operation.method.to_ascii_lowercase(), described);
    }
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "clade",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Which container images are built on what, and is it the current version?",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        // A process that listens on loopback needs no token.
        "security": [{}, { "token": [] }],
    });
    name_words(&mut document);
    document
}

/// Turns each choice between words into a list of words, with their meanings in the description: generators of clients take
/// alternatives for types of their own.
fn name_words(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(name_words),
        Value::Object(members) => {
            members.values_mut().for_each(name_words);
            let word = |of: &Value| {
                let meaning = of["description"].as_str().unwrap_or_default();
                Some((of["const"].as_str()?.to_owned(), meaning.to_owned()))
            };
            let choices = members.get("oneOf").and_then(Value::as_array);
            let words = choices.and_then(|of| of.iter().map(word).collect::<Option<Vec<_>>>());
            let Some(words) = words else { return };
            let mut told: Vec<String> =
                members.get("description").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
            told.extend(words.iter().map(|(word, meaning)| format!("- `{word}`: {meaning}")));
            members.remove("oneOf");
            members.insert("type".to_owned(), "string".into());
            members.insert("enum".to_owned(), words.into_iter().map(|(word, _)| word).collect());
            members.insert("description".to_owned(), told.join("\n").into());
        }
        _ => {}
    }
}

fn describe(operation: &Operation, problem: &Value, schemas: &mut SchemaGenerator) -> Value {
    let Operation { id, summary, path, parameters, body, answers, .. } = operation;
    let mut all: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(parameters) = parameters {
        all.extend(in_query(&parameters(schemas).to_value()));
    }
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "parameters": all,
        "responses": {
            "200": ok(answers, schemas),
            "default": {
                "description": "A problem (RFC 9457)",
                "content": { "application/problem+json": { "schema": problem } },
            },
        },
    });
    if matches!(answers, Answers::Of(_) | Answers::List(_) | Answers::Followed(_))
        && operation.method == "GET"
        && !["/v1/rebuilds", "/v1/audit"].iter().any(|other| path.starts_with(other))
    {
        described["responses"]["304"] =
            json!({ "description": "Nothing has changed since the `ETag` of `If-None-Match`" });
    }
    if let Some(body) = body {
        let schema = body(schemas);
        described["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    described
}

fn ok(answers: &Answers, schemas: &mut SchemaGenerator) -> Value {
    let lines = "One JSON object a line. An answer that breaks off without the last chunk is not complete";
    let (description, content) = match answers {
        Answers::Of(schema) => ("The answer", json!({ "application/json": { "schema": schema(schemas) } })),
        Answers::List(schema) => (
            "The list; or with `Accept: application/x-ndjson` or `watch=true` one JSON object a line",
            json!({
                "application/json": { "schema": schema(schemas) },
                "application/x-ndjson": { "schema": { "type": "object" } },
            }),
        ),
        Answers::Followed(schema) => (
            "The answer, or the event `change` whenever it may have changed and `beat` every 15 s",
            json!({
                "application/json": { "schema": schema(schemas) },
                "text/event-stream": { "schema": { "type": "string" } },
            }),
        ),
        Answers::Lines(schema) => (lines, json!({ "application/x-ndjson": { "schema": schema(schemas) } })),
        Answers::Events(schema) => (
            lines,
            json!({
                "application/x-ndjson": { "schema": schema(schemas) },
                "text/event-stream": { "schema": { "type": "string" } },
            }),
        ),
        Answers::Bytes => {
            ("The bytes", json!({ "application/octet-stream": { "schema": { "type": "string" } } }))
        }
    };
    json!({ "description": description, "content": content })
}

/// The members of a schema as parameters of a query string.
fn in_query(schema: &Value) -> Vec<Value> {
    let Some(members) = schema["properties"].as_object() else { return Vec::new() };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|members| members.remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "description": description.unwrap_or_else(|| Value::from(name.as_str())),
            "schema": without_null(schema),
        })
    };
    members.iter().map(parameter).collect()
}

/// A query string has no null: whatever may be null may be left out.
fn without_null(mut schema: Value) -> Value {
    let is_null = |of: &Value| of == "null" || of["type"] == "null";
    if let Some(types) = schema["type"].as_array_mut() {
        types.retain(|of| !is_null(of));
        if let [one] = &types[..] {
            schema["type"] = one.clone();
        }
    }
    if let Some(forms) = schema["anyOf"].as_array_mut() {
        forms.retain(|of| !is_null(of));
        if let [one] = &forms[..] {
            return one.clone();
        }
    }
    if let Some(members) = schema.as_object_mut() {
        members.remove("default");
        members.retain(|_, value| !value.is_null());
    }
    schema
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::routes::documented;

    #[test]
    fn every_route_is_described_and_every_operation_has_a_route() {
        let operations: BTreeSet<(String, String)> =
            OPERATIONS.iter().map(|of| (of.path.to_owned(), of.method.to_owned())).collect();
        assert_eq!(operations, documented());
        let ids: BTreeSet<&str> = OPERATIONS.iter().map(|of| of.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len(), "two operations share an ID");
    }

    #[test]
    fn every_reference_of_the_document_leads_to_a_schema() {
        let document = openapi();
        let text = document.to_string();
        let references = text.split("\"$ref\":\"#").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]);
        for pointer in references {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
