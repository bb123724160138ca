//! Reads the attestations that BuildKit stores beside the images of an index. An attestation is no image; its provenance
//! claims bases.

use super::RegistryError;
use super::client::Client;
use super::document::{Lead, blob};
use crate::oci::Digest;
use crate::oci::document::Descriptor;
use crate::record::Claim;
use crate::source::{manifest, provenance};

/// Statements of one attestation that clade reads, at most.
const MOST_STATEMENTS: usize = 4;

impl Client {
    /// Returns the claims of an attestation, and whether all of it was read. What the registry does not deliver, or clade
    /// cannot read, claims nothing: claims are no proof, and no image needs them.
    pub(super) async fn attestation(
        &self,
        repository: &str,
        lead: &Lead,
    ) -> Result<(Vec<Claim>, bool), RegistryError> {
        let Ok(content) = self.content(&self.manifest(repository, &lead.digest.to_string())).await? else {
            return Ok((Vec::new(), false));
        };
        if Digest::of(&content) != lead.digest {
            return Ok((Vec::new(), false));
        }
        let Ok(read) = manifest::manifest(&lead.digest, &content) else { return Ok((Vec::new(), true)) };
        let (mut claims, mut is_read) = (Vec::new(), true);
        for Descriptor { digest, .. } in provenance::statements(&read).take(MOST_STATEMENTS) {
            let request = blob(repository, digest, provenance::LONGEST_STATEMENT);
            match self.content(&request).await? {
                Ok(statement) if Digest::of(&statement) == *digest => {
                    claims.extend(provenance::claims(&statement));
                }
                Ok(_) | Err(_) => is_read = false,
            }
        }
        Ok((claims, is_read))
    }
}
