//! The question of an API server.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::{self, Kind, Pod};
use crate::policy::{Subject, Workload};

/// The one version of the question that there is.
pub(super) const API_VERSION: &str = "admission.k8s.io/v1";

/// The error of a question that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The body is no AdmissionReview.
    #[error("the body is no AdmissionReview: {0}")]
    Body(serde_json::Error),
    /// The body is of another version or kind.
    #[error("the body is {kind:?} of {version:?}; this webhook takes AdmissionReview of {API_VERSION}")]
    Version {
        /// Its version.
        version: String,
        /// Its kind.
        kind: String,
    },
    /// The question is missing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

/// A question.
#[derive(Debug)]
pub struct Review {
    /// The ID, which the answer repeats.
    pub uid: String,
    /// The pod to judge, or the reason why there is none.
    pub asked: Result<Asked, Unjudged>,
}

/// A question without a pod to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unjudged {
    /// Nothing in the request concerns images.
    NoImages,
    /// The object cannot be read.
    Unreadable(String),
}

/// A pod to judge, or the template of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The pod, with the containers whose image is new. The labels of its namespace are missing.
    pub subject: Subject,
    /// The user who asks for it.
    pub user: String,
    /// `true` if nothing is to be stored, whatever the answer.
    pub is_dry_run: bool,
    /// `true` if the object is a pod: only those are denied.
    pub is_pod: bool,
    /// The place of each container's image in the object, as a JSON pointer.
    pub places: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    kind: GroupKind,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(default)]
    object: Option<Box<RawValue>>,
    #[serde(default)]
    old_object: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UserInfo {
    username: String,
}

impl UserInfo {
    /// Returns `true` for the controllers of Kubernetes and OpenShift. Whoever else creates a pod may write any owner into it.
    fn is_controller(&self) -> bool {
        self.username == "system:kube-controller-manager"
            || self.username.starts_with("system:serviceaccount:kube-system:")
            || self.username.starts_with("system:serviceaccount:openshift-infra:")
    }
}

#[derive(Deserialize)]
struct GroupKind {
    #[serde(default)]
    group: String,
    kind: String,
}

impl Review {
    /// Reads the body of a request.
    pub fn read(body: &[u8]) -> Result<Self, ReviewError> {
        let Body { api_version, kind, request } = serde_json::from_slice(body).map_err(ReviewError::Body)?;
        if api_version != API_VERSION || kind != "AdmissionReview" {
            return Err(ReviewError::Version { version: api_version, kind });
        }
        let request = request.ok_or(ReviewError::NoRequest)?;
        Ok(Self { uid: request.uid.clone(), asked: asked(request) })
    }
}

fn asked(request: Request) -> Result<Asked, Unjudged> {
    let is_change = matches!(request.operation.as_str(), "CREATE" | "UPDATE");
    let kind = Kind::of(&request.kind.group, &request.kind.kind).filter(|_| is_change);
    let (Some(kind), Some(object)) = (kind, request.object.as_deref()) else {
        return Err(Unjudged::NoImages);
    };
    let unreadable = |error: serde_json::Error| {
        Unjudged::Unreadable(format!("the {} cannot be read: {error}", request.kind.kind))
    };
    let mut pod = object::read(kind, object).map_err(unreadable)?;
    // An object that is there already keeps its images: only new ones are judged.
    if let Some(before) = request.old_object.as_deref().filter(|_| request.operation == "UPDATE") {
        pod = pod.without(&object::read(kind, before).map_err(unreadable)?);
    }
    if pod.subject.containers.is_empty() {
        return Err(Unjudged::NoImages);
    }
    let Pod { mut subject, places } = pod;
    if kind == Kind::Pod && !request.user_info.is_controller() {
        subject.workload = subject.workload.map(|of| Workload { kind: "Pod".to_owned(), ..of });
    }
    subject.namespace = request.namespace;
    if let Some(workload) = subject.workload.as_mut().filter(|_| kind != Kind::Pod) {
        workload.kind = request.kind.kind;
    }
    let (user, is_dry_run) = (request.user_info.username, request.dry_run == Some(true));
    Ok(Asked { subject, user, is_dry_run, is_pod: kind == Kind::Pod, places })
}
