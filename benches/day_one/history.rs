//! The real images of ../shared/data up to one day.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use clade::observe::{Observation, ObservedTag};
use clade::oci::Digest;
use clade::record::{ImageRecord, Timestamp};
use clade::source;
use serde::Deserialize;

pub struct History {
    /// Every image that was ever seen.
    pub images: HashMap<Digest, ImageRecord>,
    /// Each move of a tag up to the day, in their order.
    pub events: Vec<ObservedTag>,
    /// The tags on the day, each with its present target alone.
    pub tags: BTreeMap<String, ObservedTag>,
    /// The images that they lead to.
    pub today: BTreeSet<Digest>,
    /// The declared base of each image, and all of them.
    pub declared: Vec<(Digest, String)>,
    pub bases: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Declared {
    digest: Digest,
    declared_base: String,
}

impl History {
    pub fn load(day: Timestamp) -> Option<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let (mut images, mut events) = (HashMap::<Digest, ImageRecord>::new(), Vec::new());
        for name in ["images.jsonl.gz", "tags.jsonl.gz"] {
            for line in lines(&dir.join(name))? {
                match source::observe_line(line.as_bytes()).unwrap() {
                    Observation::Image(image) => match images.get_mut(&image.digest) {
                        Some(known) => known.repositories.extend(image.repositories),
                        None => drop(images.insert(image.digest, *image)),
                    },
                    Observation::Tag(tag) => events.push(tag),
                    _ => {}
                }
            }
        }
        events.retain(|event| event.items[0].since <= day);
        let mut tags: BTreeMap<String, ObservedTag> = BTreeMap::new();
        for event in &events {
            let name = format!("{}:{}", event.repository, event.tag);
            match event.items[0].digest {
                Some(_) => drop(tags.insert(name, event.clone())),
                None => drop(tags.remove(&name)),
            }
        }
        let led_to = tags.values().flat_map(|tag| &tag.items[0].images).map(|image| image.digest);
        let today = led_to.filter(|digest| images.contains_key(digest)).collect();
        let declared: Vec<(Digest, String)> = lines(&dir.join("declared-bases.jsonl.gz"))?
            .into_iter()
            .map(|line| serde_json::from_str::<Declared>(&line).unwrap())
            .filter(|line| line.declared_base != "scratch")
            .map(|line| (line.digest, line.declared_base))
            .collect();
        let bases = declared.iter().map(|(_, base)| base.clone()).collect();
        Some(Self { images, events, tags, today, declared, bases })
    }
}

fn lines(path: &Path) -> Option<Vec<String>> {
    let file = std::fs::File::open(path).ok()?;
    Some(BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines().map(Result::unwrap).collect())
}
