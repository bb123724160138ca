//! The images that are built on an image, as a tree that is opened level by level. The address of the view has what is open:
//! no script is needed, and only what is open is asked for, however many images there are below.

use std::collections::{BTreeSet, HashMap, VecDeque};

use maud::{Markup, html};

use super::asking::Asking;
use super::frame::Failed;
use super::look::Look;
use super::text::{image, tag};
use super::words::many;
use crate::oci::Digest;
use crate::query::answer::{Explanation, ImageItem, List};

/// Images of a level that are drawn; the table has the others.
const DRAWN: usize = 25;
/// Images that are open at once, and so questions of one view and levels of the drawing, at most.
const MOST_OPEN: usize = 30;
/// Tags and classes that are named of an image.
const NAMED: usize = 2;

/// The open levels, by the image that they are built on.
type Levels = HashMap<Digest, List<ImageItem>>;

/// The tree of what is built on an image.
pub(super) async fn tree(of: &Explanation, open: &Open, api: &Asking) -> Markup {
    if of.descendants == 0 {
        return html! { p { "No image is." } };
    }
    let mut levels = Levels::new();
    let mut waiting = VecDeque::from([of.image.digest]);
    while let Some(base) = waiting.pop_front().filter(|_| levels.len() < MOST_OPEN) {
        let limit = DRAWN.to_string();
        let parameters = [("ref", base.to_string()), ("direct", "true".to_owned()), ("limit", limit)];
        let level: List<ImageItem> = match api.get("/v1/descendants", &parameters).await {
            Ok(level) => level,
            // An image that was open may be gone by now.
            Err(_) if base != of.image.digest => continue,
            Err(failed) => return failed.in_place(),
        };
        let opened = level.items.iter().map(|item| item.digest).filter(|digest| open.0.contains(digest));
        waiting.extend(opened.filter(|digest| !levels.contains_key(digest)));
        levels.insert(base, level);
    }
    html! { div.tree id="tree" { (level(&of.image.digest, &levels, open, api.look())) } }
}

/// The images whose levels are open.
pub(super) struct Open(BTreeSet<Digest>);

impl Open {
    /// The images that the address of a view names.
    pub(super) fn of(look: &Look) -> Result<Self, Failed> {
        let named = look.get("open").unwrap_or_default().split(',').filter(|text| !text.is_empty());
        let digest = |text: &str| text.parse().map_err(|error| Failed::invalid(format!("open: {error}")));
        Ok(Self(named.map(digest).collect::<Result<_, _>>()?))
    }

    /// The address of the view with this image open, or not open any more.
    fn toggled(&self, digest: &Digest, look: &Look) -> String {
        let mut open = self.0.clone();
        if !open.remove(digest) {
            open.insert(*digest);
        }
        let open: Vec<String> = open.iter().map(ToString::to_string).collect();
        format!("{}#tree", look.with(&[("open", &open.join(","))]))
    }
}

fn level(base: &Digest, levels: &Levels, open: &Open, look: &Look) -> Markup {
    let Some(list) = levels.get(base) else {
        return html! { p.faint { "So many levels are open that this one is not shown: close others." } };
    };
    html! {
        ul {
            @for item in &list.items {
                li {
                    (image(&item.digest, look)) " "
                    @for of in item.tags.iter().take(NAMED) { (tag(of, look)) " " }
                    @if item.tags.len() > NAMED { span.faint { "and " (item.tags.len() - NAMED) " more tags " } }
                    @for of in item.classes.iter().filter(|of| of.nearest).take(NAMED) {
                        span class=(of.state.to_string()) { bdi { (of.name) } " " (of.state.to_string()) " " }
                    }
                    (below(item, levels, open, look))
                }
            }
            @if list.metadata.token.is_some() {
                li {
                    a href=(look.href("/images", &[("ref", &base.to_string()), ("direct", "true")])) {
                        @match list.metadata.remaining_item_count {
                            Some(more) => { "and " (more) " more" },
                            None => "and more",
                        }
                    }
                }
            }
        }
    }
}

/// The way to what is built on an image of the tree, and that itself if it is open.
fn below(item: &ImageItem, levels: &Levels, open: &Open, look: &Look) -> Markup {
    let is_open = open.0.contains(&item.digest);
    html! {
        @if let Some(count) = item.descendants.filter(|count| *count > 0) {
            a.toggle href=(open.toggled(&item.digest, look)) {
                @if is_open { "▾ close " } @else { "▸ " } (many(count, "image")) " on it"
            }
            @if is_open { (level(&item.digest, levels, open, look)) }
        }
    }
}
