//! Answers questions about the audit trail that this process writes.

use crate::api::{ApiError, Audited};
use crate::audit::{self, Directory, Found, Question};

impl Audited for Directory {
    fn entries(&self, question: &Question) -> Result<Found, ApiError> {
        audit::search(self, question).map_err(ApiError::internal)
    }
}
