//! `clade generate`.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use super::args::GenerateArgs;
use super::error::CliError;
use super::progress;
use crate::source::generated::{History, Shape};
use crate::source::line::Line;

pub(super) fn generate(args: &GenerateArgs) -> Result<(), CliError> {
    let cannot = |error: std::io::Error| {
        CliError::Failed(format!("cannot write into {}: {error}", args.dir.display()))
    };
    std::fs::create_dir_all(&args.dir).map_err(cannot)?;
    let open = |name: &str| File::create(args.dir.join(name)).map(BufWriter::new).map_err(cannot);
    let (mut images, mut tags, mut claims) =
        (open("images.jsonl")?, open("tags.jsonl")?, open("declared-bases.jsonl")?);
    let bar = progress::count(args.images, "generating");
    for line in History::new(Shape { seed: args.seed, images: args.images, days: args.days }) {
        let file = match &line {
            Line::Image(_) => {
                bar.add(1);
                &mut images
            }
            Line::Tag(_) => &mut tags,
            Line::Claim(_) | Line::Version(_) => &mut claims,
        };
        serde_json::to_writer(&mut *file, &line).map_err(|error| cannot(error.into()))?;
        file.write_all(b"\n").map_err(cannot)?;
    }
    for file in [&mut images, &mut tags, &mut claims] {
        file.flush().map_err(cannot)?;
    }
    bar.finish();
    eprintln!("written; next: clade import {}", args.dir.display());
    Ok(())
}
