//! Polls all repositories again and again, and one of them at once if the registry announces a change.
//!
//! ```text
//!             every poll            each repository
//!   names ──► the pass's queue ──┐
//!                                ├──► looks, several at once ──► observations
//!   notices ──► their queue ─────┘              └──► after a pass: all repositories and images
//! ```

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::claimed::Budget;
use super::client::Client;
use super::known::{Platforms, Repository};
use super::look::{Look, Outcome};
use super::notice::Notice;
use super::pass::Pass;
use super::pattern::any_matches;
use super::progress::{Progress, Totals};
use super::sink::{Closed, Sink};
use super::{Config, RegistryError};
use crate::observe::{Observation, Polled, Wanted};
use crate::record::Timestamp;
use crate::retry::{self, Backoff, Policy};

/// Repositories that the watcher polls at once: more than requests run at once, since some of them wait for the next
/// attempt of a request that failed.
const LOOKS: usize = 32;
/// Notices that wait, at most. The next pass sees what further ones would announce.
const NOTICES: usize = 1_024;
/// Reports of the whole registry after each change.
const TELLINGS: u8 = 2;
/// The waits after a pass that failed.
const RETRY: Policy = Policy::new(Duration::from_secs(2), Duration::from_secs(300));

/// The parts that all polls share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) platforms: Platforms,
    pub(super) config: Config,
    /// The digests that the publisher wants; `None` until it knows.
    pub(super) wanted: watch::Receiver<Option<Arc<Wanted>>>,
    pub(super) out: mpsc::Sender<Vec<Observation>>,
}

/// A job of the watcher.
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and they move seldom")]
enum Job {
    /// List the repositories.
    Names,
    /// Poll a repository, or one of its tags.
    Look { name: String, tag: Option<String>, repository: Repository, number: u64 },
}

/// The result of a job.
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
    /// Returns the repositories to watch. Only a poll shows that a repository with a given name does not exist.
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

/// The facts about one registry, and the work under way.
pub(super) struct Watcher {
    repositories: HashMap<String, Repository>,
    /// The repositories that a job polls now. Their facts are in the job, not in `repositories`.
    busy: HashSet<String>,
    notices: VecDeque<Notice>,
    pass: Option<Pass>,
    /// The number of reports of the whole registry that are still due, until something changes again: the publisher
    /// deletes a large part only after a second report.
    to_tell: u8,
    /// The number of the pass. A second poll of a repository between two passes gets a number of its own.
    number: u64,
    /// The repository at which the next pass begins, if the last pass left some out.
    begin_at: Option<String>,
    passes: Backoff,
    progress: Progress,
}

impl Watcher {
    /// A watcher that knows this from an earlier start.
    pub(super) fn new(repositories: HashMap<String, Repository>) -> Self {
        Self {
            repositories,
            busy: Default::default(),
            notices: Default::default(),
            pass: Default::default(),
            to_tell: TELLINGS,
            number: 0,
            begin_at: None,
            passes: Backoff::new(RETRY),
            progress: Progress::new(),
        }
    }

