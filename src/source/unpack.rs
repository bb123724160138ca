//! Opens files: plain, or compressed with gzip, zstd or xz, which the content shows and not the name.
//!
//! A compressed file may be a bomb. So what comes out of one has a budget in proportion to what went in, and the
//! decompressors have one for their windows.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::text;
use crate::compress;

/// KiB that the window of an xz file may have: `xz -9` takes 64 MiB.
const XZ_WINDOW: u32 = 256 << 10;
/// The same for zstd, as the power of two in bytes: `zstd -19` takes 8 MiB, `zstd --ultra` 128 MiB.
const ZSTD_WINDOW: u32 = 27;

/// The budget of what a compressed file becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Bytes that any file may become.
    free: u64,
    /// Bytes for each byte that was read.
    times: u64,
}

/// The budget of text. Lists of images shrink to a twentieth with gzip and to a fiftieth with xz.
pub(super) const TEXT: Budget = Budget { free: 64 << 20, times: 128 };
/// The budget of an archive, whose layers are skipped as they come and take no memory. They may be holes, which
/// shrink to a thousandth with gzip and further with the others.
pub(super) const ARCHIVE: Budget = Budget { free: 8 << 30, times: 1_024 };

/// The compressions that clade reads, by the first bytes.
const PACKINGS: [(&[u8], &str); 3] =
    [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz")];

/// Returns the compression of a file that begins with these bytes, if clade reads it.
pub(super) fn packing(beginning: &[u8]) -> Option<&'static str> {
    PACKINGS.iter().find(|(magic, _)| beginning.starts_with(magic)).map(|(_, name)| *name)
}

/// Returns the compression of the file, if it has one that clade reads.
pub(super) fn packing_of(path: &Path) -> Result<Option<&'static str>> {
    let mut magic = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut magic)?;
    Ok(packing(&magic))
}

/// Opens a file and unpacks it. Calls `advance` with the bytes read on disk.
pub(super) fn open<'a>(
    path: &Path,
    budget: Budget,
    advance: impl Fn(u64) + 'a,
) -> Result<Box<dyn BufRead + 'a>> {
    let packing = packing_of(path)?;
    let read = Rc::new(Cell::new(0));
    let file = Counted { file: File::open(path)?, read: Rc::clone(&read), advance };
    let file = BufReader::with_capacity(1 << 16, file);
    let unpacked: Box<dyn Read + 'a> = match packing {
        None => return Ok(Box::new(file)),
        Some("gzip") => Box::new(MultiGzDecoder::new(file)),
        Some("zstd") => compress::reader(file, ZSTD_WINDOW)?,
        Some(_) => Box::new(XzReader::new_mem_limit(file, true, XZ_WINDOW)),
    };
    Ok(Box::new(BufReader::with_capacity(1 << 16, Bounded { unpacked, budget, read, written: 0 })))
}

/// A reader that can pass over bytes.
pub(super) trait Skip: Read {
    /// Passes over this many bytes. It is an error if there are fewer.
    fn skip(&mut self, bytes: u64) -> Result<()>;
}

/// Bytes that can only be read.
struct Stream<'a>(Box<dyn BufRead + 'a>);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Skip for Stream<'_> {
    fn skip(&mut self, mut bytes: u64) -> Result<()> {
        while bytes > 0 {
            let ready = self.0.fill_buf()?.len();
            if ready == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let step = usize::try_from(bytes).unwrap_or(usize::MAX).min(ready);
            self.0.consume(step);
            bytes -= step as u64;
        }
        Ok(())
    }
}

/// A plain file, in which nobody needs to read what is skipped.
struct Seekable<F> {
    file: BufReader<File>,
    /// Bytes to the end of the file.
    left: u64,
    advance: F,
}

impl<F: Fn(u64)> Seekable<F> {
    fn passed(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
        (self.advance)(bytes);
    }
}

impl<F: Fn(u64)> Read for Seekable<F> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read(buffer)?;
        self.passed(read as u64);
        Ok(read)
    }
}

impl<F: Fn(u64)> Skip for Seekable<F> {
    fn skip(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.left {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.file.seek_relative(i64::try_from(bytes).map_err(|_| ErrorKind::UnexpectedEof)?)?;
        self.passed(bytes);
        Ok(())
    }
}

/// Opens an archive.
pub(super) fn open_archive<'a>(path: &Path, advance: impl Fn(u64) + 'a) -> Result<Box<dyn Skip + 'a>> {
    if packing_of(path)?.is_some() {
        return Ok(Box::new(Stream(open(path, ARCHIVE, advance)?)));
    }
    let file = File::open(path)?;
    let left = file.metadata()?.len();
    Ok(Box::new(Seekable { file: BufReader::with_capacity(1 << 16, file), left, advance }))
}

impl<S: Skip + ?Sized> Skip for Box<S> {
    fn skip(&mut self, bytes: u64) -> Result<()> {
        (**self).skip(bytes)
    }
}

/// Opens a file as text in UTF-8.
pub(super) fn open_text<'a>(path: &Path, advance: impl Fn(u64) + 'a) -> Result<Box<dyn BufRead + 'a>> {
    text::utf8(open(path, TEXT, advance)?)
}

/// Returns the reason why a file cannot be read on.
pub(super) fn cut_off(error: &Error) -> String {
    match error.kind() {
        ErrorKind::FileTooLarge => error.to_string(),
        ErrorKind::OutOfMemory => {
            "the file was compressed with a larger window than clade reads: compress it with the usual options".to_owned()
        }
        _ => format!(
            "the file cannot be read on from here ({error}): it is cut off or damaged; get it again and import it again"
        ),
    }
}

/// Counts the bytes of a file on disk as they are read.
struct Counted<F> {
    file: File,
    read: Rc<Cell<u64>>,
    advance: F,
}

impl<F: Fn(u64)> Read for Counted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get() + read as u64);
        (self.advance)(read as u64);
        Ok(read)
    }
}

/// Ends a compressed file that becomes more than its budget.
struct Bounded<R> {
    unpacked: R,
    budget: Budget,
    read: Rc<Cell<u64>>,
    written: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.unpacked.read(buffer)?;
        self.written += read as u64;
        let Budget { free, times } = self.budget;
        if self.written > free.saturating_add(times.saturating_mul(self.read.get())) {
            let problem = format!(
                "the file unpacks to more than {} MiB and {times} times its size, which no list of images does: it \
                 looks like a decompression bomb; unpack it first if it is none",
                free >> 20
            );
            return Err(Error::new(ErrorKind::FileTooLarge, problem));
        }
        Ok(read)
    }
}
