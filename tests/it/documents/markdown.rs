//! The Markdown files of the repository: their headings, links, code and blocks.

use std::path::{Path, PathBuf};

use super::root;

/// One Markdown file.
pub(crate) struct Document {
    /// The path in the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fenced block.
pub(crate) struct Block {
    /// The word behind the fence.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// Returns all Markdown files, sorted by path.
pub(crate) fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            paths.push(path);
        }
    }
    for folder in ["docs", "topics", "deploy", "examples", "tests", "benches"] {
        files(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    assert!(paths.len() > 40, "the documents are somewhere else");
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    paths
        .iter()
        .map(|path| Document { name: name(path), text: std::fs::read_to_string(path).unwrap() })
        .collect()
}

pub(super) fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

impl Document {
    /// Returns the lines outside of blocks.
    fn prose(&self) -> String {
        let mut is_inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_inside = !is_inside;
            } else if !is_inside {
                prose += line;
                prose.push('\n');
            }
        }
        prose
    }

    /// Returns the blocks, without their indentation.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, Block)> = None;
        for line in self.text.lines() {
            let trimmed = line.trim_start();
            match (&mut open, trimmed.strip_prefix("```")) {
                (None, Some(language)) => {
                    let block = Block { language: language.trim().to_owned(), text: String::new() };
                    open = Some((line.len() - trimmed.len(), block));
                }
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((indentation, block)), None) => {
                    block.text += line.get(*indentation..).unwrap_or_default();
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// Returns the code spans outside of blocks. A span may go over the end of a line, but not of a paragraph.
    pub(super) fn spans(&self) -> Vec<String> {
        let prose = self.prose();
        let of = |paragraph: &str| {
            let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
        };
        // In a table, a row is a paragraph.
        prose.replace("|\n", "|\n\n").split("\n\n").flat_map(of).collect()
    }

    /// Returns the targets of links.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let references = prose.lines().filter_map(|line| {
            line.starts_with('[').then(|| line.split_once("]: ").map(|(_, target)| target))?
        });
        inline.chain(references).map(|target| target.trim().to_owned()).collect()
    }

    /// Returns the anchors of the headings, as GitHub names them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        let anchor = |line: &str| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }
}
