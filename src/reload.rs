//! A value that is read from files, and again when they change. A file may be a link that is put elsewhere, as the files of a
//! Secret are, so their content is compared and not their time.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a file that are read. What these files are for fits into a fraction of it.
const MOST: u64 = 1 << 20;

type Parse<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync>;

/// A value from files.
pub struct FromFiles<T> {
    paths: Vec<PathBuf>,
    parse: Parse<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    /// The content of the files at the last look, or the reason why they could not be read.
    seen: Result<Vec<Vec<u8>>, String>,
}

impl<T> FromFiles<T> {
    /// Reads the files. `parse` gets the content of each, in order.
    pub fn open(
        paths: Vec<PathBuf>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let seen = read(&paths)?;
        let value = Arc::new(parse(&seen)?);
        Ok(Self { paths, parse: Box::new(parse), state: Mutex::new(State { value, seen: Ok(seen) }) })
    }

    /// The value that is in force.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.lock().value)
    }

    /// Looks at the files. `None` if they are as they were; otherwise whether their new value is in force now, or what is wrong
    /// with it. Then the value before stays.
    pub fn look(&self) -> Option<Result<(), String>> {
        let read = read(&self.paths);
        if read == self.lock().seen {
            return None;
        }
        let parsed = read.clone().and_then(|contents| (self.parse)(&contents));
        let mut state = self.lock();
        state.seen = read;
        Some(parsed.map(|value| state.value = Arc::new(value)))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    paths.iter().map(|path| content(path)).collect()
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |problem: String| format!("cannot read {}: {problem}", path.display());
    let file = std::fs::File::open(path).map_err(|error| cannot(error.to_string()))?;
    let mut content = Vec::new();
    file.take(MOST + 1).read_to_end(&mut content).map_err(|error| cannot(error.to_string()))?;
    match content.len() as u64 > MOST {
        true => Err(cannot(format!("it has more than {} KiB", MOST >> 10))),
        false => Ok(content),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_bad_new_file_is_told_once_and_the_value_before_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("number");
        let number = |contents: &[Vec<u8>]| {
            String::from_utf8_lossy(&contents[0]).trim().parse::<u32>().map_err(|error| error.to_string())
        };
        let open = || FromFiles::open(vec![path.clone()], number);
        assert!(open().err().unwrap().contains("number"), "a missing file is named");
        std::fs::write(&path, "1").unwrap();
        let value = open().unwrap();
        assert!(value.look().is_none());
        std::fs::write(&path, "x").unwrap();
        assert!(value.look().unwrap().is_err());
        assert!(value.look().is_none(), "it was told");
        std::fs::remove_file(&path).unwrap();
        assert!(value.look().unwrap().is_err());
        assert_eq!(*value.current(), 1);
        std::fs::write(&path, "2").unwrap();
        assert_eq!(value.look(), Some(Ok(())));
        assert_eq!(*value.current(), 2);
    }
}
