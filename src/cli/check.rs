//! `clade check`.

use std::path::Path;

use super::args::{Format, VerdictArgs};
use super::error::CliError;
use super::manifests;
use super::output::{lines, structured};
use crate::api::Client;
use crate::declare::Manifest;
use crate::observe::Observation;
use crate::policy::{Container, ContainerVerdict, Decision, Judgement, PodVerdict, Subject, Verdict};
use crate::query::answer::{List, PolicyItem};
use crate::query::{NamedPolicy, Unseen, VerdictRequest};
use crate::record::catalog::Selector;
use crate::record::{ContainerRole, ImageRecord};
use crate::source;

/// Images of one question, at most.
const MOST: usize = 100;

pub(super) fn check(client: &Client, args: &VerdictArgs) -> Result<(), CliError> {
    let policies = policies(client, args.policy.as_deref())?;
    if args.images.len() > MOST {
        return Err(CliError::Usage(format!("one command judges at most {MOST} images")));
    }
    let mut images = Vec::new();
    let mut containers = Vec::new();
    for name in &args.images {
        if is_path(name) {
            images.extend(in_file(name)?);
        }
        containers.push(Container {
            name: String::new(),
            role: ContainerRole::Container,
            image: name.clone(),
        });
    }
    let allows_unknown = |name: &str| {
        let policy = policies.iter().find(|policy| policy.name == name);
        policy.is_some_and(|policy| policy.spec.on_unknown == crate::record::policy::OnUnknown::Allow)
    };
    let request = VerdictRequest {
        pod: Subject { containers, ..Subject::default() },
        policies: Some(policies.clone()),
        images,
    };
    let verdict: PodVerdict = client.post("/v1/verdict", &request)?;
    if !structured(&args.output, &verdict)? {
        match args.output {
            Format::Name => lines(verdict.containers.iter().map(|of| of.container.image.clone()))?,
            _ => lines(told(&verdict))?,
        }
    }
    let is_unknown = verdict
        .containers
        .iter()
        .flat_map(|of| &of.judgements)
        .any(|of| of.verdict == Verdict::Unknown && !allows_unknown(&of.policy));
    match verdict.verdict {
        Verdict::Violating => Err(CliError::Violating(counted(&verdict, Verdict::Violating, "violating"))),
        _ if is_unknown => Err(CliError::UnknownImage(counted(&verdict, Verdict::Unknown, "unknown"))),
        _ if !verdict.not_ready.is_empty() => {
            Err(CliError::UnknownImage("a policy is not ready: it selects no class that exists".to_owned()))
        }
        _ => Ok(()),
    }
}

fn counted(verdict: &PodVerdict, of: Verdict, word: &str) -> String {
    let count = verdict.containers.iter().filter(|container| container.verdict == of).count();
    format!("{count} of {} images {} {word}", verdict.containers.len(), if count == 1 { "is" } else { "are" })
}

/// The policies of a file, or those that are declared, with selectors that select everything.
fn policies(client: &Client, file: Option<&Path>) -> Result<Vec<NamedPolicy>, CliError> {
    let mut policies: Vec<NamedPolicy> = match file {
        Some(file) => in_manifests(file)?,
        None => {
            let list: List<PolicyItem> = client.get("/v1/policies", &())?;
            let declared = list.items.into_iter();
            declared.map(|item| NamedPolicy { name: item.metadata.name, spec: item.spec }).collect()
        }
    };
    if policies.is_empty() {
        return Err(CliError::Usage(
            "no policy is declared: name a file with --policy, or declare one with clade apply".to_owned(),
        ));
    }
    for policy in &mut policies {
        policy.spec.namespace_selector = Selector::default();
        policy.spec.object_selector = Selector::default();
    }
    Ok(policies)
}

pub(super) fn in_manifests(file: &Path) -> Result<Vec<NamedPolicy>, CliError> {
    let mut policies = Vec::new();
    for object in manifests::read(file)? {
        let wrong =
            |problem: &dyn std::fmt::Display| CliError::Usage(format!("{}: {problem}", file.display()));
        for manifest in Manifest::read(object).map_err(|error| wrong(&error))? {
            manifest.check().map_err(|error| wrong(&error))?;
            match manifest {
                Manifest::Policy(policy) => {
                    policies.push(NamedPolicy { name: policy.name, spec: policy.policy });
                }
                Manifest::Class(_) | Manifest::Group(_) => {
                    return Err(wrong(&"has something else than policies: name a file with policies alone"));
                }
            }
        }
    }
    Ok(policies)
}

/// Returns `true` for the name of a file or folder: a folder of a checkout must not stand for an image of a registry.
fn is_path(name: &str) -> bool {
    ["/", "./", "../"].iter().any(|beginning| name.starts_with(beginning))
}

/// The images in a file or folder, by their layers.
fn in_file(name: &str) -> Result<Vec<Unseen>, CliError> {
    let mut found = Vec::new();
    let mut problem = None;
    let source::Found { inputs, .. } = source::find(&[name.into()])?;
    source::read(&inputs, &|_| (), &mut |seen| {
        match seen {
            Observation::Image(image) if found.len() < MOST => found.push(unseen(name, &image)),
            Observation::Image(_) => problem = Some(format!("it has more than {MOST} images")),
            Observation::Unreadable(letter) => problem = Some(letter.reason),
            _ => {}
        }
        Ok(())
    })?;
    match problem {
        // clade does not judge a part that it cannot read, so it judges nothing of the file.
        Some(problem) => Err(CliError::Failed(format!("{name}: {problem}"))),
        None if found.is_empty() => Err(CliError::Failed(format!("{name} has no image in it"))),
        None => Ok(found),
    }
}

fn unseen(name: &str, image: &ImageRecord) -> Unseen {
    let layers = || image.chain().layers().to_vec();
    let (diff_ids, blobs) = match image.layer_identity {
        crate::oci::LayerIdentity::DiffId => (layers(), image.blobs()),
        crate::oci::LayerIdentity::Blob => (Vec::new(), layers()),
    };
    Unseen { image: name.to_owned(), digest: image.digest, platform: image.platform.clone(), diff_ids, blobs }
}

fn told(verdict: &PodVerdict) -> Vec<String> {
    let mut told: Vec<String> = verdict.containers.iter().flat_map(told_of).collect();
    told.extend(
        verdict.not_ready.iter().map(|of| format!("policy {} is not ready: {}", of.policy, of.message)),
    );
    if verdict.stale {
        told.push("clade's answers are older than a policy tolerates".to_owned());
    }
    told
}

fn told_of(of: &ContainerVerdict) -> Vec<String> {
    let judgement = |judgement: &Judgement| {
        let denies = if judgement.decision == Decision::Deny { " (it would be denied)" } else { "" };
        format!("  {}: {}: {}{denies}", judgement.policy, judgement.verdict.as_str(), judgement.message)
    };
    let first = format!("{}: {}", of.container.image, of.verdict.as_str());
    std::iter::once(first).chain(of.judgements.iter().map(judgement)).collect()
}
