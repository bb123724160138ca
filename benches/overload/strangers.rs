//! Clients that hold connections and places: followers, readers that do not read, connections on which nothing comes.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

const FOLLOWERS: u32 = 1_000;
const SILENT_READERS: u32 = 300;
const IDLE: u32 = 2_000;
/// Each kind comes from an address of its own, as from one machine; the probes have another.
const ADDRESSES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3), Ipv4Addr::new(127, 0, 0, 4)];
/// Time after which a reader that does not read gives up. clade does so before.
const HOLDS: Duration = Duration::from_secs(60);

/// Outcomes of what strangers asked for.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) following: AtomicU64,
    pub(crate) most_following: AtomicU64,
    pub(crate) follow_refused: AtomicU64,
    pub(crate) follow_ended: AtomicU64,
    /// Bytes of events.
    pub(crate) events: AtomicU64,
    pub(crate) lists_begun: AtomicU64,
    pub(crate) lists_refused: AtomicU64,
    pub(crate) idle_closed: AtomicU64,
    /// Attempts to connect that failed.
    pub(crate) unconnected: AtomicU64,
}

impl Counts {
    fn one(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// All strangers, until it is dropped.
pub(crate) struct Strangers {
    runtime: Option<Runtime>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Clone)]
struct Stranger {
    server: String,
    from: Ipv4Addr,
    counts: Arc<Counts>,
}

impl Strangers {
    pub(crate) fn start(server: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let counts = Arc::new(Counts::default());
        let [followers, readers, idle] =
            ADDRESSES.map(|from| Stranger { server: server.to_owned(), from, counts: Arc::clone(&counts) });
        (0..FOLLOWERS).for_each(|_| drop(runtime.spawn(followers.clone().follow())));
        (0..SILENT_READERS).for_each(|_| drop(runtime.spawn(readers.clone().ask_and_not_read())));
        (0..IDLE).for_each(|number| drop(runtime.spawn(idle.clone().idle(number))));
        Self { runtime: Some(runtime), counts }
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits for so many seconds on the average, so that not all come at once.
async fn pause(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds * (0.5 + fastrand::f64()))).await;
}

impl Stranger {
    async fn open(&self) -> TcpStream {
        loop {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((self.from, 0).into()).unwrap();
            if let Ok(stream) = socket.connect(self.server.parse().unwrap()).await {
                return stream;
            }
            Counts::one(&self.counts.unconnected);
            pause(1.0).await;
        }
    }

    async fn ask(&self, path: &str) -> Option<TcpStream> {
        let mut stream = self.open().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.server);
        stream.write_all(request.as_bytes()).await.ok()?;
        Some(stream)
    }

    /// Reads all events; refused, it comes again after a while.
    async fn follow(self) {
        let counts = &self.counts;
        let mut piece = vec![0; 16 << 10];
        loop {
            pause(5.0).await;
            let Some(mut stream) = self.ask("/v1/subscribe/outdated?follow=true&from=end").await else {
                continue;
            };
            let read = stream.read(&mut piece).await.unwrap_or_default();
            if !piece[..read].starts_with(b"HTTP/1.1 200") {
                Counts::one(&counts.follow_refused);
                continue;
            }
            let now = counts.following.fetch_add(1, Ordering::Relaxed) + 1;
            counts.most_following.fetch_max(now, Ordering::Relaxed);
            while let Ok(read @ 1..) = stream.read(&mut piece).await {
                counts.events.fetch_add(read as u64, Ordering::Relaxed);
            }
            counts.following.fetch_sub(1, Ordering::Relaxed);
            Counts::one(&counts.follow_ended);
        }
    }

    /// Asks for all images, and takes nothing of the answer.
    async fn ask_and_not_read(self) {
        loop {
            pause(1.0).await;
            let Some(stream) = self.ask("/v1/images").await else { continue };
            let mut status = [0; 12];
            let peeked = timeout(HOLDS, stream.peek(&mut status)).await;
            if matches!(peeked, Ok(Ok(12))) && status.ends_with(b"200") {
                Counts::one(&self.counts.lists_begun);
                sleep(HOLDS).await;
            } else {
                Counts::one(&self.counts.lists_refused);
            }
        }
    }

    /// Sends nothing, half a head or half a body; closed, it comes again.
    async fn idle(self, number: u32) {
        let begun = match number % 4 {
            0 | 1 => "",
            2 => "GET /v1/ima",
            _ => "POST /v1/rebuilds/plan HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        };
        loop {
            pause(2.0).await;
            let mut stream = self.open().await;
            let _ = stream.write_all(begun.as_bytes()).await;
            let mut piece = [0; 256];
            while let Ok(1..) = stream.read(&mut piece).await {}
            Counts::one(&self.counts.idle_closed);
        }
    }
}
