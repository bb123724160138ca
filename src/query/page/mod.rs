//! Pages of lists.
//!
//! A page begins after a position in the order of its list and not after a number of items, so an item that is there
//! throughout comes exactly once, whatever comes and goes meanwhile; and nothing is kept between two pages.
//!
//! The first items after a position are found in one of two ways. If few images can match, all of them are looked at, and
//! sorted. If many can, the order itself is followed from the position on until enough of them match. So the cost of a
//! page does not grow with the index; where neither way is short, a page ends early and says where it goes on.

mod candidates;
mod images;
mod order;
mod tags;
mod token;
mod written;

use crate::query::reference::RefError;
pub use images::Images;
pub use order::{Position, Sort};
pub use tags::Tags;
pub use token::{Token, TokenError};
pub use written::{Items, Listed, Named};

/// The work that a page may cost.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Images that are looked at one by one rather than found in their order, at most.
    pub few: usize,
    /// Items that are looked at in their order, at most.
    pub examined: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { few: 20_000, examined: 200_000 }
    }
}

/// The part of a list that is asked for. The default is all of it.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most so many items.
    pub limit: Option<usize>,
    /// The order.
    pub sort: Sort,
    /// The items after this position.
    pub after: Option<Position>,
    /// The number of items before it.
    pub seen: u64,
    /// The meaning of the list's REF on the page before, if it has one ([`Resolved::anchor`](crate::query::Resolved::anchor)).
    pub anchor: Option<String>,
    /// The work that it may cost.
    pub effort: Effort,
}

impl Page {
    fn most(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }

    /// Images that may be looked at. Whoever asks for everything gets everything.
    fn most_examined(&self) -> usize {
        if self.limit.is_some() { self.effort.examined } else { usize::MAX }
    }

    /// Cuts a list whose items stand by a name that no two of them share.
    pub fn cut<T>(&self, items: Vec<T>, name: impl Fn(&T) -> &str) -> Result<Cut<T>, RefError> {
        let after = match &self.after {
            None => None,
            Some(Position::Name(name)) => Some(name.as_str()),
            Some(_) => return Err(RefError::Invalid(foreign())),
        };
        let mut rest = items;
        rest.retain(|item| after.is_none_or(|after| name(item) > after));
        let position = |item: &T| Position::Name(name(item).to_owned());
        Ok(self.cut_rest(rest, position))
    }

    /// Cuts what comes after the position.
    pub(super) fn cut_rest<T>(&self, mut rest: Vec<T>, position: impl Fn(&T) -> Position) -> Cut<T> {
        let remaining = rest.len().saturating_sub(self.most());
        rest.truncate(self.most());
        let next = rest.last().filter(|_| remaining > 0).map(position);
        let more = More { next, remaining: Some(remaining as u64), anchor: None };
        Cut { items: rest, more }
    }
}

/// The rest of a list after a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct More {
    /// The position at which the list goes on, if there is more.
    pub next: Option<Position>,
    /// The number of items that follow, if it is known.
    pub remaining: Option<u64>,
    /// The meaning of the list's REF, if it has one.
    pub anchor: Option<String>,
}

/// A page of a list whose items are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<T> {
    /// The items.
    pub items: Vec<T>,
    /// The rest of the list.
    pub more: More,
}

impl<T> Cut<T> {
    /// Changes the items.
    pub fn map<U>(self, change: impl Fn(T) -> U) -> Cut<U> {
        Cut { items: self.items.into_iter().map(change).collect(), more: self.more }
    }
}

/// The refusal of a position in another list.
pub(super) fn foreign() -> String {
    "continue: this token is from a list in another order; ask for the first page again, without it"
        .to_owned()
}
