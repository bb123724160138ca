//! What a child process says to its parent, and when it ends.

use std::io::Read as _;

/// Tells the parent of a moment.
pub(crate) fn say(word: &str) {
    println!("{word}");
}

/// Waits until the parent wants this process to end: until then its CPU can be read.
pub(crate) fn wait_for_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
