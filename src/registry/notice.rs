//! The notifications that a registry sends after a push or a deletion: the webhooks of Docker's distribution, of Harbor
//! and of Quay.
//!
//! A notice is only a hint where to poll. Whoever can send one can make clade poll, and nothing else.

use serde::Deserialize;
use serde_json::Value;

use super::config::is_name;
use crate::oci::reference::is_tag;

/// A repository or a tag to poll.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notice {
    /// The repository's name in the registry.
    pub repository: String,
    /// The tag, if only that one was pushed.
    pub tag: Option<String>,
}

/// The reason why a body is no notification.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It is not JSON, or has other fields.
    #[error("the notification is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It has none of the known forms.
    #[error(
        "a notification has \"events\" (Docker's distribution), \"event_data\" (Harbor) or \"docker_url\" (Quay)"
    )]
    Unknown,
}

/// Returns the places to poll after a notification, each once.
pub fn read(body: &[u8]) -> Result<Vec<Notice>, NoticeError> {
    let value: Value = serde_json::from_slice(body)?;
    let has = |field: &str| value.get(field).is_some();
    let mut notices = if has("events") {
        serde_json::from_value::<Distribution>(value)?.notices()
    } else if has("event_data") {
        serde_json::from_value::<Harbor>(value)?.notices()
    } else if has("docker_url") {
        serde_json::from_value::<Quay>(value)?.notices()
    } else {
        return Err(NoticeError::Unknown);
    };
    notices.retain(|notice| is_name(&notice.repository) && notice.tag.as_deref().is_none_or(is_tag));
    let mut seen = std::collections::HashSet::new();
    notices.retain(|notice| seen.insert(notice.clone()));
    Ok(notices)
}

/// <https://distribution.github.io/distribution/about/notifications/>
#[derive(Deserialize)]
struct Distribution {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    action: String,
    target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    media_type: String,
    repository: String,
    #[serde(default)]
    tag: Option<String>,
}

impl Distribution {
    fn notices(self) -> Vec<Notice> {
        // Pulls change nothing, and neither does a blob before the manifest that names it.
        let is_change = |event: &Event| {
            let is_blob = event.target.media_type == "application/octet-stream";
            event.action == "delete" || event.action == "push" && !is_blob
        };
        let notice = |event: Event| Notice {
            repository: event.target.repository,
            tag: event.target.tag.filter(|tag| !tag.is_empty() && event.action == "push"),
        };
        self.events.into_iter().filter(is_change).map(notice).collect()
    }
}

/// <https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/>
#[derive(Deserialize)]
struct Harbor {
    #[serde(default, rename = "type")]
    kind: String,
    event_data: HarborData,
}

#[derive(Deserialize)]
struct HarborData {
    #[serde(default)]
    resources: Vec<HarborResource>,
    repository: HarborRepository,
}

#[derive(Deserialize)]
struct HarborResource {
    #[serde(default)]
    tag: Option<String>,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: String,
}

impl Harbor {
    fn notices(self) -> Vec<Notice> {
        let repository = self.event_data.repository.repo_full_name;
        let all = || vec![Notice { repository: repository.clone(), tag: None }];
        match self.kind.as_str() {
            "PUSH_ARTIFACT" => {
                let tags = self.event_data.resources.into_iter().filter_map(|resource| {
                    // For a push without a tag, Harbor puts the digest here.
                    resource.tag.filter(|tag| is_tag(tag))
                });
                let notices: Vec<_> =
                    tags.map(|tag| Notice { repository: repository.clone(), tag: Some(tag) }).collect();
                if notices.is_empty() { all() } else { notices }
            }
            "DELETE_ARTIFACT" | "TAG_RETENTION" | "REPLICATION" => all(),
            _ => Vec::new(),
        }
    }
}

/// <https://docs.projectquay.io/use_quay.html#repository-push-notification>
#[derive(Deserialize)]
struct Quay {
    docker_url: String,
    #[serde(default)]
    updated_tags: Option<Tags>,
}

/// A list of tags, or in earlier versions a map from tags to images.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Map(serde_json::Map<String, Value>),
}

impl Quay {
    fn notices(self) -> Vec<Notice> {
        // The URL begins with the registry's host.
        let repository = self.docker_url.split_once('/').map_or("", |(_, path)| path).to_owned();
        let tags = match self.updated_tags {
            Some(Tags::List(tags)) => tags,
            Some(Tags::Map(tags)) => tags.into_iter().map(|(tag, _)| tag).collect(),
            None => Vec::new(),
        };
        if tags.is_empty() {
            return vec![Notice { repository, tag: None }];
        }
        tags.into_iter().map(|tag| Notice { repository: repository.clone(), tag: Some(tag) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn notices(body: &Value) -> Vec<String> {
        let shown = |notice: Notice| match notice.tag {
            Some(tag) => format!("{}:{tag}", notice.repository),
            None => notice.repository,
        };
        read(body.to_string().as_bytes()).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn docker_distribution_tells_of_pushed_tags_and_of_what_was_deleted() {
        let event = |action: &str, target: Value| json!({"action": action, "target": target});
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let pushed = json!({"mediaType": manifest, "repository": "team/app", "tag": "1"});
        let events = [
            event("push", json!({"mediaType": "application/octet-stream", "repository": "team/app"})),
            event("push", pushed.clone()),
            event("push", pushed),
            event("pull", json!({"mediaType": manifest, "repository": "team/pulled", "tag": "1"})),
            event("delete", json!({"repository": "team/gone", "digest": "sha256:…"})),
            event("push", json!({"repository": "../up", "tag": "1"})),
        ];
        assert_eq!(notices(&json!({"events": events})), ["team/app:1", "team/gone"]);
    }

    #[test]
    fn harbor_tells_of_artifacts_by_tag_or_by_digest() {
        let event = |kind: &str, resources: Value| {
            let repository = json!({"name": "app", "namespace": "team", "repo_full_name": "team/app"});
            json!({"type": kind, "event_data": {"resources": resources, "repository": repository}})
        };
        let tagged = json!([{"digest": "sha256:…", "tag": "1", "resource_url": "harbor.example/team/app:1"}]);
        let untagged = json!([{"tag": "sha256:0123", "resource_url": "harbor.example/team/app@sha256:0123"}]);
        assert_eq!(notices(&event("PUSH_ARTIFACT", tagged.clone())), ["team/app:1"]);
        assert_eq!(notices(&event("PUSH_ARTIFACT", untagged)), ["team/app"]);
        assert_eq!(notices(&event("DELETE_ARTIFACT", tagged.clone())), ["team/app"]);
        assert!(notices(&event("SCANNING_COMPLETED", tagged)).is_empty());
    }

    #[test]
    fn quay_tells_of_the_tags_that_a_push_has_moved() {
        let push =
            |tags: Value| json!({"docker_url": "quay.io/team/app", "name": "app", "updated_tags": tags});
        assert_eq!(notices(&push(json!(["1", "latest"]))), ["team/app:1", "team/app:latest"]);
        assert_eq!(notices(&push(json!({"latest": "0123"}))), ["team/app:latest"]);
        assert_eq!(notices(&json!({"docker_url": "quay.io/team/app"})), ["team/app"]);
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        for body in ["", "[]", "{}", r#"{"events": 1}"#, r#"{"event_data": {}}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
