//! `clade explain` and `clade usage`.

use super::args::{ExplainArgs, Format, UsageArgs};
use super::error::CliError;
use super::output::{answer, bold, lines, some, state, structured, table};
use crate::api::Client;
use crate::oci::{Digest, Platform};
use crate::query::answer::{Base, Explanation, List, Usage};
use crate::record::image::Evidence;
use crate::record::{Claim, Origin, State};

pub(super) fn explain(client: &Client, args: &ExplainArgs) -> Result<(), CliError> {
    args.time.tell();
    let mut list: List<Explanation> =
        answer(client, "/v1/explain", &(("ref", &args.reference), ("at", args.time.at)), &args.output)?;
    if let Some(platform) = &args.platform {
        let asked: Platform =
            platform.parse().map_err(|error| CliError::Usage(format!("--platform: {error}")))?;
        list.items.retain(|explanation| explanation.image.platform.matches(&asked));
        if list.items.is_empty() {
            return Err(CliError::NotFound(format!("{:?} has no image for {platform}", args.reference)));
        }
    }
    if structured(&args.output, &list)? {
        return Ok(());
    }
    if matches!(args.output, Format::Name) {
        return lines(list.items.iter().map(|explanation| explanation.image.digest.to_string()));
    }
    let is_wide = matches!(args.output, Format::Wide);
    for (number, explanation) in list.items.iter().enumerate() {
        if number > 0 {
            println!();
        }
        lines(told(explanation, is_wide))?;
    }
    Ok(())
}

fn told(of: &Explanation, is_wide: bool) -> Vec<String> {
    let image = &of.image;
    let mut told = vec![
        bold(&image.digest.to_string()),
        format!(
            "  {} | {} | {} {}",
            image.platform,
            some(&image.repositories, 4),
            image.layers,
            if image.layers == 1 { "layer" } else { "layers" }
        ),
        format!("  tags:      {}", some(&image.tags, 6)),
        format!("  verdict:   {}", of.verdict),
    ];
    if !of.layers.is_empty() {
        told.push(String::new());
        told.push("  layers, base first (a line where an image or a class's version ends):".to_owned());
    }
    for layer in &of.layers {
        let ends = !layer.images.is_empty() || !layer.classes.is_empty() || layer.depth == image.layers;
        if !ends && !is_wide {
            continue;
        }
        let name = |base: &Base| base.tags.first().cloned().unwrap_or_else(|| base.digest.short());
        let images: Vec<String> = layer.images.iter().map(name).collect();
        let mut line = format!("  {:>4}  {}", layer.depth, layer.layer.short());
        if layer.depth == image.layers {
            line += "  this image";
        }
        if !images.is_empty() {
            line += &format!("  = {}", some(&images, 4));
        }
        if !layer.classes.is_empty() {
            line += &format!("  [class {}]", some(&layer.classes, 4));
        }
        if is_wide {
            line += &format!("  chain {}", layer.chain_id);
        }
        told.push(line);
    }
    if !image.classes.is_empty() {
        told.push(String::new());
        told.push("  classes:".to_owned());
    }
    for standing in &image.classes {
        let mut line =
            format!("    {}: {}, on {}", standing.name, state(standing.state), standing.version.short());
        match standing.origin {
            Origin::Observed => {}
            Origin::History => line += ", a version that was imported",
            Origin::Pattern => line += ", a version by the pattern of the class",
            Origin::Adopted => line += ", a chain that the class adopts",
            Origin::Claimed => line += ", a version by claims of images",
        }
        if standing.nearest {
            line += ", nearest";
        }
        if let Some(newer) = of.newer.iter().find(|newer| newer.class == standing.name) {
            let versions = if newer.versions_behind == 1 { "version" } else { "versions" };
            line += &format!(
                "; {} {versions} behind {}, current since {}",
                newer.versions_behind,
                newer
                    .current
                    .map_or_else(|| "one without this platform".to_owned(), |current| current.short()),
                newer.since
            );
            if newer.at_least {
                line += &format!("; outdated since {} at least", newer.outdated_since);
            } else if newer.outdated_since != newer.since {
                line += &format!("; outdated since {}", newer.outdated_since);
            }
        }
        told.push(line);
    }
    if !of.equivalents.is_empty() {
        let digests: Vec<String> = of.equivalents.iter().map(Digest::short).collect();
        told.push(format!("  equivalent by content: {}", some(&digests, 6)));
    }
    told.push(format!("  descendants: {}", of.descendants));
    for claim in &of.claims {
        let base = claimed_base(&claim.claim);
        let evidence = match claim.claim.evidence {
            Evidence::Annotation => "annotation",
            Evidence::Label => "label",
            Evidence::ChainLabel => "label of a chain",
            Evidence::Dockerfile => "dockerfile",
            Evidence::Provenance => "provenance",
        };
        told.push(format!("  claimed:   {base} (by {evidence}; by layers: {})", claim.by_layers));
    }
    told
}

/// The base that a claim names, with as much of its digest as tells it from others.
fn claimed_base(claim: &Claim) -> String {
    let short = claim
        .digest
        .as_ref()
        .map(|text| text.parse::<Digest>().map_or_else(|_| text.clone(), |of| of.short()));
    match (&claim.name, short) {
        (Some(name), Some(digest)) => format!("{name}@{digest}"),
        (Some(name), None) => name.clone(),
        (None, digest) => digest.unwrap_or_default(),
    }
}

pub(super) fn usage(client: &Client, args: &UsageArgs) -> Result<(), CliError> {
    args.time.tell();
    let mut usage: Usage =
        answer(client, "/v1/usage", &(("class", &args.class), ("at", args.time.at)), &args.output)?;
    if structured(&args.output, &usage)? {
        return Ok(());
    }
    if matches!(args.output, Format::Name) {
        return lines(usage.repositories.into_iter().map(|repository| repository.name));
    }
    println!(
        "class {}: {} images ({} {}), {} tags, {} repositories, {} namespaces",
        usage.class,
        usage.images,
        usage.outdated,
        state(State::Outdated),
        usage.tags.unwrap_or_default(),
        usage.repositories.len(),
        usage.namespaces.len()
    );
    if let Some(limit) = args.limit {
        usage.repositories.sort_by_key(|repository| std::cmp::Reverse(repository.images));
        usage.repositories.truncate(limit);
    }
    let row = |repository: &crate::query::answer::RepositoryUsage| {
        vec![
            repository.name.clone(),
            repository.images.to_string(),
            repository.outdated.to_string(),
            repository.tags.unwrap_or_default().to_string(),
        ]
    };
    let rows = usage.repositories.iter().map(row).collect();
    table(&["REPOSITORY", "IMAGES", "OUTDATED", "TAGS"], rows, &[1, 2, 3], "images")
}
