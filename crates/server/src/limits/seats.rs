//! A place for a client, or what keeps it out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use silverback::Refusal;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::places::{Bounds, Socket};
use super::refusals;
use super::settings::Limits;

/// How many addresses are kept before those are forgotten of which nothing is known any more.
const FEW: usize = 1024;

/// Who is connected, as far as bounds are concerned.
#[derive(Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    connections: usize,
    handshakes: Bucket,
    addresses: HashMap<IpAddr, Address>,
    /// How many addresses there may be until the next look at them.
    look_at: usize,
}

#[derive(Default)]
struct Address {
    connections: usize,
    handshakes: Bucket,
}

/// The place of a client that is connected, or about to be.
pub(crate) struct Seat {
    bounds: Bounds,
    /// `None` where it has none: it is of this machine.
    address: Option<IpAddr>,
    /// Its socket lives as long.
    socket: Option<Socket>,
}

impl Bounds {
    /// A place for a client that shakes hands, from this address if it has one.
    pub(crate) fn seat(&self, client: Option<IpAddr>, limits: &Limits) -> Result<Seat, Refusal> {
        if self.inner().memory.is_full() {
            return Err(refusals::memory());
        }
        let address = client.map(who);
        let most = self.most_connections(limits);
        self.inner().seats.0.lock().unwrap_or_else(PoisonError::into_inner).take(address, most, limits, Instant::now())?;
        Ok(Seat { bounds: self.clone(), address, socket: None })
    }
}

impl Seat {
    /// Keeps what counts the client's socket, too.
    pub(crate) fn with_socket(mut self, socket: Socket) -> Self {
        self.socket = Some(socket);
        self
    }

    /// Counts the client's socket, which was counted only until its request became a handshake.
    pub(crate) fn with_its_socket(self) -> Self {
        let socket = self.bounds.one_more_socket();
        self.with_socket(socket)
    }
}

impl Taken {
    fn take(&mut self, address: Option<IpAddr>, most: usize, limits: &Limits, now: Instant) -> Result<(), Refusal> {
        self.forget(now);
        let mut of_none = Address::default();
        let of_address = match address {
            Some(address) => self.addresses.entry(address).or_default(),
            None => &mut of_none,
        };
        // That of one address comes first, so that who is refused by it takes nothing from the others.
        if let Some(per_second) = limits.handshakes_per_second_per_address
            && of_address.handshakes.take(1, per_second.get() as u64, now).is_err()
        {
            return Err(refusals::handshakes_of_address(per_second.get()));
        }
        if let Some(limit) = limits.connections_per_address
            && of_address.connections >= limit.get()
        {
            return Err(refusals::connections_of_address(limit.get()));
        }
        if let Some(per_second) = limits.handshakes_per_second
            && self.handshakes.take(1, per_second.get() as u64, now).is_err()
        {
            return Err(refusals::handshakes(per_second.get()));
        }
        if self.connections >= most {
            return Err(refusals::connections(most));
        }
        of_address.connections += 1;
        self.connections += 1;
        Ok(())
    }

    /// Forgets addresses from which nobody is connected and nobody has come for a while, each time that there are twice as many as there were left.
    fn forget(&mut self, now: Instant) {
        if self.addresses.len() < self.look_at.max(FEW) {
            return;
        }
        self.addresses.retain(|_, address| address.connections > 0 || !address.handshakes.is_full(now));
        self.look_at = self.addresses.len() * 2;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.bounds.inner().seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.connections = taken.connections.saturating_sub(1);
        if let Some(address) = self.address.and_then(|address| taken.addresses.get_mut(&address)) {
            address.connections = address.connections.saturating_sub(1);
        }
        drop(taken);
        self.socket = None;
    }
}

/// Whoever has one address of IPv6 has the whole /64.
fn who(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;

    fn seat(bounds: &Bounds, address: &str, limits: &Limits) -> Result<Seat, &'static str> {
        bounds.seat(Some(address.parse().unwrap()), limits).map_err(|refusal| refusal.cause())
    }

    #[test]
    fn there_is_a_seat_for_as_many_as_may_be_connected() {
        let (bounds, limits) = (Bounds::new(1000, 1), Limits { connections: NonZeroUsize::new(2), ..Limits::default() });
        let one = seat(&bounds, "192.0.2.1", &limits);
        let _two = seat(&bounds, "192.0.2.1", &limits).unwrap();
        assert_eq!(seat(&bounds, "192.0.2.2", &limits).err(), Some("too-many-connections"));
        drop(one);
        assert!(seat(&bounds, "192.0.2.2", &limits).is_ok());
    }

    #[test]
    fn an_address_has_so_many_and_a_network_of_ipv6_is_one_address() {
        let (bounds, limits) = (Bounds::new(1000, 1), Limits { connections_per_address: NonZeroUsize::new(2), ..Limits::default() });
        for [first, second, third, other] in [
            ["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"],
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8::2", "2001:db8:0:1::1"],
        ] {
            let _one = seat(&bounds, first, &limits).unwrap();
            let two = seat(&bounds, second, &limits).unwrap();
            assert_eq!(seat(&bounds, third, &limits).err(), Some("too-many-connections-from-address"));
            assert!(seat(&bounds, other, &limits).is_ok());
            drop(two);
            assert!(seat(&bounds, third, &limits).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_handshakes_are_judged_in_a_second() {
        let limits = Limits { handshakes_per_second: NonZeroUsize::new(3), ..Limits::default() };
        let bounds = Bounds::new(1000, 1);
        let judged = |count: usize| (0..count).filter(|number| seat(&bounds, &format!("192.0.2.{number}"), &limits).is_ok()).count();
        assert_eq!([judged(2), judged(1), judged(1)], [2, 1, 0]);
        assert_eq!(seat(&bounds, "192.0.2.1", &limits).err(), Some("too-many-handshakes"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(judged(9), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_of_one_address_are_judged_in_a_second_and_take_nothing_from_others() {
        let limits = Limits {
            handshakes_per_second: NonZeroUsize::new(4),
            handshakes_per_second_per_address: NonZeroUsize::new(2),
            ..Limits::default()
        };
        let bounds = Bounds::new(1000, 1);
        let judged = |address: &str, count: usize| (0..count).filter(|_| seat(&bounds, address, &limits).is_ok()).count();
        assert_eq!([judged("192.0.2.1", 1), judged("192.0.2.1", 1), judged("192.0.2.1", 50)], [1, 1, 0]);
        assert_eq!(judged("192.0.2.2", 50), 2);
        assert_eq!(seat(&bounds, "192.0.2.1", &limits).err(), Some("too-many-handshakes-from-address"));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(judged("192.0.2.1", 50), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_forgotten_when_nothing_is_known_of_them() {
        let limits = Limits { handshakes_per_second_per_address: NonZeroUsize::new(1), ..Limits::default() };
        let bounds = Bounds::new(1000, 1);
        let _stays = seat(&bounds, "192.0.2.1", &limits).unwrap();
        for number in 0..50_000_u32 {
            let _ = bounds.seat(Some(IpAddr::from(number.to_be_bytes())), &limits);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let taken = bounds.inner().seats.0.lock().unwrap();
        assert!(taken.addresses.len() <= 2 * FEW, "{} addresses", taken.addresses.len());
        assert_eq!(taken.addresses[&"192.0.2.1".parse::<IpAddr>().unwrap()].connections, 1);
    }
}
