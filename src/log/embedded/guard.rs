//! Turns a panic of redb into an error.
//!
//! redb trusts a file that was closed properly, and panics where the content of a damaged page makes no sense. clade reads
//! a log for weeks; a check of the whole file at each opening, which redb has for such files, would take as long as reading
//! everything. So the panic is caught here, and nowhere else: it becomes an error that names the file.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use super::fault::damaged;
use crate::log::LogError;

thread_local! {
    /// `true` while this thread is within [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does the work, and returns an error if it panics. Within it, redb is used for one transaction. Unwinding drops that
/// transaction uncommitted: readers never see any of it, and redb marks the file, so that the next opening walks through it.
/// So the work may be asserted to be safe for unwinding.
pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
    keep_quiet();
    let was = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(was);
    done.unwrap_or_else(|panic| {
        Err(damaged(path, format_args!("redb cannot make sense of it ({})", message(&*panic))))
    })
}

/// Keeps the message of a panic that becomes an error off standard error. The hook is one for the whole process, as Rust has
/// no other; all other panics reach the hook that was there before.
fn keep_quiet() {
    static ONCE: Once = Once::new();
    // A panicking thread must not set a hook.
    if !std::thread::panicking() {
        ONCE.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if IS_GUARDED.try_with(Cell::get).unwrap_or(false) {
                    tracing::debug!(%panic, "redb has panicked");
                } else {
                    before(panic);
                }
            }));
        });
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    text.lines().next().unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_file_and_what_to_do() {
        let failed = guarded(Path::new("/data/log.redb"), || -> Result<(), _> { panic!("the page\nis odd") });
        let told = failed.unwrap_err().to_string();
        assert!(
            told.starts_with("/data/log.redb is damaged: redb cannot make sense of it (the page)"),
            "{told}"
        );
        assert!(told.contains("`clade log check --data-dir /data`") && told.contains("backup"), "{told}");
        assert_eq!(guarded(Path::new("x"), || Ok(1)).unwrap(), 1);
    }
}
