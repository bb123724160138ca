//! Images at a given rate, whatever becomes of them (open loop), and when what follows from each is seen.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clade::log::Record;
use clade::oci::Digest;
use clade::record::{CatalogRecord, ImageRecord, Topic, decode};
use rdkafka::Message as _;
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};

use crate::throughput::Source;
use crate::{cluster, copy};

/// So long may what is missing take to come after the last image was sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// More templates than these make no difference.
const TEMPLATES: usize = 5_000;

/// An image's record, of which every use gets another digest.
pub(crate) struct Template {
    partition: i32,
    value: Vec<u8>,
    /// Where the digest stands in the value.
    at: usize,
    headers: Vec<clade::record::Header>,
}

/// Images of the history that are in a class.
pub(crate) fn templates(source: &Source) -> Vec<Template> {
    let mut bases = HashSet::new();
    copy::each(&cluster::name(&source.prefix, Topic::Catalog), |message| {
        let record = message.payload().and_then(|json| serde_json::from_slice(json).ok());
        if let Some(CatalogRecord::ImageClassVersion(version)) = record {
            bases
                .extend(version.images.into_iter().map(|image| (image.chain_id, image.platform.to_string())));
        }
    });
    let (mut found, mut seen) = (Vec::new(), 0_u64);
    let every = (source.images / TEMPLATES as u64).max(1);
    copy::each(&cluster::name(&source.prefix, Topic::Images), |message| {
        seen += 1;
        if !seen.is_multiple_of(every) {
            return;
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = message.headers().unwrap().iter();
        let headers =
            headers.map(|header| clade::record::header(header.key, &text(header.value.unwrap()))).collect();
        let key = text(message.key().unwrap());
        let record = Record { key, value: message.payload().map(<[u8]>::to_vec), headers };
        let image: ImageRecord = decode(&record).unwrap().unwrap();
        let platform = image.platform.to_string();
        if image.chain().chain_ids().any(|id| bases.contains(&(id, platform.clone()))) {
            let value = record.value.unwrap();
            let at = value.windows(record.key.len()).position(|part| part == record.key.as_bytes()).unwrap();
            found.push(Template { partition: message.partition(), value, at, headers: record.headers });
        }
    });
    assert!(!found.is_empty(), "no image is in a class");
    // The topic is read in runs of one partition; images come to all partitions alike.
    fastrand::Rng::with_seed(1).shuffle(&mut found);
    found
}

/// The digest of the image with this number, which can be read off it.
fn digest(number: u64) -> String {
    let hash = Digest::of(&number.to_le_bytes()).to_string();
    format!("{}{number:016x}", &hash[..hash.len() - 16])
}

fn number(digest: &[u8]) -> u64 {
    u64::from_str_radix(std::str::from_utf8(&digest[digest.len() - 16..]).unwrap(), 16).unwrap()
}

/// What became of the images that were sent.
pub(crate) struct Seen {
    /// How long each image of those that are measured took.
    pub(crate) latencies: Vec<Duration>,
    /// How many came to their end a second, from the first one's being due to the last one's end.
    pub(crate) rate: f64,
}

/// Sends images to `images` for as long as `warm_up` and `measured` together, so many a second, and returns how long it
/// took until a read_committed consumer saw the record of each on `outputs`, for those that are measured. The time of
/// an image begins when it is due, not when the sender comes to it.
pub(crate) fn latencies(
    templates: &Arc<Vec<Template>>,
    [images, outputs]: [&str; 2],
    rate: f64,
    [warm_up, measured]: [Duration; 2],
    mut told: impl FnMut(bool),
) -> Seen {
    let consumer = cluster::read_all(outputs);
    let total = ((warm_up + measured).as_secs_f64() * rate) as u64;
    let first = (warm_up.as_secs_f64() * rate) as u64;
    // The consumer is connected by then.
    let start = Instant::now() + Duration::from_secs(1);
    let due = move |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
    let is_measured = Arc::new(AtomicBool::new(false));
    let sender = std::thread::spawn({
        let (templates, topic, is_measured) =
            (Arc::clone(templates), images.to_owned(), Arc::clone(&is_measured));
        move || send(&templates, &topic, total, due, || is_measured.store(true, Ordering::Relaxed), first)
    });
    let mut seen = Vec::with_capacity((total - first) as usize);
    let (mut missing, mut last, mut is_told) = (total, Instant::now(), false);
    while missing > 0 && last.elapsed() < PATIENCE {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            last = Instant::now();
            missing -= 1;
            let number = number(message.key().unwrap());
            if number >= first {
                seen.push(last.saturating_duration_since(due(number)));
            }
        }
        if !is_told && is_measured.load(Ordering::Relaxed) {
            is_told = true;
            told(false);
        }
    }
    told(true);
    sender.join().unwrap();
    assert_eq!(missing, 0, "{missing} of {total} images came to nothing");
    let rate = total as f64 / last.saturating_duration_since(start).as_secs_f64();
    Seen { latencies: seen, rate }
}

fn send(
    templates: &[Template],
    topic: &str,
    total: u64,
    due: impl Fn(u64) -> Instant,
    measured: impl Fn(),
    first: u64,
) {
    // One at a time is sent at once; many are sent together, by the default of librdkafka and of Java's client, or sender
    // and broker would have the machine for themselves.
    let is_fast = due(1).duration_since(due(0)) < Duration::from_millis(1);
    let producer = cluster::producer(None, &[("linger.ms", if is_fast { "5" } else { "0" })]);
    producer.client().fetch_metadata(Some(topic), cluster::PATIENCE).unwrap();
    for number in 0..total {
        let wait = due(number).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            producer.poll(Duration::ZERO);
            std::thread::park_timeout(wait);
        }
        if number == first {
            measured();
        }
        let template = &templates[number as usize % templates.len()];
        let digest = digest(number);
        let mut value = template.value.clone();
        value[template.at..template.at + digest.len()].copy_from_slice(digest.as_bytes());
        let mut headers = OwnedHeaders::new_with_capacity(template.headers.len());
        for (key, value) in &template.headers {
            let id = format!("{digest}@{number}");
            let value = match key.as_ref() {
                "ce_id" => id.as_str(),
                "ce_subject" => digest.as_str(),
                _ => value.as_ref(),
            };
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
            .partition(template.partition)
            .key(digest.as_bytes())
            .payload(value.as_slice())
            .headers(headers);
        copy::queue(&producer, record);
    }
    copy::flush(&producer);
}
