//! Reads the questions of an API server to an admission webhook, and makes the answers (Kubernetes, "Dynamic Admission Control").
//! Pure.
//!
//! ```text
//!   AdmissionReview ─► Asked: the pod, or the template of one ─► verdict ─► AdmissionReview
//! ```
//!
//! Only pods are denied: a workload whose template violates a policy gets a warning, as people read it there.

mod answer;
mod object;
mod review;

pub use answer::{allow, answer, refuse};
pub use review::{Asked, Review, ReviewError, Unjudged};
