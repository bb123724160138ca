//! Reads the questions of an API server to an admission webhook, and makes the answers (Kubernetes, "Dynamic Admission Control").
//! Pure.
//!
//! ```text
//!   AdmissionReview ─► Asked: the pod, or the template of one ─► verdict ─► AdmissionReview
//! ```
//!
//! [`provided`] answers Gatekeeper, which asks about images alone.
//!
//! Only pods are denied: a workload whose template violates a policy gets a warning, as people read it there.

mod answer;
mod object;
mod provider;
mod review;

pub use answer::{allow, answer, refuse};
pub use provider::{ProviderError, asked_images, provided, unprovided};
pub use review::{Asked, Review, ReviewError, Unjudged};
