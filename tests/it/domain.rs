//! domain.md: its worked example, and each of its rules.
