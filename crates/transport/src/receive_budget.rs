//! Memory for messages that have not arrived whole: one budget, which all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget. Clones share it.
///
/// A message may grow as long as it is not larger than what is left for others. So however many
/// connections hold as much as they can get, a small message still finds room, and all together never
/// hold more than the budget.
#[derive(Debug, Clone)]
pub struct ReceiveBudget {
    bytes: usize,
    held: Arc<AtomicUsize>,
}

impl ReceiveBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { bytes, held: Arc::default() }
    }

    /// How many bytes all connections hold.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn share(&self) -> ReceiveShare {
        ReceiveShare { budget: self.clone(), held: 0 }
    }
}

/// A budget that nothing exceeds.
impl Default for ReceiveBudget {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// No room for more of this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// What one connection holds. Given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct ReceiveShare {
    budget: ReceiveBudget,
    held: usize,
}

impl ReceiveShare {
    /// Notes how much of a message has arrived that is not complete.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(self.held);
        let less = self.held.saturating_sub(bytes);
        self.held = bytes;
        if more == 0 {
            if less > 0 {
                self.budget.held.fetch_sub(less, Ordering::Relaxed);
            }
            return Ok(());
        }
        let held_by_all = self.budget.held.fetch_add(more, Ordering::Relaxed) + more;
        let left = self.budget.bytes.saturating_sub(held_by_all);
        if bytes > left { Err(NoRoom) } else { Ok(()) }
    }
}

impl Drop for ReceiveShare {
    fn drop(&mut self) {
        // What is given back is never more than what was taken, so this always has room.
        let _ = self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn growing_messages_stay_within_the_budget_and_leave_room_for_a_small_one(
            hogs in 1_usize..50, step in 1_usize..10_000,
        ) {
            let budget = ReceiveBudget::new(1_000_000);
            let mut shares: Vec<_> = (0..hogs).map(|_| (budget.share(), 0)).collect();
            // Each grows until it is refused, and then stays as it was.
            let mut grows = true;
            while grows {
                grows = false;
                for (share, size) in &mut shares {
                    if share.hold(*size + step).is_ok() {
                        *size += step;
                        grows = true;
                    } else {
                        share.hold(*size).expect("what it has already");
                    }
                }
            }
            prop_assert!(budget.held() <= 1_000_000);
            let left = 1_000_000 - budget.held();
            prop_assert!(budget.share().hold(left / 2).is_ok());
            prop_assert!(left >= (1_000_000 / (hogs + 1)).saturating_sub(step), "{left} left");
            drop(shares);
            prop_assert_eq!(budget.held(), 0);
        }
    }
}
