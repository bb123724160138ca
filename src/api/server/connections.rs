//! Decides which connections stay: the table of those that are open. It has no sockets and no clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::api::limits::UNDER_WAY;

/// Connections at once: half of the files that a process may usually open.
pub(super) const MOST: usize = 512;
// So that some connections are always idle and can make room for a health check.
const _: () = assert!(UNDER_WAY < MOST);
/// Time within which a client must take the last bytes of an answer and send its next request whole.
const IDLE: Duration = Duration::from_secs(60);
/// Time within which an answer must be made and taken.
const LONGEST: Duration = Duration::from_secs(600);

/// The number of a connection.
pub(super) type Number = u64;

/// The party or event that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the client: it has not sent a request whole, or has the last bytes of an answer still to take.
    Waiting,
    /// For the answer to be made, or to be taken by the client.
    Answering,
    /// For an answer that is made while the client reads it, such as events. Its client has to take some of it now and then.
    Following,
}

/// The open connections.
#[derive(Default)]
pub(super) struct Connections {
    all: HashMap<Number, Connection>,
    next: Number,
}

struct Connection {
    peer: IpAddr,
    phase: Phase,
    since: Instant,
    /// Dropped to close the connection.
    _open: oneshot::Sender<()>,
}

impl Connections {
    /// Admits a connection. If all places are taken, a connection that waits for its client is closed: of the peer with
    /// most of them, so that nobody can push others out, the one that has waited longest. Returns `None` if none waits.
    /// The receiver fails when the connection is to be closed.
    pub(super) fn admit(&mut self, peer: IpAddr, now: Instant) -> Option<(Number, oneshot::Receiver<()>)> {
        if self.all.len() >= MOST {
            let idle = self.longest_idle()?;
            self.all.remove(&idle);
        }
        let (open, closed) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.all.insert(number, Connection { peer, phase: Phase::Waiting, since: now, _open: open });
        Some((number, closed))
    }

    fn longest_idle(&self) -> Option<Number> {
        let mut peers: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.all.values() {
            *peers.entry(connection.peer).or_default() += 1;
        }
        let waiting = self.all.iter().filter(|(_, connection)| connection.phase == Phase::Waiting);
        let of_peer = |peer: &IpAddr| peers.get(peer).copied().unwrap_or_default();
        let first = waiting.min_by_key(|(number, connection)| {
            (std::cmp::Reverse(of_peer(&connection.peer)), connection.since, **number)
        });
        first.map(|(number, _)| *number)
    }

    /// Notes that a connection enters a phase. If it is in this phase already, the time of that phase goes on.
    pub(super) fn enter(&mut self, number: Number, phase: Phase, now: Instant) {
        if let Some(connection) = self.all.get_mut(&number).filter(|connection| connection.phase != phase) {
            (connection.phase, connection.since) = (phase, now);
        }
    }

    /// Frees the place of a connection that is closed.
    pub(super) fn remove(&mut self, number: Number) {
        self.all.remove(&number);
    }

    /// Closes the connections that are overdue.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.all.retain(|_, connection| {
            let longest = match connection.phase {
                Phase::Waiting => IDLE,
                Phase::Answering => LONGEST,
                Phase::Following => return true,
            };
            now.saturating_duration_since(connection.since) < longest
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn peer(last: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, last))
    }

    fn is_closed(closed: &mut oneshot::Receiver<()>) -> bool {
        closed.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_peer_with_most_connections_makes_room_and_first_with_the_one_that_waited_longest() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        let (_, mut own) = connections.admit(HERE, now).unwrap();
        let later = |millis: usize| now + Duration::from_millis(u64::try_from(millis).unwrap());
        let mut others: Vec<_> = (1..MOST).map(|n| connections.admit(peer(1), later(n)).unwrap()).collect();
        // The first has asked something: it does not wait any more.
        connections.enter(others[0].0, Phase::Answering, later(MOST));
        let (_, mut new) = connections.admit(peer(2), later(MOST)).unwrap();
        assert!(is_closed(&mut others[1].1));
        assert!(!is_closed(&mut own) && !is_closed(&mut new));
        assert!(others.iter_mut().enumerate().all(|(n, (_, closed))| n == 1 || !is_closed(closed)));
    }

    #[test]
    fn nobody_is_admitted_while_all_connections_are_busy() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        let mut all: Vec<_> = (0..MOST).map(|_| connections.admit(HERE, now).unwrap()).collect();
        for (number, phase) in all
            .iter()
            .map(|(number, _)| *number)
            .zip([Phase::Answering, Phase::Following].into_iter().cycle())
        {
            connections.enter(number, phase, now);
        }
        assert!(connections.admit(HERE, now).is_none());
        assert!(all.iter_mut().all(|(_, closed)| !is_closed(closed)));
        connections.remove(all[0].0);
        assert!(connections.admit(HERE, now).is_some());
    }

    #[test]
    fn silent_clients_and_endless_answers_are_closed_but_followers_are_not() {
        let (mut connections, now) = (Connections::default(), Instant::now());
        let mut open = |phase| {
            let (number, closed) = connections.admit(HERE, now).unwrap();
            connections.enter(number, phase, now);
            closed
        };
        let (mut silent, mut slow, mut follower) =
            (open(Phase::Waiting), open(Phase::Answering), open(Phase::Following));
        let mut after = |time, wanted: [bool; 3]| {
            connections.sweep(now + time);
            assert_eq!([&mut silent, &mut slow, &mut follower].map(is_closed), wanted, "after {time:?}");
        };
        after(IDLE - Duration::from_secs(1), [false; 3]);
        after(IDLE, [true, false, false]);
        after(LONGEST, [true, true, false]);
        after(LONGEST * 100, [true, true, false]);
    }
}
