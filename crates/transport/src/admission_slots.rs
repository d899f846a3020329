//! Room for sockets that have not finished their handshake: bounded, and shared out fairly between
//! the users and addresses that they come from.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tidegate_protocol::limits::{MAX_UNAUTHENTICATED, RESERVED_UNAUTHENTICATED};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Whom a socket is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A user of this computer.
    User(u32),
    /// An address. Of IPv6 addresses only the first 64 bits count: a host that has one has them all.
    Address(IpAddr),
}

impl Source {
    /// The source that an address stands for.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                Self::Address(IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()))
            }
            other => Self::Address(other),
        }
    }
}

/// The rules that room is shared out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRules {
    /// Sockets that may wait in all.
    pub capacity: usize,
    /// Of those, the share that the most represented source never gets.
    pub reserved: usize,
    /// How long a socket may take for its request head before a newer one of an equally represented
    /// source, its own included, may take its place. Without this, the first to fill the room keeps
    /// everyone out until the handshake deadline.
    pub request_patience: Duration,
    /// The same for the whole handshake of one that has sent its request. OpenClaw's command line needs
    /// between 10 and 130 ms for both on a busy computer.
    pub handshake_patience: Duration,
}

impl Default for SlotRules {
    fn default() -> Self {
        Self {
            capacity: MAX_UNAUTHENTICATED,
            reserved: RESERVED_UNAUTHENTICATED,
            request_patience: Duration::from_millis(75),
            handshake_patience: Duration::from_millis(100),
        }
    }
}

/// How far a socket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its request is not complete.
    Request,
    /// It is in the handshake.
    Handshake,
    /// It is refused already, and only waits for the delayed answer. It gives way before all others,
    /// and at once: a wrong token must not hold a place longer than silence does.
    Refused,
}

/// There is no room for this source now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many unauthenticated sockets")]
pub struct NoRoom;

/// The room. Clones share it.
#[derive(Debug, Clone)]
pub struct AdmissionSlots {
    rules: SlotRules,
    waiting: Arc<Mutex<Waiting>>,
}

/// The sockets that wait, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    sockets: BTreeMap<u64, Socket>,
}

#[derive(Debug)]
struct Socket {
    source: Source,
    since: Instant,
    stage: Stage,
    /// Tells the socket that its slot was taken from it.
    evict: oneshot::Sender<()>,
}

impl Socket {
    /// From when on it may lose its slot to one of an equally represented source.
    fn gives_way_at(&self, rules: SlotRules) -> Instant {
        match self.stage {
            Stage::Request => self.since + rules.request_patience,
            Stage::Handshake => self.since + rules.handshake_patience,
            Stage::Refused => self.since,
        }
    }

