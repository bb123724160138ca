//! The headers of records: the attributes of CloudEvents in the Kafka binding's binary mode, and the trace context.

use std::borrow::Cow;

/// The name of a header and its value.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

pub(super) const SPEC_VERSION: &str = "ce_specversion";
pub(super) const SPEC_VERSION_1: &str = "1.0";
pub(super) const ID: &str = "ce_id";
pub(super) const SOURCE: &str = "ce_source";
pub(super) const TYPE: &str = "ce_type";
pub(super) const SUBJECT: &str = "ce_subject";
pub(super) const CONTENT_TYPE: &str = "content-type";
pub(super) const JSON: &str = "application/json";
/// W3C Trace Context, level 1.
pub(super) const TRACE: &str = "traceparent";
