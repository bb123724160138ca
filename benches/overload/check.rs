//! Compares all that clade says with all that was put in.

use std::collections::HashMap;
use std::time::Duration;

use clade::oci::Digest;
use reqwest::Client;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::input::Input;

/// Time until a restarted clade answers.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time in which the last moves of tags count: `/v1/status` says that all images are there, and not that.
const SETTLED: Duration = Duration::from_secs(60);

/// The right answers.
pub(crate) struct Check {
    images: HashMap<Digest, (String, Digest, bool)>,
    tags: HashMap<String, Digest>,
}

/// Differences between the right answers and those of clade.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) images: usize,
    pub(crate) tags: usize,
    /// Images and tags that clade lacks.
    pub(crate) lost: usize,
    /// Images in a wrong class, of a wrong version or in a wrong state, and tags at a wrong image.
    pub(crate) wrong: usize,
    /// Images and tags that nobody has put in.
    pub(crate) invented: usize,
    /// Time until all was right, or the comparison was given up.
    pub(crate) after: Duration,
}

impl Check {
    pub(crate) fn of(input: &Input) -> Self {
        Self { images: input.truth(), tags: input.tags() }
    }

    /// Compares until all is right, for a minute at most.
    pub(crate) async fn until_right(&self, server: &str) -> Found {
        let begun = Instant::now();
        loop {
            let mut found = self.compare(server).await;
            found.after = begun.elapsed();
            if found.differences() == 0 || found.after > SETTLED {
                return found;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn compare(&self, server: &str) -> Found {
        let (images, tags) = (self.images.len(), self.tags.len());
        let mut found = Found { images, tags, lost: images + tags, ..Found::default() };
        let begun = Instant::now();
        let mut answer = loop {
            match Client::new().get(format!("http://{server}/v1/lineage")).send().await {
                Ok(answer) if answer.status().is_success() => break answer,
                _ => sleep(Duration::from_millis(100)).await,
            }
            assert!(begun.elapsed() < PATIENCE, "it does not answer");
        };
        let mut left = Vec::new();
        while let Some(piece) = answer.chunk().await.unwrap() {
            left.extend_from_slice(&piece);
            let whole = left.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in left[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                self.image(&serde_json::from_slice(line).unwrap(), &mut found);
            }
            left.drain(..whole);
        }
        assert!(left.is_empty(), "the export breaks off");
        let answer = Client::new().get(format!("http://{server}/v1/tags")).send().await.unwrap();
        if !answer.status().is_success() {
            // It counts as lost until the next comparison.
            return found;
        }
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        for tag in answer["items"].as_array().unwrap() {
            let wanted = self.tags.get(tag["name"].as_str().unwrap());
            found.one(wanted.map(|wanted| tag["digest"] == wanted.to_string()));
        }
        found
    }

    fn image(&self, line: &Value, found: &mut Found) {
        let digest: Digest = line["digest"].as_str().unwrap().parse().unwrap();
        let is_right = self.images.get(&digest).map(|(class, version, is_current)| {
            let state = if *is_current { "current" } else { "outdated" };
            let classes = line["classes"].as_array().unwrap();
            matches!(&classes[..], [one] if one["name"] == class.as_str()
                && one["version"] == version.to_string() && one["state"] == state)
        });
        found.one(is_right);
    }
}

impl Found {
    pub(crate) fn differences(&self) -> usize {
        self.lost + self.wrong + self.invented
    }

    /// Counts an answer that is right, wrong, or about nothing that was put in.
    fn one(&mut self, is_right: Option<bool>) {
        match is_right {
            Some(is_right) => {
                // One that is told twice is as wrong as one that is not there.
                self.wrong += usize::from(self.lost == 0);
                self.lost = self.lost.saturating_sub(1);
                self.wrong += usize::from(!is_right);
            }
            None => self.invented += 1,
        }
    }
}