    fn evict(self) {
        // One that has ended meanwhile does not hear it.
        let _ = self.evict.send(());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ruling {
    Admit,
    AdmitInsteadOf(u64),
    Refuse,
}

impl Waiting {
    fn rule(&self, rules: SlotRules, source: Source, now: Instant) -> Ruling {
        let mut counts: HashMap<Source, usize> = HashMap::new();
        for socket in self.sockets.values() {
            *counts.entry(socket.source).or_default() += 1;
        }
        let own = counts.get(&source).copied().unwrap_or(0);
        let (most_represented, most) =
            counts.into_iter().max_by_key(|(source, count)| (*count, *source)).unwrap_or((source, 0));
        let total = self.sockets.len();
        if total + rules.reserved < rules.capacity || (total < rules.capacity && own < most) {
            return Ruling::Admit;
        }
        let from = if own == most { source } else { most_represented };
        let of_that_source = self.sockets.iter().filter(|(_, socket)| socket.source == from);
        let first = of_that_source.map(|(id, socket)| (socket.gives_way_at(rules), *id)).min();
        let is_unfair = most > own + 1;
        first
            .filter(|(gives_way_at, _)| is_unfair || *gives_way_at <= now)
            .map_or(Ruling::Refuse, |(_, id)| Ruling::AdmitInsteadOf(id))
    }
}

impl AdmissionSlots {
    /// Slots that are all free.
    #[must_use]
    pub fn new(rules: SlotRules) -> Self {
        Self { rules, waiting: Arc::default() }
    }

    /// Takes a slot for a new socket, whose request is awaited. When the room is full, the first socket
    /// of the most represented source to run out of patience may lose its own: see [`Eviction`].
    ///
    /// # Errors
    /// When there is no room for this source.
    pub fn take(&self, source: Source, now: Instant) -> Result<(UnauthenticatedSlot, Eviction), NoRoom> {
        let mut waiting = self.lock();
        match waiting.rule(self.rules, source, now) {
            Ruling::Admit => {}
            Ruling::AdmitInsteadOf(victim) => {
                if let Some(socket) = waiting.sockets.remove(&victim) {
                    socket.evict();
                }
            }
            Ruling::Refuse => return Err(NoRoom),
        }
        let id = waiting.next;
        waiting.next += 1;
        let (evict, evicted) = oneshot::channel();
        waiting.sockets.insert(id, Socket { source, since: now, stage: Stage::Request, evict });
        let held = Arc::new(());
        let eviction = Eviction { evicted, held: Arc::downgrade(&held) };
        Ok((UnauthenticatedSlot { id, source, _held: held, slots: self.clone() }, eviction))
    }

    /// Takes all slots back: the sockets end.
    pub fn evict_all(&self) {
        std::mem::take(&mut self.lock().sockets).into_values().for_each(Socket::evict);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's place among the unauthenticated. Dropped when it is let in or closed.
#[derive(Debug)]
pub struct UnauthenticatedSlot {
    id: u64,
    source: Source,
    /// What the eviction sees of it.
    _held: Arc<()>,
    slots: AdmissionSlots,
}

impl UnauthenticatedSlot {
    /// Whom the socket is counted under.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Notes that the socket has come further. There is no way back: an earlier stage changes nothing.
    pub fn reached(&self, stage: Stage) {
        if let Some(socket) = self.slots.lock().sockets.get_mut(&self.id) {
            socket.stage = socket.stage.max(stage);
        }
    }
}

impl Drop for UnauthenticatedSlot {
    fn drop(&mut self) {
        self.slots.lock().sockets.remove(&self.id);
    }
}

/// What tells a socket that its slot was taken from it.
#[derive(Debug)]
pub struct Eviction {
    evicted: oneshot::Receiver<()>,
    held: Weak<()>,
}

impl Eviction {
    /// Waits until the slot was taken away; for ever if it is given back: who was let in at that moment
    /// stays.
    pub async fn evicted(self) {
        if self.evicted.await.is_err() || self.held.strong_count() == 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use proptest::prelude::*;

    use super::*;

    type Held = (UnauthenticatedSlot, BoxFuture<'static, ()>);

    const LATER: Duration = Duration::from_millis(100);

    fn source(number: u8) -> Source {
        Source::of(IpAddr::from([10, 0, 0, number]))
    }

    fn take(slots: &AdmissionSlots, from: Source, now: Instant) -> Result<Held, NoRoom> {
        slots.take(from, now).map(|(slot, eviction)| (slot, eviction.evicted().boxed()))
    }

    fn waiting(slots: &AdmissionSlots) -> usize {
        slots.lock().sockets.len()
    }

    fn fill(slots: &AdmissionSlots, from: Source, now: Instant) -> Vec<Held> {
        std::iter::from_fn(|| take(slots, from, now).ok()).take(1000).collect()
    }

    fn is_evicted((_, evicted): &mut Held) -> bool {
        evicted.now_or_never().is_some()
    }

    #[test]
    fn a_flood_from_one_source_leaves_a_quarter_to_others() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let flood = fill(&slots, source(1), now);
        assert_eq!(flood.len(), 48);
        let others = fill(&slots, source(2), now);
        assert!(others.len() >= 16, "{}", others.len());
    }

    #[test]
    fn when_all_is_full_the_most_represented_source_gives_way_to_a_new_one() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let mut flood = fill(&slots, source(1), now);
        let mut others: Vec<_> = (2..18).map(|n| take(&slots, source(n), now).expect("reserved")).collect();
        assert_eq!(waiting(&slots), 64);
        others.push(take(&slots, source(99), now).expect("room is made"));
        assert_eq!(waiting(&slots), 64);
        assert!(is_evicted(&mut flood[0]));
        assert!(!is_evicted(&mut others[0]));
    }

    #[test]
    fn within_one_source_the_oldest_gives_way_after_a_while_and_the_newest_is_refused_before() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let mut flood = fill(&slots, source(1), now);
        assert_eq!(slots.take(source(1), now + LATER / 2).map(|_| ()), Err(NoRoom));
        let _new = slots.take(source(1), now + LATER).expect("the oldest gives way");
        assert!(is_evicted(&mut flood[0]));
        assert!(!is_evicted(&mut flood[1]));
    }

    #[test]
    fn one_without_a_request_gives_way_before_an_older_one_in_its_handshake() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let mut flood = fill(&slots, source(1), now);
        flood[0].0.reached(Stage::Handshake);
        assert_eq!(slots.take(source(1), now + Duration::from_millis(74)).map(|_| ()), Err(NoRoom));
        let new: Vec<_> = fill(&slots, source(1), now + Duration::from_millis(75));
        assert_eq!(new.len(), flood.len() - 1, "all but the one in its handshake");
        assert!(is_evicted(&mut flood[1]));
        assert!(!is_evicted(&mut flood[0]));
        let _new = slots.take(source(1), now + LATER).expect("its time is up too");
        assert!(is_evicted(&mut flood[0]));
    }

    #[test]
    fn one_that_waits_for_a_delayed_refusal_gives_way_first_and_at_once() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let mut flood = fill(&slots, source(1), now);
        flood[7].0.reached(Stage::Refused);
        flood[7].0.reached(Stage::Handshake);
        let _new = slots.take(source(1), now).expect("the refused one gives way");
        assert!(is_evicted(&mut flood[7]));
        assert_eq!(slots.take(source(1), now).map(|_| ()), Err(NoRoom));
    }

    #[test]
    fn a_crowd_of_single_sockets_is_not_evicted_at_once_by_one_more() {
        let slots = AdmissionSlots::new(SlotRules::default());
        let now = Instant::now();
        let crowd: Vec<_> = (0..64).map(|n| slots.take(source(n), now)).collect();
        assert!(crowd.iter().filter(|slot| slot.is_ok()).count() >= 48);
        assert!(slots.take(source(200), now).is_err());
        assert!(slots.take(source(200), now + LATER).is_ok());
    }

    #[test]
    fn a_socket_that_was_let_in_is_not_evicted_afterwards() {
        let slots = AdmissionSlots::new(SlotRules::default());
        for is_taken_before in [false, true] {
            let (slot, eviction) = slots.take(source(1), Instant::now()).expect("room");
            if is_taken_before {
                slots.evict_all();
            }
            drop(slot);
            slots.evict_all();
            assert_eq!(eviction.evicted().now_or_never(), None);
            assert_eq!(waiting(&slots), 0);
        }
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_source() {
        let one = Source::of("2001:db8::1".parse().expect("an address"));
        assert_eq!(one, Source::of("2001:db8::ffff:2".parse().expect("an address")));
        assert_ne!(one, Source::of("2001:db8:0:1::1".parse().expect("an address")));
        let mapped = Source::of("::ffff:127.0.0.1".parse().expect("an address"));
        assert_eq!(mapped, Source::of(IpAddr::from([127, 0, 0, 1])));
    }

    proptest! {
        #[test]
        fn the_room_is_never_overfull_and_a_newcomer_finds_room_beside_any_flood(
            steps in prop::collection::vec((0_u8..6, any::<bool>(), 0_u64..200, 0_u8..9), 0..400),
        ) {
            let slots = AdmissionSlots::new(SlotRules { capacity: 16, reserved: 4, request_patience: LATER / 2, handshake_patience: LATER });
            let mut now = Instant::now();
            let mut held: Vec<UnauthenticatedSlot> = Vec::new();
            for (number, leave, wait, stage) in steps {
                now += Duration::from_millis(wait);
                if leave && !held.is_empty() {
                    held.swap_remove(usize::from(number) % held.len());
                } else {
                    held.extend(slots.take(source(number), now).map(|(slot, _)| slot));
                    match (stage, held.last()) {
                        (0..3, Some(slot)) => slot.reached(Stage::Handshake),
                        (3..6, Some(slot)) => slot.reached(Stage::Refused),
                        _ => {}
                    }
                }
                prop_assert!(waiting(&slots) <= 16);
            }
            let newcomer = slots.take(source(99), now);
            prop_assert!(newcomer.is_ok(), "six sources cannot fill sixteen slots with singles");
            drop(newcomer);
            drop(held);
            prop_assert_eq!(waiting(&slots), 0);
        }
    }
}
