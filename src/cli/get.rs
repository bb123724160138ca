//! `clade get`, `clade ancestors`, `clade descendants`.

use super::args::{Format, GetArgs, Listed, RelatedArgs, SortArg, TimeArgs};
use super::coverage;
use super::error::CliError;
use super::list::{Parameters, list};
use super::output::{answer, lines, some, state, structured, table};
use super::{stream, workloads};
use crate::api::Client;
use crate::query::answer::{
    BaseClaim, ClassItem, GroupItem, ImageItem, List, PolicyItem, TagItem, UnknownBase,
};

pub(super) fn get(client: &Client, args: &GetArgs) -> Result<(), CliError> {
    let parameters = || {
        let mut parameters = Parameters::of(&args.filter);
        parameters.name = args.name.as_deref();
        parameters.limit = args.limit;
        parameters.sort = args.sort_by.map(SortArg::parameter);
        parameters.at = args.time.at;
        parameters.unknown = args.unknown.then_some(true);
        parameters.reference = args.runs.as_deref();
        parameters
    };
    if args.watch {
        return watch(client, args, parameters());
    }
    args.time.tell();
    let chooses = args.filter.is_any() || args.sort_by.is_some();
    let format = &args.output;
    match args.kind {
        kind if args.unknown && kind != Listed::Workloads => {
            Err(CliError::Usage("--unknown is for workloads: clade get workloads --unknown".to_owned()))
        }
        kind if args.runs.is_some() && kind != Listed::Workloads => {
            Err(CliError::Usage("--runs is for workloads: clade get workloads --runs REF".to_owned()))
        }
        Listed::Workloads if args.name.is_some() => Err(CliError::Usage(
            "workloads are chosen with --class, --state, --namespace, --runs and --unknown".to_owned(),
        )),
        Listed::Workloads => workloads::print(&list(client, "/v1/workloads", parameters(), format)?, format),
        Listed::Images | Listed::Tags if args.name.is_some() => Err(CliError::Usage(
            "images and tags are chosen with --class, --repository and the like (see clade get --help); \
             `clade explain REF` shows one"
                .to_owned(),
        )),
        Listed::UnknownBases if args.name.is_some() || chooses => Err(CliError::Usage(
            "clade get unknown-bases lists all of them; --limit is its one option".to_owned(),
        )),
        Listed::UnknownBases => {
            unknown_bases(&answer(client, "/v1/unknown-bases", &parameters(), format)?, format)
        }
        Listed::Classes | Listed::Groups | Listed::Policies if chooses || args.limit.is_some() => Err(CliError::Usage(
            "--class, --group, --state, --limit and the like choose images and tags; a class, group or policy is chosen by \
             its name, as in `clade get classes rhel7`"
                .to_owned(),
        )),
        Listed::Images => images(&list(client, "/v1/images", parameters(), format)?, format),
        Listed::Tags => tags(&list(client, "/v1/tags", parameters(), format)?, format),
        Listed::Classes => {
            classes(client, args.time, &list(client, "/v1/classes", parameters(), format)?, format)
        }
        Listed::Groups => groups(&list(client, "/v1/groups", parameters(), format)?, format),
        Listed::Policies => policies(&list(client, "/v1/policies", parameters(), format)?, format),
    }
}

/// Passes the changes of a list on, until the command is stopped.
fn watch(client: &Client, args: &GetArgs, mut parameters: Parameters<'_>) -> Result<(), CliError> {
    let path = match args.kind {
        Listed::Images => "/v1/images",
        Listed::Tags => "/v1/tags",
        Listed::Classes => "/v1/classes",
        Listed::Groups => "/v1/groups",
        Listed::Policies => "/v1/policies",
        Listed::Workloads => {
            return Err(CliError::Usage(
                "workloads cannot be watched; `clade subscribe workloads --follow` tells their changes"
                    .to_owned(),
            ));
        }
        Listed::UnknownBases => {
            return Err(CliError::Usage("unknown bases cannot be watched".to_owned()));
        }
    };
    if client.is_here() {
        return Err(CliError::Usage(
            "nothing would come: no clade runs on this data directory; start `clade run`, ask one with --server, or leave \
             --watch out"
                .to_owned(),
        ));
    }
    parameters.watch = Some(true);
    stream::until_stopped(client, path, &parameters)
}

