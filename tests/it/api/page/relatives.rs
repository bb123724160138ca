//! The views of an image's relatives: the tree of what is built on it, the path to it, and two images side by side.

use axum::http::StatusCode;
use clade::oci::Digest;

use super::{HOSTILE, links, page_of, shown, world};
use crate::support::{World, digest};

/// A base, 30 images on it, and on one of these two more, of which one is built on the other.
fn family() -> World {
    let mut world = World::new();
    world.images(&[
        ("base", &["A"]),
        ("mid", &["A", "M"]),
        ("low", &["A", "M", "L"]),
        ("leaf", &["A", "M", "L", "X"]),
    ]);
    for number in 0..30 {
        let name = format!("child {number}");
        world.images(&[(&name, &["A", &name])]);
    }
    world.tag("base:1", &["base"]).tag("a/mid:1", &["mid"]).tag(&format!("{HOSTILE}:1"), &["low"]);
    world.query_of_workloads();
    world
}

/// The part of a view that is the tree.
fn tree(body: &str) -> &str {
    body.split("class=\"tree\"").nth(1).unwrap().split("</section>").next().unwrap()
}

fn link_of(digest: &Digest) -> String {
    format!("title=\"{digest}\"")
}

#[tokio::test]
async fn what_is_built_on_an_image_is_opened_level_by_level() {
    let page = page_of(&family());
    let (mid, low, leaf) = (digest("mid"), digest("low"), digest("leaf"));
    let closed = format!("/explain?ref={}", digest("base"));
    let (_, body) = shown(&page, &closed).await;
    assert!(
        tree(&body).matches("<li>").count() == 26,
        "a level has a bound, and a way to the rest of it: {body}"
    );
    // The children stand by digest: this one may be behind the bound.
    let of_mid = format!("/explain?ref={mid}");
    let (_, body) = shown(&page, &of_mid).await;
    assert!(tree(&body).contains(&link_of(&low)) && !tree(&body).contains(&link_of(&leaf)), "{body}");
    assert!(tree(&body).contains("&lt;script&gt;alert"), "{body}");
    let open = links(tree(&body)).into_iter().find(|link| link.contains("open=")).unwrap();
    let (_, body) = shown(&page, open.split('#').next().unwrap()).await;
    assert!(tree(&body).contains(&link_of(&leaf)) && tree(&body).contains("close"), "{body}");
    let close = links(tree(&body)).into_iter().find(|link| link.ends_with("#tree")).unwrap();
    let (_, body) = shown(&page, close.split('#').next().unwrap()).await;
    assert!(!tree(&body).contains(&link_of(&leaf)), "{body}");
    let (_, body) = shown(&page, &format!("/explain?ref={leaf}&open={low}")).await;
    assert!(body.contains("No image is."), "{body}");
}

#[tokio::test]
async fn the_rest_of_a_level_is_a_table() {
    let page = page_of(&family());
    let (_, body) = shown(&page, &format!("/images?ref={}&direct=true", digest("base"))).await;
    assert!(body.contains("built directly on") && body.contains(&link_of(&digest("mid"))), "{body}");
    assert!(!body.contains(&link_of(&digest("low"))) && body.matches("<tr>").count() == 32, "{body}");
    assert!(body.contains("name=\"direct\" value=\"true\""), "the filter keeps it: {body}");
}

#[tokio::test]
async fn the_images_that_an_image_is_built_on_are_a_path_to_it() {
    let page = page_of(&family());
    let (_, body) = shown(&page, &format!("/explain?ref={}", digest("leaf"))).await;
    let path = body.split("class=\"path\"").nth(1).unwrap().split("</ol>").next().unwrap();
    let places = ["base:1", "a/mid:1", "&lt;script&gt;", "this image"].map(|of| path.find(of).unwrap());
    assert!(places.is_sorted(), "the farthest comes first: {path}");
}

#[tokio::test]
async fn two_images_stand_side_by_side_and_say_where_they_part() {
    let page = page_of(&family());
    let compared =
        async |a: &str, b: &str| shown(&page, &format!("/compare?a={}&b={}", digest(a), digest(b))).await.1;
    let parted = compared("leaf", "child 1").await;
    assert!(
        parted.contains("They begin with the same 1 layer, and part there: 3 and 1 are their own."),
        "{parted}"
    );
    assert!(parted.contains("Both are built on") && parted.contains("base:1"), "{parted}");
    assert!(parted.matches("class=\"stack\"").count() == 3, "{parted}");
    assert!(
        compared("mid", "leaf").await.contains("The second is built on the first, with 2 layers of its own.")
    );
    assert!(compared("leaf", "mid").await.contains("The first is built on the second"));
    assert!(compared("leaf", "leaf").await.contains("They have the same layers."));
    let mut apart = world();
    apart.images(&[("alone", &["Z"])]).query_of_workloads();
    let page = page_of(&apart);
    let (_, body) = shown(&page, &format!("/compare?a={}&b={}", digest("alone"), digest("v1"))).await;
    assert!(body.contains("They share no beginning."), "{body}");
    let (_, image) = shown(&page, &format!("/explain?ref={}", digest("v1"))).await;
    assert!(image.contains("action=\"/compare\""), "{image}");
}

#[tokio::test]
async fn a_comparison_asks_for_what_is_missing_and_refuses_what_it_does_not_know() {
    let page = page_of(&world());
    for path in ["/compare", "/compare?a=base:1", "/compare?a=&b=base:1"] {
        let (status, body) = shown(&page, path).await;
        assert!(status == StatusCode::OK && body.contains("name=\"b\""), "{path}: {body}");
    }
    for (path, status, told) in [
        ("/compare?c=x", StatusCode::BAD_REQUEST, "`c`"),
        ("/explain?ref=base:1&open=x", StatusCode::BAD_REQUEST, "open:"),
        ("/compare?a=base:1&b=%3Cscript%3Ealert", StatusCode::NOT_FOUND, "&lt;script&gt;alert"),
    ] {
        let (refused, body) = shown(&page, path).await;
        assert!(refused == status && body.contains(told), "{path}: {refused} {body}");
    }
}
