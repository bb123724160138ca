//! Looking at everything again and again, and at once where the registry tells of a change.
//!
//! ```text
//!             every poll            each repository
//!   names ──► the pass's queue ──┐
//!                                ├──► looks, several at once ──► observations
//!   notices ──► their queue ─────┘              └──► after a pass without a mistake: what there is as a whole
//! ```

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::Client;
use super::known::{Platforms, Repository};
use super::look::{Look, Outcome};
use super::notice::Notice;
use super::pattern::any_matches;
use super::sink::{Closed, Sink};
use super::{Config, RegistryError};
use crate::observe::{Observation, Polled};
use crate::retry::{self, Backoff, Policy};

/// Repositories that are looked at at once.
const LOOKS: usize = 8;
/// Notices that wait. Of more, the next pass sees what they would have told.
const NOTICES: usize = 1_024;
/// With so many repositories failed one after another the others are left for the next pass.
const MOST_FAILURES: usize = 20;
/// So often what has changed is told as a whole.
const TELLINGS: u8 = 2;
/// The waits after a pass that failed.
const RETRY: Policy = Policy::new(Duration::from_secs(2), Duration::from_secs(300));

/// What all looks have in common.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) platforms: Platforms,
    pub(super) config: Config,
    pub(super) out: mpsc::Sender<Vec<Observation>>,
}

/// What is to do.
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and they move seldom")]
enum Job {
    /// Find out which repositories there are.
    Names,
    /// Look at one, or at one of its tags.
    Look { name: String, tag: Option<String>, repository: Repository, number: u64 },
}

/// What was done.
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and they move seldom")]
enum Done {
    Names(Result<BTreeSet<String>, RegistryError>),
    Looked { name: String, repository: Repository, outcome: Outcome },
}

async fn work(shared: &Shared, job: Job) -> Result<Done, Closed> {
    let (name, tag, mut repository, number) = match job {
        Job::Names => return Ok(Done::Names(shared.names().await)),
        Job::Look { name, tag, repository, number } => (name, tag, repository, number),
    };
    let mut look = Look {
        client: &shared.client,
        platforms: &shared.platforms,
        patterns: &shared.config.tags,
        name: &name,
        repository: &mut repository,
        sink: &mut Sink::new(shared.out.clone()),
        number,
    };
    let outcome = match tag {
        Some(tag) => look.at_one(&tag).await?,
        None => look.at_all().await?,
    };
    Ok(Done::Looked { name, repository, outcome })
}

impl Shared {
    /// The repositories that are to be watched and exist, as far as can be told without looking at each.
    async fn names(&self) -> Result<BTreeSet<String>, RegistryError> {
        let patterns = &self.config.repositories;
        let named = patterns.iter().filter_map(|pattern| pattern.name().map(str::to_owned));
        let mut names: BTreeSet<String> = named.collect();
        if patterns.is_empty() || patterns.iter().any(|pattern| pattern.name().is_none()) {
            let listed = self.client.catalog().await?;
            names.extend(listed.into_iter().filter(|name| any_matches(patterns, name)));
        }
        Ok(names)
    }
}

/// A pass that is under way.
#[derive(Default)]
struct Pass {
    /// Whether it is known which repositories there are, or cannot be known.
    is_listed: bool,
    /// Not looked at yet.
    queue: VecDeque<String>,
    /// Being looked at.
    under_way: HashSet<String>,
    /// Those that there are; none if that could not be found out.
    names: Option<BTreeSet<String>>,
    /// Those that failed, and how many of them without another that did not.
    failures: usize,
    in_a_row: usize,
    /// The first that was left for the next pass.
    left: Option<String>,
    first_failure: Option<RegistryError>,
}

impl Pass {
    fn fail(&mut self, error: RegistryError) {
        self.failures += 1;
        self.in_a_row += 1;
        if error.is_everywhere() || self.in_a_row >= MOST_FAILURES {
            self.left = self.queue.front().cloned().or(self.left.take());
            self.queue.clear();
        }
        self.first_failure.get_or_insert(error);
    }

    fn is_over(&self) -> bool {
        self.is_listed && self.queue.is_empty() && self.under_way.is_empty()
    }
}

/// Everything that is known of a registry, and what is being done about it.
pub(super) struct Watcher {
    repositories: HashMap<String, Repository>,
    /// Being looked at: what is known of them is not here.
    busy: HashSet<String>,
    notices: VecDeque<Notice>,
    pass: Option<Pass>,
    /// How often everything that there is is to be told as a whole, until something changes again: what vanished is believed
    /// when it is told by a second look.
    to_tell: u8,
    /// Counts the passes.
    number: u64,
    /// Where the next pass begins, if the last one was not finished.
    begin_at: Option<String>,
    passes: Backoff,
}

impl Default for Watcher {
    fn default() -> Self {
        Self {
            repositories: Default::default(),
            busy: Default::default(),
            notices: Default::default(),
            pass: Default::default(),
            to_tell: TELLINGS,
            number: 0,
            begin_at: None,
            passes: Backoff::new(RETRY),
        }
    }
}

impl Watcher {
    /// Runs until nobody takes observations any more.
    pub(super) async fn run(mut self, shared: &Shared, mut notified: mpsc::Receiver<Notice>) -> Closed {
        let mut working = FuturesUnordered::new();
        let mut next_pass = Instant::now();
        loop {
            while working.len() < LOOKS
                && let Some(job) = self.next()
            {
                working.push(work(shared, job));
            }
            tokio::select! {
                Some(done) = working.next(), if !working.is_empty() => match done {
                    Ok(done) => self.take(done),
                    Err(closed) => return closed,
                },
                Some(notice) = notified.recv() => self.hear(notice, &shared.config),
                () = tokio::time::sleep_until(next_pass), if self.pass.is_none() => {
                    self.number += 1;
                    self.pass = Some(Pass::default());
                    working.push(work(shared, Job::Names));
                }
                () = shared.out.closed() => return Closed,
            }
            if working.is_empty()
                && let Some(pass) = self.pass.take_if(|pass| pass.is_over())
            {
                match self.conclude(pass, shared).await {
                    Ok(wait) => next_pass = Instant::now() + wait,
                    Err(closed) => return closed,
                }
            }
        }
    }

