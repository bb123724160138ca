//! The judgements of a verdict as records hold them.

use core::cmp::Reverse;

use super::{ContainerVerdict, PodVerdict, Verdict};
use crate::record::decision::{Finding, Judgement};

/// Judgements that a record has, at most.
const FINDINGS: usize = 100;
/// Bytes of a text that a cluster chooses, at most.
const TEXT: usize = 2_000;

impl PodVerdict {
    /// The judgements that do not allow an image, the worst first, with so many bytes of texts at most, and the number of those that
    /// are left out. Whoever creates pods chooses how many containers they have and how long the names of images are, so both are
    /// bounded.
    pub fn findings(&self, texts: usize) -> (Vec<Finding>, u64) {
        let (mut findings, mut more, mut bytes) = (Vec::new(), 0, 0);
        let judgements = self
            .containers
            .iter()
            .flat_map(|container| container.judgements.iter().map(move |judgement| (container, judgement)));
        let mut judgements: Vec<_> = judgements.filter(|(_, of)| of.verdict != Verdict::Allowed).collect();
        judgements.sort_by_key(|(_, of)| Reverse(of.verdict));
        for (container, judgement) in judgements {
            let finding = (findings.len() < FINDINGS).then(|| finding(container, judgement));
            match finding.map(|finding| (bytes + size(&finding), finding)) {
                Some((sum, finding)) if sum <= texts => {
                    bytes = sum;
                    findings.push(finding);
                }
                _ => more += 1,
            }
        }
        (findings, more)
    }
}

fn finding(container: &ContainerVerdict, judgement: &Judgement) -> Finding {
    Finding {
        container: cut(&container.container.name),
        role: container.container.role,
        image: cut(&container.container.image),
        digest: container.digest,
        judgement: Judgement { message: cut(&judgement.message), ..judgement.clone() },
    }
}

/// The bytes of the texts in JSON, at most: a control character takes six.
fn size(finding: &Finding) -> usize {
    let Finding { container, image, judgement, .. } = finding;
    let in_json = |text: &str| {
        text.chars().map(|of| if of.is_control() { 6 } else { of.len_utf8().max(2) }).sum::<usize>()
    };
    [container, image, &judgement.message, &judgement.policy].into_iter().map(|text| in_json(text)).sum()
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT)].to_owned()
}
