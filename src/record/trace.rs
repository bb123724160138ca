//! Trace context in the header `traceparent`, as defined by W3C Trace Context level 1. It connects an observation with
//! everything that follows from it.

use std::borrow::Cow;
use std::fmt;

use data_encoding::HEXLOWER;

use super::{Record, header};
use crate::oci::Digest;

/// A place in a trace. IDs are hashes, so that the core needs no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

/// The flag `sampled`: spans of the trace may have been recorded.
const SAMPLED: u8 = 1;

impl TraceContext {
    /// Begins a trace that is not sampled. Each `seed` may be used once.
    pub fn root(seed: &str) -> Self {
        let hash = Digest::of(seed.as_bytes());
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&hash.as_bytes()[..16]);
        span.copy_from_slice(&hash.as_bytes()[16..24]);
        Self { trace, span, is_sampled: false }
    }

    /// Returns the same place in a trace that is sampled or not.
    #[must_use]
    pub fn sampled(self, is_sampled: bool) -> Self {
        Self { is_sampled, ..self }
    }

    /// Returns the place of a consequence. `names` distinguish it from other consequences.
    #[must_use]
    pub fn child<const N: usize>(&self, names: [&str; N]) -> Self {
        // The separator occurs in no text, so that ["a", "bc"] and ["ab", "c"] differ.
        let names = names.iter().flat_map(|name| [&[0xff][..], name.as_bytes()]);
        let hash = Digest::of_parts([&self.trace[..], &self.span].into_iter().chain(names));
        let mut span = [0; 8];
        span.copy_from_slice(&hash.as_bytes()[..8]);
        Self { span, ..*self }
    }

    /// The trace's ID.
    pub fn trace(&self) -> [u8; 16] {
        self.trace
    }

    /// The ID of the current span.
    pub fn span(&self) -> [u8; 8] {
        self.span
    }

    /// Returns `true` if the party that began the trace records its spans.
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// Parses a `traceparent`. Returns `None` if it is invalid or of a version with other fields.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_known = version == "00" && parts.next().is_none();
        let [flags] = hex(flags)?;
        let context = Self { trace: hex(trace)?, span: hex(span)?, is_sampled: flags & SAMPLED != 0 };
        (is_known && context.trace != [0; 16] && context.span != [0; 8]).then_some(context)
    }
}

/// Decodes exactly `N` bytes of lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [if self.is_sampled { SAMPLED } else { 0 }];
        let mut text = *b"00-................................-................-..";
        HEXLOWER.encode_mut(&self.trace, &mut text[3..35]);
        HEXLOWER.encode_mut(&self.span, &mut text[36..52]);
        HEXLOWER.encode_mut(&flags, &mut text[53..]);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Record {
    /// Returns the trace context of the record, if it has one.
    pub fn trace(&self) -> Option<TraceContext> {
        let (_, text) = self.headers.iter().find(|(name, _)| name == header::TRACE)?;
        TraceContext::parse(text)
    }

    /// Returns the record with this trace context.
    #[must_use]
    pub fn traced(mut self, trace: Option<TraceContext>) -> Self {
        self.headers.extend(trace.map(|trace| (Cow::Borrowed(header::TRACE), Cow::Owned(trace.to_string()))));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        for flags in ["00", "01"] {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let context = TraceContext::parse(&text).unwrap();
            assert_eq!((context.to_string(), context.is_sampled()), (text, flags == "01"));
        }
    }

    #[test]
    fn what_is_no_trace_context_is_left_alone() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_child_stays_in_the_trace_with_a_span_of_its_own() {
        let root = TraceContext::root("one");
        let (a, b) = (root.child(["a"]), root.child(["b"]));
        assert!(a.trace == root.trace && a.span != root.span && a.span != b.span);
        assert!(root.sampled(true).child(["a"]).is_sampled() && !a.is_sampled());
        assert_ne!(TraceContext::root("two").trace, root.trace);
    }
}