    /// Runs until the receiver of observations is closed.
    pub(super) async fn run(mut self, shared: &Shared, mut notified: mpsc::Receiver<Notice>) -> Closed {
        let mut working = FuturesUnordered::new();
        let mut next_pass = Instant::now();
        loop {
            let waiting = self.pass.as_ref().map_or(0, |pass| pass.queue.len() + pass.under_way.len());
            shared.client.metrics.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
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
                () = until(self.progress.next()) => {
                    self.progress.tell(&shared.client.host, waiting, &totals(&self.repositories));
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

    /// Returns the next job. At the end of a pass no job begins, so that the report of the whole registry falls into a
    /// moment without work under way.
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
                        // After a restart in the middle of a first look, the rest of it comes first.
                        let is_known = |name: &String| self.repositories.contains_key(name);
                        pass.queue.make_contiguous().sort_by_key(is_known);
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
                        // The first push to this repository may have come after the list.
                        Some(names) => drop(names.insert(name.clone())),
                        None => {}
                    }
                    if !matches!(outcome, Outcome::Failed(_)) {
                        pass.in_a_row = 0;
                    }
                }
                match (outcome, &mut self.pass) {
                    (Outcome::Failed(error), Some(pass)) => pass.fail(error),
                    // The next pass polls it again.
                    (Outcome::Failed(error), None) => tracing::warn!("{error}"),
                    _ => {}
                }
                if std::mem::take(&mut repository.has_lost) && self.pass.is_none() {
                    // The registry has announced the deletion, so the second poll does not wait for the next pass.
                    self.number += 1;
                    self.notices.push_back(Notice { repository: name.clone(), tag: None });
                }
                self.repositories.insert(name, repository);
            }
        }
    }

    /// Reports the whole registry, as far as the pass could read it. Returns the time until the next pass.
    async fn conclude(&mut self, pass: Pass, shared: &Shared) -> Result<Duration, Closed> {
        let registry = &shared.client.host;
        self.begin_at = pass.left;
        let are_listed = pass.names.is_some();
        if let Some(names) = pass.names {
            if pass.first_failure.is_none() {
                self.read_wanted(&names, shared).await?;
            }
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
        shared.client.metrics.looked.set(Timestamp::now().as_second());
        if self.passes.succeeded() {
            tracing::warn!("{registry} answers again");
        }
        self.progress.end(registry, || totals(&self.repositories));
        tracing::debug!(registry, repositories = self.repositories.len(), "looked at all");
        Ok(retry::spread(shared.config.poll))
    }

    /// Reads the digests that claims of images name in these repositories. It comes before the report of the whole
    /// registry, so that this contains them.
    async fn read_wanted(&mut self, names: &BTreeSet<String>, shared: &Shared) -> Result<(), Closed> {
        let Some(wanted) = shared.wanted.borrow().clone() else { return Ok(()) };
        let (none, mut budget) = (BTreeSet::new(), Budget::default());
        for name in names {
            let Some(repository) = self.repositories.get_mut(name) else { continue };
            let wanted = wanted.get(&shared.client.full_name(name)).unwrap_or(&none);
            if wanted.is_empty() && repository.claimed.is_empty() {
                continue;
            }
            let mut look = Look {
                client: &shared.client,
                platforms: &shared.platforms,
                patterns: &shared.config.tags,
                name,
                repository,
                sink: &mut Sink::new(shared.out.clone()),
                number: self.number,
            };
            if look.at_wanted(wanted, &mut budget).await? {
                self.to_tell = TELLINGS;
            }
        }
        Ok(())
    }

    /// Reports all repositories and their images, if that is news.
    async fn tell(&mut self, names: BTreeSet<String>, shared: &Shared) -> Result<(), Closed> {
        let mut is_news = false;
        // Repositories that are listed and absent stay known as absent, so that they are not news in each pass. Those that are
        // not listed are forgotten after a second list without them: a list may leave them out by mistake, and what is known
        // of them took many requests.
        self.repositories.retain(|name, of| {
            let is_unlisted = !of.is_absent && !names.contains(name);
            is_news |= is_unlisted;
            !(std::mem::replace(&mut of.is_unlisted, is_unlisted) && is_unlisted)
        });
        if is_news {
            self.to_tell = TELLINGS;
        }
        let Some(left) = self.to_tell.checked_sub(1) else { return Ok(()) };
        // Before the publisher says which untagged images it wants, none counts as gone.
        let is_known = shared.wanted.borrow().is_some();
        self.to_tell = if is_known { left } else { TELLINGS };
        let full = |name: &String| shared.client.full_name(name);
        let is_whole = |name: &String| {
            is_known && self.repositories.get(name).is_some_and(|of| of.is_told && !of.is_partial)
        };
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

/// Waits until a time that may never come.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn totals(repositories: &HashMap<String, Repository>) -> Totals {
    let there = || repositories.values().filter(|of| !of.is_absent);
    Totals {
        repositories: there().count(),
        tags: there().map(|of| of.tags.len()).sum(),
        images: there().map(|of| of.all_images().count()).sum(),
    }
}
