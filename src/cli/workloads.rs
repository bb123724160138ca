//! `clade get workloads`.

use super::args::Format;
use super::error::CliError;
use super::output::{lines, some, state, structured, table};
use crate::query::answer::{List, WorkloadContainerItem, WorkloadImageItem, WorkloadItem};

/// Prints workloads; with more columns, a line for each of their images.
pub(super) fn print(list: &List<WorkloadItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    match format {
        Format::Name => lines(list.items.iter().map(|workload| workload.key.clone())),
        Format::Wide => {
            let header =
                ["NAMESPACE", "KIND", "NAME", "CONTAINER", "PODS", "ASKED", "RUNNING", "SINCE", "CLASSES"];
            let rows = list.items.iter().flat_map(|workload| {
                let images = |of: &WorkloadContainerItem| -> Vec<Vec<String>> {
                    of.images.iter().map(|image| wide(workload, of, image)).collect()
                };
                workload.containers.iter().flat_map(images).collect::<Vec<_>>()
            });
            table(&header, rows.collect(), &[4], "workloads")
        }
        _ => {
            let header = ["NAMESPACE", "KIND", "NAME", "PODS", "CLASSES", "UNKNOWN IMAGES"];
            table(&header, list.items.iter().map(row).collect(), &[3], "workloads")
        }
    }
}

fn row(workload: &WorkloadItem) -> Vec<String> {
    let classes: Vec<String> =
        workload.classes.iter().map(|of| format!("{}:{}", of.name, state(of.state))).collect();
    let images = workload.containers.iter().flat_map(|of| &of.images);
    let unknown: Vec<String> =
        images.filter(|image| image.counts && image.unknown).map(|image| image.asked.clone()).collect();
    vec![
        workload.namespace.clone(),
        workload.kind.clone(),
        workload.name.clone(),
        workload.pods.to_string(),
        some(&classes, 3),
        some(&unknown, 2),
    ]
}

fn wide(workload: &WorkloadItem, of: &WorkloadContainerItem, image: &WorkloadImageItem) -> Vec<String> {
    let running = match (image.running, image.counts) {
        (Some(digest), _) => digest.to_string(),
        (None, true) => "nothing yet".to_owned(),
        (None, false) => "not yet".to_owned(),
    };
    let mut classes: Vec<String> =
        image.classes.iter().map(|of| format!("{}:{}", of.name, state(of.state))).collect();
    if let Some(pull) = &image.pull {
        classes.push(format!("unknown: {pull}"));
    }
    vec![
        workload.namespace.clone(),
        workload.kind.clone(),
        workload.name.clone(),
        of.name.clone(),
        image.pods.to_string(),
        image.asked.clone(),
        running,
        image.since.map_or_else(|| "-".to_owned(), |since| since.to_string()),
        some(&classes, usize::MAX),
    ]
}
