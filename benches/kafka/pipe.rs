//! The messages of a child process to its parent, and its end.

use std::io::Read as _;

/// Sends a word to the parent.
pub(crate) fn say(word: &str) {
    println!("{word}");
}

/// Waits until the parent wants this process to end: until then its CPU can be read.
pub(crate) fn wait_for_parent() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