    /// What is to do next. At the end of a pass nothing new is begun: what there is as a whole is told at a moment at which
    /// all is known.
    fn next(&mut self) -> Option<Job> {
        if self.pass.as_ref().is_some_and(Pass::is_over) {
            return None;
        }
        let idle = self.notices.iter().position(|notice| !self.busy.contains(&notice.repository));
        if let Some(notice) = idle.and_then(|at| self.notices.remove(at)) {
            return Some(self.begin(notice.repository, notice.tag));
        }
        let pass = self.pass.as_mut()?;
        let at = pass.queue.iter().position(|name| !self.busy.contains(name))?;
        let name = pass.queue.remove(at)?;
        pass.under_way.insert(name.clone());
        Some(self.begin(name, None))
    }

    fn begin(&mut self, name: String, tag: Option<String>) -> Job {
        self.busy.insert(name.clone());
        let repository = self.repositories.remove(&name).unwrap_or_default();
        Job::Look { name, tag, repository, number: self.number }
    }

    fn hear(&mut self, notice: Notice, config: &Config) {
        let is_new = !self.notices.contains(&notice) && self.notices.len() < NOTICES;
        if is_new && any_matches(&config.repositories, &notice.repository) {
            self.notices.push_back(notice);
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Names(names) => {
                let Some(pass) = &mut self.pass else { return };
                pass.is_listed = true;
                match names {
                    Ok(names) => {
                        pass.queue = names.iter().cloned().collect();
                        if let Some(at) = self.begin_at.take() {
                            let before = pass.queue.partition_point(|name| *name < at);
                            pass.queue.rotate_left(before);
                        }
                        pass.names.get_or_insert_default().extend(names);
                    }
                    Err(error) => pass.fail(error),
                }
            }
            Done::Looked { name, mut repository, outcome } => {
                self.busy.remove(&name);
                if !matches!(outcome, Outcome::Unchanged) {
                    self.to_tell = TELLINGS;
                }
                if let Some(pass) = &mut self.pass {
                    pass.under_way.remove(&name);
                    match &mut pass.names {
                        Some(names) if repository.is_absent => drop(names.remove(&name)),
                        // Also one that was pushed for the first time after the names were listed.
                        Some(names) => drop(names.insert(name.clone())),
                        None => {}
                    }
                    if !matches!(outcome, Outcome::Failed(_)) {
                        pass.in_a_row = 0;
                    }
                }
                match (outcome, &mut self.pass) {
                    (Outcome::Failed(error), Some(pass)) => pass.fail(error),
                    // The next pass looks there again.
                    (Outcome::Failed(error), None) => tracing::warn!("{error}"),
                    _ => {}
                }
                if std::mem::take(&mut repository.has_lost) && self.pass.is_none() {
                    // The registry has told of it. A second look does not wait for the next pass.
                    self.number += 1;
                    self.notices.push_back(Notice { repository: name.clone(), tag: None });
                }
                self.repositories.insert(name, repository);
            }
        }
    }

    /// Tells what there is as a whole, as far as it could be found out; returns after which time to look again.
    async fn conclude(&mut self, pass: Pass, shared: &Shared) -> Result<Duration, Closed> {
        let registry = &shared.client.host;
        self.begin_at = pass.left;
        let are_listed = pass.names.is_some();
        if let Some(names) = pass.names {
            self.tell(names, shared).await?;
        }
        if let Some(error) = pass.first_failure {
            let wait = self.passes.failed().wait;
            let others = match pass.failures {
                1 => String::new(),
                failures => format!(", and {} others", failures - 1),
            };
            let seconds = wait.as_secs_f64().ceil();
            let stays =
                if are_listed { "what that concerns stays as it was" } else { "nothing counts as deleted" };
            tracing::warn!("{error}{others}; {stays}; trying again in {seconds} s");
            return Ok(wait);
        }
        if self.passes.succeeded() {
            tracing::warn!("{registry} answers again");
        }
        tracing::debug!(registry, repositories = self.repositories.len(), "looked at all");
        Ok(retry::spread(shared.config.poll))
    }

    /// Tells that these are all repositories, and which images they have, if that is news.
    async fn tell(&mut self, names: BTreeSet<String>, shared: &Shared) -> Result<(), Closed> {
        let known = self.repositories.len();
        // Those that are listed and are not there stay known as such: they are no news each time.
        self.repositories.retain(|name, of| of.is_absent || names.contains(name));
        if self.repositories.len() < known {
            self.to_tell = TELLINGS;
        }
        let Some(left) = self.to_tell.checked_sub(1) else { return Ok(()) };
        self.to_tell = left;
        let full = |name: &String| shared.client.full_name(name);
        let is_whole =
            |name: &String| self.repositories.get(name).is_some_and(|of| of.is_told && !of.is_partial);
        let seen = Polled::Everything {
            images: self.repositories.values().flat_map(Repository::all_images).collect(),
            unseen: names.iter().filter(|name| !is_whole(name)).map(full).collect(),
            repositories: names.iter().map(full).collect(),
        };
        let mut sink = Sink::new(shared.out.clone());
        let source = shared.client.host.clone();
        sink.put(Observation::Polled { source, look: self.number, seen }).await?;
        sink.hand_on().await
    }
}
