//! Gives the clients of each address their share of the bounds, so that those of one address leave something to others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::limits::Limits;

/// The shares by address. Only those in use stay: no more of them than there are connections, and one.
pub(super) struct Addresses {
    all: Limits,
    shares: Mutex<HashMap<IpAddr, Arc<Limits>>>,
}

impl Addresses {
    pub(super) fn new() -> Self {
        Self { all: Limits::new(), shares: Mutex::default() }
    }

    fn share(&self, peer: IpAddr) -> Arc<Limits> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(peer);
        if !shares.contains_key(&address) {
            shares.retain(|_, share| Arc::strong_count(share) > 1 || share.is_in_use());
        }
        Arc::clone(shares.entry(address).or_insert_with(|| Arc::new(self.all.share())))
    }
}

/// The address, or with IPv6 the network of 2^64 of them, since one machine can have all of these.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// Gives a request the share of its address.
pub(super) async fn limited(
    State(addresses): State<Arc<Addresses>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(peer)| peer.ip());
    request.extensions_mut().insert(addresses.share(peer));
    next.run(request).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_one_share_as_long_as_it_uses_it() {
        let addresses = Addresses::new();
        let [one, neighbour, other] =
            ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|peer| peer.parse::<IpAddr>().unwrap());
        let place = addresses.share(one).lists.enter().await.unwrap();
        assert!(!Arc::ptr_eq(&addresses.share(one), &addresses.share(other)));
        let share = addresses.share(neighbour);
        assert!(share.is_in_use(), "its neighbour uses it");
        drop(share);
        assert_eq!(addresses.shares.lock().unwrap().len(), 2);
        drop(place);
        addresses.share("10.0.0.1".parse().unwrap());
        assert_eq!(addresses.shares.lock().unwrap().len(), 1, "no address uses a share");
    }
}
