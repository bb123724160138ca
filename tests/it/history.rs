//! Random histories, as a seed gives them: for the tests that compare clade with the oracle.

use clade::observe::Observation;
use clade::oci::{LayerIdentity, Platform};
use clade::publisher::{PublishError, Publisher};
use clade::record::{ImageRecord, Layer};

use crate::support::{class, digest, image, image_gone, tag};

/// Something that happens. Publishing it again changes nothing.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    Image(Box<ImageRecord>),
    ImageGone(usize),
    Tag { name: String, second: i64, images: Vec<usize> },
    Class { name: String, tag: String, labels: Vec<&'static str> },
    ClassGone(String),
    Group { name: String, label: &'static str },
    GroupGone(String),
}

const IMAGES: usize = 14;
const LABELS: [&str; 2] = ["os", "lang"];

pub(crate) fn image_name(number: usize) -> String {
    format!("image {number}")
}

/// An image whose layers are decided by its number, mostly: few letters, so that chains share beginnings.
fn random_image(random: &mut fastrand::Rng, among: usize) -> ImageRecord {
    let number = random.usize(0..among);
    let mut of_number = fastrand::Rng::with_seed(number as u64);
    // Now and then a digest comes back with other layers: a record that was wrong is put right.
    let source = if random.u8(0..10) == 0 { random } else { &mut of_number };
    let layers: Vec<String> =
        (0..source.usize(0..5)).map(|at| format!("{}", source.u8(0..if at == 0 { 3 } else { 2 }))).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    let mut made = image(&image_name(number), &layers);
    if source.u8(0..4) == 0 {
        made.platform = Platform::new("linux", "arm64");
    }
    if source.u8(0..5) == 0 {
        made.layer_identity = LayerIdentity::DiffId;
        made.layers = made
            .layers
            .iter()
            .map(|layer| Layer { digest: digest("stored"), diff_id: Some(layer.digest), size: None })
            .collect();
    }
    made
}

/// The next fact, about few images; `second` goes on with each tag that moves.
pub(crate) fn random_fact(random: &mut fastrand::Rng, second: &mut i64) -> Fact {
    random_fact_among(IMAGES, random, second)
}

/// The next fact, about so many images.
pub(crate) fn random_fact_among(images: usize, random: &mut fastrand::Rng, second: &mut i64) -> Fact {
    let name =
        |random: &mut fastrand::Rng, what: &str, among: usize| format!("{what}{}", random.usize(0..among));
    match random.u8(0..20) {
        0..=7 => Fact::Image(Box::new(random_image(random, images))),
        8 => Fact::ImageGone(random.usize(0..images)),
        9..=13 => {
            *second += 1;
            let pointed_at = (0..random.usize(0..4)).map(|_| random.usize(0..images)).collect();
            Fact::Tag { name: name(random, "base:", 4), second: *second, images: pointed_at }
        }
        14..=16 => Fact::Class {
            name: name(random, "class", 4),
            tag: name(random, "base:", 4),
            labels: LABELS.into_iter().filter(|_| random.bool()).collect(),
        },
        17 => Fact::ClassGone(name(random, "class", 4)),
        18 => Fact::Group { name: name(random, "group", 2), label: random.choice(LABELS).unwrap() },
        _ => Fact::GroupGone(name(random, "group", 2)),
    }
}

/// Publishes a fact. Deleting what does not exist is no fact and passes.
pub(crate) fn publish(publisher: &mut Publisher, fact: &Fact) -> Result<(), PublishError> {
    let done = match fact {
        Fact::Image(image) => publisher.observe(Observation::Image(image.clone())),
        Fact::ImageGone(number) => publisher.observe(image_gone(&image_name(*number))),
        Fact::Tag { name, second, images } => {
            let names: Vec<String> = images.iter().map(|number| image_name(*number)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            publisher.observe(tag(name, *second, &names))
        }
        Fact::Class { name, tag, labels } => {
            let labels: Vec<(&str, &str)> = labels.iter().map(|label| (*label, "yes")).collect();
            publisher.apply_class(&class(name, tag, &labels)).map(drop)
        }
        Fact::ClassGone(name) => publisher.delete_class(name),
        Fact::Group { name, label } => publisher.apply_group(&crate::support::group(name, label)).map(drop),
        Fact::GroupGone(name) => publisher.delete_group(name),
    };
    match done {
        Err(PublishError::NotFound { .. }) => Ok(()),
        done => done,
    }
}
