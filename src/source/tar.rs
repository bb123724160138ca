//! Walks through a tar archive in one pass, with bounds: a name is a key, content is skipped unless it is asked for.
//!
//! The `tar` crate reads the headers. It would also walk, but reads long names whole, however long they are.

use std::io::{self, Error, ErrorKind, Read};

use tar::{EntryType, Header};

use super::unpack::Skip;

/// Bytes of a header, and of what content is filled up to.
const BLOCK: usize = 512;
/// Bytes of a name or of extended headers, at most. Linux has paths of 4 KiB.
const LONGEST: u64 = 64 << 10;
/// Entries of an archive, at most: an image has fewer than a thousand, and a repository's layout a few for each image.
const MOST_ENTRIES: u64 = 4_000_000;

/// A file in an archive.
pub(super) struct Entry {
    /// The path, without `./` in front.
    pub(super) name: String,
    /// The size of the content in bytes.
    pub(super) size: u64,
}

/// Returns `true` if bytes begin a tar archive: its first header has the right checksum.
pub(super) fn is_tar(beginning: &[u8]) -> bool {
    beginning.first_chunk().is_some_and(|block| header(block).is_some())
}

/// Returns the header in a block, unless its checksum shows that it is none.
fn header(block: &[u8; BLOCK]) -> Option<Header> {
    let header = Header::from_byte_slice(block).clone();
    let told = header.cksum().ok()?;
    // The checksum counts its own field as spaces.
    let field = 148..156;
    let sum =
        block.iter().enumerate().map(|(at, byte)| u32::from(if field.contains(&at) { b' ' } else { *byte }));
    (sum.sum::<u32>() == told).then_some(header)
}

/// An archive that is read from its beginning.
pub(super) struct Tar<R> {
    reader: R,
    /// Bytes to the next header.
    left: u64,
    entries: u64,
}

/// The extended headers before an entry, which replace fields of its own header.
#[derive(Default)]
struct Extended {
    name: Option<String>,
    size: Option<u64>,
}

impl<R: Skip> Tar<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, left: 0, entries: 0 }
    }

    /// Returns the next file. Folders, links and devices are skipped: they have no content.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            self.reader.skip(std::mem::take(&mut self.left))?;
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                let problem = format!("the archive has more than {MOST_ENTRIES} entries");
                return Err(Error::new(ErrorKind::FileTooLarge, problem));
            }
            let mut block = [0; BLOCK];
            match read_block(&mut self.reader, &mut block)? {
                // An archive ends with blocks of zeros; some writers leave them out.
                0 => return Ok(None),
                _ if block.iter().all(|byte| *byte == 0) => return Ok(None),
                _ => {}
            }
            let Some(header) = header(&block) else {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    "a header of the archive has a wrong checksum",
                ));
            };
            let size = extended.size.take().map_or_else(|| header.entry_size(), Ok)?;
            self.left = size.checked_next_multiple_of(BLOCK as u64).ok_or(ErrorKind::InvalidData)?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    let name = self.content(size.min(LONGEST))?;
                    let name = name.strip_suffix(b"\0").unwrap_or(&name);
                    extended.name = Some(String::from_utf8_lossy(name).into_owned());
                }
                EntryType::XHeader => self.extend(size, &mut extended)?,
                EntryType::XGlobalHeader | EntryType::GNULongLink => {}
                EntryType::Regular | EntryType::Continuous => {
                    let own = String::from_utf8_lossy(&header.path_bytes()).into_owned();
                    let name = extended.name.take().unwrap_or(own);
                    return Ok(Some(Entry { name: name.trim_start_matches("./").to_owned(), size }));
                }
                _ => extended = Extended::default(),
            }
        }
    }

    /// Reads the next bytes of the present entry, as many as are wanted.
    pub(super) fn content(&mut self, wanted: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let wanted = wanted.min(self.left);
        let read = self.reader.by_ref().take(wanted).read_to_end(&mut content)? as u64;
        self.left -= read;
        if read < wanted { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(content) }
    }

    /// Reads extended headers: lines of `LENGTH NAME=VALUE`.
    fn extend(&mut self, size: u64, extended: &mut Extended) -> io::Result<()> {
        let content = self.content(size.min(LONGEST))?;
        let mut rest = &content[..];
        while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let Some(line) = length.and_then(|length| rest.get(space + 1..length)) else { break };
            let (name, value) = String::from_utf8_lossy(line)
                .trim_end_matches('\n')
                .split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .unwrap_or_default();
            match name.as_str() {
                "path" => extended.name = Some(value),
                "size" => extended.size = value.parse().ok(),
                _ => {}
            }
            rest = &rest[length.unwrap_or(rest.len())..];
        }
        Ok(())
    }
}

/// Reads a block. Returns 0 at the end of the archive.
fn read_block(reader: &mut impl Read, block: &mut [u8; BLOCK]) -> io::Result<usize> {
    let mut read = 0;
    while read < block.len() {
        match reader.read(&mut block[read..]) {
            Ok(0) if read == 0 => return Ok(0),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
