//! The operations of the API, with the types of their parameters and answers.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::api::audit::{AuditList, AuditParams};
use crate::api::position::PositionItem;
use crate::api::read::params::{Known, ListParams};
use crate::api::read::{
    CoverageParams, ExplainParams, LookedUp, Lookup, NoParams, RefParams, SuggestParams, UnknownBasesParams,
    UsageParams,
};
use crate::api::stream::VersionsParams;
use crate::api::subscribe::SubscribeParams;
use crate::api::write::Named;
use crate::api::{Applied, Asking};
use crate::plan::Plan;
use crate::policy::PodVerdict;
use crate::query::answer::{
    ChainItem, ClassItem, CoverageReport, Explanation, ExportedVersion, GroupItem, ImageItem, Lineage, List,
    PolicyItem, Resolution, Suggestion, TagItem, UnknownBase, Usage, WorkloadItem,
};
use crate::query::{VerdictRequest, WorkloadVerdicts, WorkloadsRequest};
use crate::rebuilder::RebuildItem;
use crate::record::rebuild::RebuildRequest;

/// The schema of a type.
type Of = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
pub(super) struct Operation {
    pub(super) id: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Option<Of>,
    pub(super) body: Option<Of>,
    pub(super) answers: Answers,
}

/// The form of an answer.
pub(super) enum Answers {
    /// One JSON object.
    Of(Of),
    /// A list: one JSON object, or one JSON object an item.
    List(Of),
    /// One JSON object a line.
    Lines(Of),
    /// One JSON object, or Server-Sent Events.
    Followed(Of),
    /// One JSON object a line, or Server-Sent Events.
    Events(Of),
    /// Bytes.
    Bytes,
}

/// The schema of a type, which stands under its name.
fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// The schema of a type in place.
fn members<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    T::json_schema(schemas)
}

/// The parameters that a list has.
fn of_list(schemas: &mut SchemaGenerator, known: Known) -> Schema {
    let mut schema = ListParams::json_schema(schemas);
    if let Some(members) = schema.get_mut("properties").and_then(|members| members.as_object_mut()) {
        members.retain(|name, _| known.has(name));
    }
    if known.reference {
        schema.insert("required".to_owned(), vec!["ref"].into());
    }
    schema
}

fn of_images(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::IMAGES)
}

fn of_tags(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::TAGS)
}

fn of_workloads(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::WORKLOADS)
}

fn of_ancestors(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::ANCESTORS)
}

fn of_descendants(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::DESCENDANTS)
}

fn of_descendants_of_image(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::DESCENDANTS_OF_IMAGE)
}

fn named(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::NAMED)
}

fn paged(schemas: &mut SchemaGenerator) -> Schema {
    of_list(schemas, Known::PAGES)
}

/// JSON whose form is described elsewhere.
fn manifests(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "array",
        "description": "Manifests of ImageClass, ImageClassGroup and ClassPolicy, as `kubectl get -o json` prints them",
        "items": { "type": "object" },
    })
}

/// An event of a topic.
fn event(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "An event: its `data` is of the schema of its topic, or a CloudEvent",
    })
}

const fn get(
    id: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: Of,
    answers: Answers,
) -> Operation {
    Operation { id, method: "GET", path, summary, parameters: Some(parameters), body: None, answers }
}

const fn post(
    id: &'static str,
    path: &'static str,
    summary: &'static str,
    body: Option<Of>,
    answers: Answers,
) -> Operation {
    Operation { id, method: "POST", path, summary, parameters: None, body, answers }
}