pub(super) fn related(
    client: &Client,
    what: &str,
    args: &RelatedArgs,
    direct: Option<bool>,
) -> Result<(), CliError> {
    args.time.tell();
    let mut parameters = Parameters::of(&args.filter);
    parameters.reference = Some(&args.reference);
    parameters.direct = direct;
    parameters.limit = args.limit;
    parameters.at = args.time.at;
    images(&list(client, &format!("/v1/{what}"), parameters, &args.output)?, &args.output)
}

fn images(list: &List<ImageItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    match format {
        Format::Name => lines(list.items.iter().map(|image| image.digest.to_string())),
        Format::Wide => {
            let row = |image: &ImageItem| {
                vec![
                    image.digest.to_string(),
                    image.platform.to_string(),
                    some(&image.repositories, 2),
                    some(&image.tags, 3),
                    image.layers.to_string(),
                    standings(image, usize::MAX),
                    groups_of(image),
                ]
            };
            let header = ["DIGEST", "PLATFORM", "REPOSITORIES", "TAGS", "LAYERS", "CLASSES", "GROUPS"];
            table(&header, list.items.iter().map(row).collect(), &[4], "images")
        }
        _ => {
            let row = |image: &ImageItem| {
                vec![
                    image.digest.short(),
                    image.platform.to_string(),
                    tags_or_repositories(image),
                    image.layers.to_string(),
                    standings(image, 2),
                ]
            };
            let rows = list.items.iter().map(row).collect();
            table(&["DIGEST", "PLATFORM", "TAGS", "LAYERS", "CLASSES"], rows, &[3], "images")
        }
    }
}

/// The tags of an image, or, for an image without tags, its repositories in brackets.
fn tags_or_repositories(image: &ImageItem) -> String {
    if image.tags.is_empty() { format!("({})", some(&image.repositories, 2)) } else { some(&image.tags, 2) }
}

fn standings(image: &ImageItem, most: usize) -> String {
    // The nearest class first: the image was built on it.
    let mut classes: Vec<_> = image.classes.iter().collect();
    classes.sort_by(|a, b| b.depth.cmp(&a.depth).then_with(|| a.name.cmp(&b.name)));
    let told: Vec<String> =
        classes.iter().map(|standing| format!("{}:{}", standing.name, state(standing.state))).collect();
    some(&told, most)
}

fn groups_of(image: &ImageItem) -> String {
    let told: Vec<String> =
        image.groups.iter().map(|(group, classes)| format!("{group}={}", classes.join("|"))).collect();
    some(&told, usize::MAX)
}

fn tags(list: &List<TagItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    match format {
        Format::Name => lines(list.items.iter().map(|tag| tag.name.clone())),
        Format::Wide => {
            let rows = |tag: &TagItem| -> Vec<Vec<String>> {
                let row = |image: &ImageItem| {
                    vec![
                        tag.name.clone(),
                        image.platform.to_string(),
                        image.digest.to_string(),
                        tag.since.to_string(),
                        standings(image, usize::MAX),
                        groups_of(image),
                    ]
                };
                tag.images.iter().map(row).collect()
            };
            let header = ["NAME", "PLATFORM", "DIGEST", "SINCE", "CLASSES", "GROUPS"];
            table(&header, list.items.iter().flat_map(rows).collect(), &[], "tags")
        }
        _ => {
            let row = |tag: &TagItem| {
                let classes = tag.images.first().map_or_else(|| "-".to_owned(), |image| standings(image, 2));
                vec![
                    tag.name.clone(),
                    tag.digest.short(),
                    tag.since.to_string(),
                    tag.images.len().to_string(),
                    classes,
                ]
            };
            let rows = list.items.iter().map(row).collect();
            table(&["NAME", "DIGEST", "SINCE", "PLATFORMS", "CLASSES"], rows, &[3], "tags")
        }
    }
}

