//! A file that redb may write to and that stays as it is: what is written is kept in memory.
//!
//! redb writes whenever it opens a file, and repairs one that was not closed properly. A check must not change what it
//! checks: the damaged file may be the only one there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// The unit of what is kept in memory. redb's own pages have this size.
const PAGE: usize = 4096;

/// Told how many bytes have been read.
pub(super) type Told = Box<dyn Fn(u64) + Send + Sync>;

pub(super) struct Overlay<F = FileBackend> {
    file: F,
    written: Mutex<Written>,
    read: AtomicU64,
    told: Told,
    unreadable: Unreadable,
}

/// The pages of a file that the disk does not give back. They read as zeros: redb would stop at the first failure, and read
/// nothing any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Unreadable(Arc<Mutex<BTreeSet<u64>>>);

impl Unreadable {
    fn pages(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of pages, and where the first of them begins in the file.
    pub(super) fn found(&self) -> Option<(usize, u64)> {
        let pages = self.pages();
        pages.first().map(|page| (pages.len(), page * PAGE as u64))
    }
}

struct Written {
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    len: u64,
    /// The bytes of the file that still count: a file that was made shorter and longer again has zeros there.
    of_file: u64,
}

impl<F> std::fmt::Debug for Overlay<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay").finish_non_exhaustive()
    }
}

impl Overlay {
    /// Opens the file. `unreadable` notes the pages that the disk does not give back.
    pub(super) fn open(path: &Path, told: Told, unreadable: Unreadable) -> std::io::Result<Self> {
        // A lock that excludes others needs a file that is open for writing.
        let file = File::options().read(true).write(true).open(path)?;
        let len = file.metadata()?.len();
        let file = FileBackend::new(file).map_err(Error::other)?;
        Ok(Self::over(file, len, told, unreadable))
    }
}

impl<F: StorageBackend> Overlay<F> {
    fn over(file: F, len: u64, told: Told, unreadable: Unreadable) -> Self {
        let written = Mutex::new(Written { pages: BTreeMap::new(), len, of_file: len });
        Self { file, written, read: AtomicU64::new(0), told, unreadable }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `out` from the file, and with zeros beyond its end.
    fn read_file(&self, of_file: u64, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let left = usize::try_from(of_file.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (there, beyond) = out.split_at_mut(left.min(out.len()));
        beyond.fill(0);
        if there.is_empty() || self.file.read(offset, there).is_ok() {
            return Ok(());
        }
        for (page, _, at, len) in parts(offset, there.len()) {
            let part = &mut there[at..at + len];
            match self.file.read(offset + at as u64, part) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(error),
                Err(_) => {
                    part.fill(0);
                    self.unreadable.pages().insert(page);
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The parts of `len` bytes at `offset`, by page: the page, where it begins there, where it begins in the bytes, its length.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        // A remainder of the size of a page fits.
        let within = usize::try_from(at % PAGE as u64).ok()?;
        let part = (len - done).min(PAGE - within);
        let found = (part > 0).then_some((at / PAGE as u64, within, done, part));
        done += part;
        found
    })
}

impl<F: StorageBackend> StorageBackend for Overlay<F> {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.len) {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        self.read_file(written.of_file, offset, out)?;
        for (page, within, at, len) in parts(offset, out.len()) {
            if let Some(bytes) = written.pages.get(&page) {
                out[at..at + len].copy_from_slice(&bytes[within..within + len]);
            }
        }
        let before = self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        (self.told)(before + out.len() as u64);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        let mut written = self.written();
        written.len = len;
        written.of_file = written.of_file.min(len);
        written.pages.retain(|page, _| page * (PAGE as u64) < len);
        // The bytes beyond the new end are gone, also if the file gets longer again.
        if let Some(last) = written.pages.get_mut(&(len / PAGE as u64)) {
            last[usize::try_from(len % PAGE as u64).unwrap_or(PAGE)..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut written = self.written();
        for (page, within, at, len) in parts(offset, data.len()) {
            if !written.pages.contains_key(&page) {
                let mut bytes = Box::new([0; PAGE]);
                self.read_file(written.of_file, page * PAGE as u64, &mut bytes[..])?;
                written.pages.insert(page, bytes);
            }
            if let Some(bytes) = written.pages.get_mut(&page) {
                bytes[within..within + len].copy_from_slice(&data[at..at + len]);
            }
        }
        written.len = written.len.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> Result<(), Error> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_file_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let content: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        std::fs::write(&path, &content).unwrap();
        let overlay = Overlay::open(&path, Box::new(|_| {}), Unreadable::default()).unwrap();
        let mut expected = content.clone();
        overlay.write(4_000, &[7; 5_000]).unwrap();
        expected[4_000..9_000].fill(7);
        overlay.set_len(9_500).unwrap();
        overlay.set_len(20_000).unwrap();
        expected.truncate(9_500);
        expected.resize(20_000, 0);
        let mut found = vec![1; 20_000];
        overlay.read(0, &mut found).unwrap();
        assert!(found == expected);
        assert_eq!(overlay.read(19_999, &mut [0; 2]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert!(std::fs::read(&path).unwrap() == content);
    }

    /// A disk that does not give back some bytes.
    #[derive(Debug)]
    struct Bad(std::ops::Range<u64>);

    impl StorageBackend for Bad {
        fn len(&self) -> Result<u64, Error> {
            Ok(20_000)
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
            if offset < self.0.end && self.0.start < offset + out.len() as u64 {
                return Err(Error::other("the sector is bad"));
            }
            out.fill(7);
            Ok(())
        }

        fn set_len(&self, _: u64) -> Result<(), Error> {
            Ok(())
        }

        fn sync_data(&self) -> Result<(), Error> {
            Ok(())
        }

        fn write(&self, _: u64, _: &[u8]) -> Result<(), Error> {
            Ok(())
        }
    }

    #[test]
    fn pages_that_the_disk_does_not_give_back_are_zeros_and_noted() {
        let unreadable = Unreadable::default();
        let overlay = Overlay::over(Bad(5_000..9_000), 20_000, Box::new(|_| {}), unreadable.clone());
        let mut found = vec![1; 20_000];
        overlay.read(0, &mut found).unwrap();
        assert!(found[4_096..12_288].iter().all(|byte| *byte == 0));
        assert!(found[..4_096].iter().chain(&found[12_288..]).all(|byte| *byte == 7));
        assert_eq!(unreadable.found(), Some((2, 4_096)));
    }
}
