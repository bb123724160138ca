//! The fuzzed decoders: every place where bytes that somebody else has written become values of clade.
//!
//! A target returns `true` if it could read its input. It panics if a promise is broken: a value that is written again
//! reads as the same value, and the result is in proportion to the input.

mod audit;
mod documents;
mod log;
mod questions;
mod records;
mod sources;

pub(crate) use records::shards;

/// One decoder, or several that see the same bytes.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Reads the input. Returns `true` if that succeeds.
    pub(crate) run: fn(&[u8]) -> bool,
}

/// All targets.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "apply", run: documents::apply },
    Target { name: "audit-head", run: audit::head },
    Target { name: "audit-line", run: audit::line },
    Target { name: "audit-segment", run: audit::segment },
    Target { name: "block", run: log::block },
    Target { name: "config", run: documents::config },
    Target { name: "files", run: sources::files },
    Target { name: "filters", run: questions::filters },
    Target { name: "keys", run: records::keys },
    Target { name: "layout", run: sources::layout },
    Target { name: "lines", run: sources::lines },
    Target { name: "manifest", run: documents::manifest },
    Target { name: "notice", run: documents::notice },
    Target { name: "objects", run: sources::objects },
    Target { name: "openshift", run: sources::openshift },
    Target { name: "records", run: records::records },
    Target { name: "reference", run: questions::reference },
    Target { name: "selector", run: questions::selector },
    Target { name: "shard", run: records::shard },
    Target { name: "snapshot", run: log::snapshot },
    Target { name: "start", run: questions::start },
    Target { name: "token", run: questions::token },
    Target { name: "tokens", run: questions::tokens },
];

/// Checks that the output is not more than `times` as large as the input, and a little.
pub(crate) fn in_proportion(input: &[u8], output: usize, times: usize) {
    let most = times * input.len() + 4_096;
    assert!(output <= most, "{} bytes became {output}, more than {most}", input.len());
}

/// Returns the parts of an input, one a line; the last is the rest.
pub(crate) fn parts<const N: usize>(input: &[u8]) -> Option<[&[u8]; N]> {
    let mut parts = input.splitn(N, |byte| *byte == b'\n');
    let found: Vec<&[u8]> = parts.by_ref().collect();
    found.try_into().ok()
}