fn classes(client: &Client, time: TimeArgs, list: &List<ClassItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(list.items.iter().map(|class| class.metadata.name.clone()));
    }
    let covered = coverage::ask(client, None, time, format)?;
    let claimed = |name: &str| covered.classes.iter().find(|of| of.name == name).map_or(0, |of| of.claimed);
    let row = |class: &ClassItem| {
        let status = &class.status;
        let condition = |kind: &str| status.conditions.iter().find(|condition| condition.kind == kind);
        let (ready, following) = (condition("Ready"), condition("Following"));
        let from = &class.spec.from;
        let mut row = vec![
            class.metadata.name.clone(),
            from.namespace
                .as_ref()
                .map_or_else(|| from.name.clone(), |namespace| format!("{namespace}/{}", from.name)),
            status.current.as_ref().map_or_else(|| "-".to_owned(), |current| current.digest.short()),
            (status.history.len() + usize::from(status.current.is_some())).to_string(),
            status.members.to_string(),
            status.outdated.to_string(),
            claimed(&class.metadata.name).to_string(),
            ready.map_or_else(String::new, |ready| ready.status.clone()),
            following.map_or_else(String::new, |following| following.reason.clone()),
        ];
        if matches!(format, Format::Wide) {
            let labels: Vec<String> =
                class.metadata.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let number = |of: Option<u64>| of.map_or_else(|| "-".to_owned(), |of| of.to_string());
            row.push(number(status.running));
            row.push(number(status.running_outdated));
            row.push(some(&labels, usize::MAX));
            row.push(following.map_or_else(String::new, |following| following.message.clone()));
        }
        row
    };
    let mut header =
        vec!["NAME", "FROM", "CURRENT", "VERSIONS", "MEMBERS", "OUTDATED", "CLAIMED", "READY", "FOLLOWING"];
    if matches!(format, Format::Wide) {
        header.extend(["RUNNING", "RUNNING OUTDATED", "LABELS", "MESSAGE"]);
    }
    let rows: Vec<_> = list.items.iter().map(row).collect();
    if !rows.is_empty() {
        coverage::tell(&covered.total);
    }
    table(&header, rows, &[3, 4, 5, 6], "classes")
}

fn unknown_bases(list: &List<UnknownBase>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(list.items.iter().map(|base| base.chain_id.to_string()));
    }
    let claim = |claim: &BaseClaim| {
        let name = claim.name.clone().or_else(|| claim.digest.clone()).unwrap_or_default();
        format!("{name} ({})", claim.images)
    };
    let row = |base: &UnknownBase| {
        let claims: Vec<String> = base.claims.iter().map(claim).collect();
        vec![
            base.chain_id.to_string(),
            base.layers.to_string(),
            base.images.to_string(),
            some(&base.repositories, 2),
            some(&claims, 2),
        ]
    };
    let header = ["CHAIN ID", "LAYERS", "IMAGES", "REPOSITORIES", "CLAIMED"];
    table(&header, list.items.iter().map(row).collect(), &[1, 2], "unknown bases")
}

fn groups(list: &List<GroupItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(list.items.iter().map(|group| group.metadata.name.clone()));
    }
    let row = |group: &GroupItem| vec![group.metadata.name.clone(), some(&group.status.classes, 8)];
    table(&["NAME", "CLASSES"], list.items.iter().map(row).collect(), &[], "groups")
}

fn policies(list: &List<PolicyItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(list.items.iter().map(|policy| policy.metadata.name.clone()));
    }
    let row = |policy: &PolicyItem| {
        let ready = policy.status.conditions.first();
        vec![
            policy.metadata.name.clone(),
            format!("{:?}", policy.spec.action),
            format!("{:?}", policy.spec.require.state),
            format!("{:?}", policy.spec.on_unknown),
            ready.map_or_else(String::new, |ready| ready.status.clone()),
            some(&policy.status.classes, 8),
        ]
    };
    let header = ["NAME", "ACTION", "STATE", "ON UNKNOWN", "READY", "CLASSES"];
    table(&header, list.items.iter().map(row).collect(), &[], "policies")
}
