//! One host's share of the controller.

use tokio::sync::OwnedSemaphorePermit;

/// Held from the first contact with a host. What waits for the host alone, such as a watch, lets it go first, so that
/// another host is begun; it is not taken again.
#[derive(Debug, Default)]
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    pub(super) fn held(permit: OwnedSemaphorePermit) -> Slot {
        Slot { permit: Some(permit) }
    }

    /// Lets it go; does nothing where that was done.
    pub fn free(&mut self) {
        self.permit = None;
    }
}