const fn delete(id: &'static str, path: &'static str, summary: &'static str) -> Operation {
    let (parameters, answers) = (Some(members::<Named> as Of), Answers::Of(of::<Applied>));
    Operation { id, method: "DELETE", path, summary, parameters, body: None, answers }
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    get("listImages", "/v1/images", "Images", of_images, Answers::List(of::<List<ImageItem>>)),
    get("listTags", "/v1/tags", "Tags, by name", of_tags, Answers::List(of::<List<TagItem>>)),
    get(
        "listWorkloads",
        "/v1/workloads",
        "What runs, by namespace, kind and name",
        of_workloads,
        Answers::List(of::<List<WorkloadItem>>),
    ),
    get("listClasses", "/v1/classes", "Classes, by name", named, Answers::List(of::<List<ClassItem>>)),
    get("listGroups", "/v1/groups", "Groups, by name", named, Answers::List(of::<List<GroupItem>>)),
    get("listPolicies", "/v1/policies", "Policies, by name", named, Answers::List(of::<List<PolicyItem>>)),
    post(
        "judge",
        "/v1/verdict",
        "The verdict of class policies on a pod",
        Some(of::<VerdictRequest>),
        Answers::Of(of::<PodVerdict>),
    ),
    post(
        "judgeWorkloads",
        "/v1/workloads/verdicts",
        "The verdicts of class policies on what runs",
        Some(of::<WorkloadsRequest>),
        Answers::Of(of::<WorkloadVerdicts>),
    ),
    get(
        "listAncestors",
        "/v1/ancestors",
        "The images that the images of a REF are based on, nearest first",
        of_ancestors,
        Answers::List(of::<List<ImageItem>>),
    ),
    get(
        "listDescendants",
        "/v1/descendants",
        "The images that are based on the images of a REF",
        of_descendants,
        Answers::List(of::<List<ImageItem>>),
    ),
    get(
        "explain",
        "/v1/explain",
        "The evidence for the classes of each image of a REF",
        members::<ExplainParams>,
        Answers::Of(of::<List<Explanation>>),
    ),
    get(
        "resolve",
        "/v1/resolve",
        "The images or the chain that a REF names",
        members::<RefParams>,
        Answers::Of(of::<Resolution>),
    ),
    get(
        "suggest",
        "/v1/suggestions",
        "Names that begin as it is typed, some of each kind",
        members::<SuggestParams>,
        Answers::Of(of::<List<Suggestion>>),
    ),
    post(
        "lookUp",
        "/v1/lookup",
        "The images or chains that many REFs name",
        Some(of::<Lookup>),
        Answers::Of(of::<LookedUp>),
    ),
    get(
        "getImage",
        "/v1/images/{image}",
        "One image, by its digest, its image ID or the beginning of either",
        members::<NoParams>,
        Answers::Of(of::<ImageItem>),
    ),
    get(
        "explainImage",
        "/v1/images/{image}/explain",
        "The evidence for the classes of one image",
        members::<NoParams>,
        Answers::Of(of::<Explanation>),
    ),
    get(
        "listAncestorsOfImage",
        "/v1/images/{image}/ancestors",
        "The images that one image is based on, nearest first",
        of_tags,
        Answers::List(of::<List<ImageItem>>),
    ),
    get(
        "listDescendantsOfImage",
        "/v1/images/{image}/descendants",
        "The images that are based on one image",
        of_descendants_of_image,
        Answers::List(of::<List<ImageItem>>),
    ),
    get(
        "listEquivalentsOfImage",
        "/v1/images/{image}/equivalents",
        "The other images with the same layers, by digest",
        paged,
        Answers::List(of::<List<ImageItem>>),
    ),
    get(
        "getChain",
        "/v1/chains/{chain}",
        "What ends at a chain, and what contains it",
        members::<NoParams>,
        Answers::Of(of::<ChainItem>),
    ),
    get(
        "getUsage",
        "/v1/usage",
        "The repositories, namespaces and tags that use a class",
        members::<UsageParams>,
        Answers::Of(of::<Usage>),
    ),
    get(
        "getCoverage",
        "/v1/coverage",
        "Images by what is known of their beginnings",
        members::<CoverageParams>,
        Answers::Of(of::<CoverageReport>),
    ),
    get(
        "listUnknownBases",
        "/v1/unknown-bases",
        "Beginnings that images share and at which no known image ends",
        members::<UnknownBasesParams>,
        Answers::Of(of::<List<UnknownBase>>),
    ),
    get(
        "exportVersions",
        "/v1/versions",
        "Versions of classes, for `clade import`",
        members::<VersionsParams>,
        Answers::Lines(of::<ExportedVersion>),
    ),
    get(
        "exportLineage",
        "/v1/lineage",
        "The relations of every image",
        members::<NoParams>,
        Answers::Lines(of::<Lineage>),
    ),
    get(
        "subscribe",
        "/v1/subscribe/{topic}",
        "Events of a topic",
        members::<SubscribeParams>,
        Answers::Events(event),
    ),
    get(
        "listAuditEntries",
        "/v1/audit",
        "Entries of the audit trail, the newest first",
        members::<AuditParams>,
        Answers::Of(of::<AuditList>),
    ),
    get(
        "getPosition",
        "/v1/position",
        "How far answers go, and by Server-Sent Events whenever they may have changed",
        members::<NoParams>,
        Answers::Followed(of::<PositionItem>),
    ),
    post("backUp", "/v1/backup", "A copy of the log, for `clade backup`", None, Answers::Bytes),
    post(
        "apply",
        "/v1/apply",
        "Declares classes, groups and policies, all or none",
        Some(manifests),
        Answers::Of(of::<Vec<Applied>>),
    ),
    delete("deleteClass", "/v1/classes", "Deletes a class"),
    delete("deleteGroup", "/v1/groups", "Deletes a group"),
    delete("deletePolicy", "/v1/policies", "Deletes a policy"),
    get(
        "listRebuilds",
        "/v1/rebuilds",
        "Rebuilds, the newest first",
        members::<NoParams>,
        Answers::Of(of::<List<RebuildItem>>),
    ),
    post(
        "planRebuild",
        "/v1/rebuilds/plan",
        "The plan for a rebuild, without any effect",
        Some(of::<RebuildRequest>),
        Answers::Of(of::<Plan>),
    ),
    get(
        "getRebuild",
        "/v1/rebuilds/{id}",
        "One rebuild with its targets",
        members::<NoParams>,
        Answers::Of(of::<RebuildItem>),
    ),
    post(
        "startRebuild",
        "/v1/rebuilds",
        "Begins a rebuild",
        Some(of::<RebuildRequest>),
        Answers::Of(of::<RebuildItem>),
    ),
    post(
        "pauseRebuild",
        "/v1/rebuilds/{id}/pause",
        "Pauses a rebuild",
        Some(of::<Asking>),
        Answers::Of(of::<RebuildItem>),
    ),
    post(
        "resumeRebuild",
        "/v1/rebuilds/{id}/resume",
        "Resumes a rebuild",
        Some(of::<Asking>),
        Answers::Of(of::<RebuildItem>),
    ),
    post(
        "cancelRebuild",
        "/v1/rebuilds/{id}/cancel",
        "Cancels a rebuild",
        Some(of::<Asking>),
        Answers::Of(of::<RebuildItem>),
    ),
];
