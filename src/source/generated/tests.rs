use std::collections::{HashMap, HashSet};

use super::*;

fn history(images: u64) -> Vec<Line> {
    History::new(Shape { seed: 7, images, days: 365 }).collect()
}

fn images(lines: &[Line]) -> Vec<&ImageLine> {
    lines.iter().filter_map(|line| if let Line::Image(image) = line { Some(image) } else { None }).collect()
}

#[test]
fn a_history_has_the_shape_that_clade_is_designed_for() {
    let lines = history(20_000);
    let images = images(&lines);
    let layers: usize = images.iter().map(|image| image.layers.len()).sum();
    let distinct: HashSet<Digest> =
        images.iter().flat_map(|image| &image.layers).map(|layer| layer.digest).collect();
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let an_image = |count: usize| count as f64 / images.len() as f64;
    assert!((19_990..=20_010).contains(&images.len()), "{}", images.len());
    assert!((10.4..11.0).contains(&an_image(layers)), "{}", an_image(layers));
    assert!((3.4..3.8).contains(&an_image(distinct.len())), "{}", an_image(distinct.len()));
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_gives_another() {
    let text = |seed| {
        let history = History::new(Shape { seed, images: 500, days: 30 });
        history.map(|line| serde_json::to_string(&line).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn a_history_is_in_order_of_time_and_no_tag_has_two_events_at_once() {
    let mut last: HashMap<String, Timestamp> = HashMap::new();
    let mut latest = Timestamp::MIN;
    for line in history(3_000) {
        if let Line::Tag(tag) = line {
            assert!(tag.seen >= latest);
            latest = tag.seen;
            let before = last.insert(format!("{}:{}", tag.repository, tag.tag), tag.seen);
            assert!(before.is_none_or(|before| before < tag.seen));
        }
    }
}

#[test]
fn a_history_has_a_squashed_image_a_config_only_child_and_a_rollback() {
    let lines = history(3_000);
    let images = images(&lines);
    let of = |repository: &str| images.iter().find(|image| image.repository == repository).unwrap();
    assert_eq!(of(SQUASHED.0).layers.len(), 1);
    assert!(
        lines.iter().any(|line| matches!(line, Line::Claim(claim) if claim.digest == of(SQUASHED.0).digest))
    );
    let layers = |image: &ImageLine| image.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>();
    let child = layers(of(CONFIG_ONLY.0));
    let twins = images.iter().filter(|image| layers(image) == child).count();
    assert_eq!(twins, 2);
    let moves = lines.iter().filter_map(|line| match line {
        Line::Tag(tag) if tag.repository == STREAMS[ROLLED_BACK].repository => tag.index_digest,
        _ => None,
    });
    let moves: Vec<Digest> = moves.collect();
    assert!(moves.len() > moves.iter().collect::<HashSet<_>>().len());
}
