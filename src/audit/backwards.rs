//! Reads the lines of a file from the last to the first.

use std::io::{Seek, SeekFrom};

/// Bytes that are read at once.
const BLOCK: usize = 256 << 10;
/// A longer line is no entry, which has a record of 1 MiB at most, but the header of a segment: nothing stands before it.
const LONGEST: usize = 8 << 20;

/// The complete lines of a file, the last first, without their line feeds.
pub(super) struct Backwards<F> {
    file: F,
    /// The place in the file before which nothing was read.
    start: u64,
    /// The bytes that were read and not returned.
    held: Vec<u8>,
}

impl<F: std::io::Read + Seek> Backwards<F> {
    pub(super) fn new(mut file: F) -> std::io::Result<Self> {
        let mut lines = Self { start: file.seek(SeekFrom::End(0))?, file, held: Vec::new() };
        // An auditor is still writing what stands after the last line feed.
        lines.line()?;
        Ok(lines)
    }

    /// The line before the one that was returned last.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if self.start == 0 && self.held.is_empty() { Ok(None) } else { self.line() }
    }

    /// Cuts off and returns what stands after the last line feed of the rest.
    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut unsearched = self.held.len();
        loop {
            if let Some(at) = self.held[..unsearched].iter().rposition(|byte| *byte == b'\n') {
                let line = self.held.split_off(at + 1);
                self.held.pop();
                return Ok(Some(line));
            }
            if self.start == 0 {
                return Ok(Some(std::mem::take(&mut self.held)));
            }
            if self.held.len() > LONGEST {
                self.start = 0;
                self.held.clear();
                return Ok(None);
            }
            unsearched = self.read()?;
        }
    }

    /// Reads the block before what is held, and returns its length.
    fn read(&mut self) -> std::io::Result<usize> {
        let length = BLOCK.min(usize::try_from(self.start).unwrap_or(BLOCK));
        self.start -= length as u64;
        self.file.seek(SeekFrom::Start(self.start))?;
        let mut block = vec![0; length];
        self.file.read_exact(&mut block)?;
        block.append(&mut self.held);
        self.held = block;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut lines = Backwards::new(Cursor::new(text.as_bytes().to_vec())).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(String::from_utf8(line).unwrap());
        }
        all
    }

    #[test]
    fn complete_lines_come_from_the_last_to_the_first() {
        assert_eq!(lines("one\ntwo\n\nthree\nfour is being wri"), ["three", "", "two", "one"]);
        assert_eq!(lines("one"), [] as [&str; 0]);
        assert_eq!(lines(""), [] as [&str; 0]);
        let long: Vec<String> = (0..9).map(|number| number.to_string().repeat(BLOCK / 3)).collect();
        let reversed: Vec<String> = long.iter().rev().cloned().collect();
        assert_eq!(lines(&format!("{}\n", long.join("\n"))), reversed);
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_file() {
        let text = format!("first\n{}\nlast\n", "x".repeat(LONGEST + 2 * BLOCK));
        assert_eq!(lines(&text), ["last"]);
    }
}
