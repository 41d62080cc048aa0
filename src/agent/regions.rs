//! Notices when a walk finds another region than the one before: clients are told of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use super::Order;
use crate::credentials::RoleName;
use crate::event::{Event, Observe};

/// The region of each role's last walk.
pub(super) struct Regions {
    known: Mutex<BTreeMap<RoleName, String>>,
    orders: UnboundedSender<Order>,
}

impl Regions {
    /// Orders are given through this.
    pub(super) fn new(orders: UnboundedSender<Order>) -> Self {
        Self { known: Mutex::default(), orders }
    }
}

impl Observe for Regions {
    fn observe(&self, event: &Event<'_>) {
        let Event::Judged { resolution, .. } = event else { return };
        let Some(region) = resolution.region() else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&resolution.role).map(String::as_str) != Some(region) {
            known.insert(resolution.role.clone(), region.to_owned());
            let _ending = self.orders.send(Order::Wire);
        }
    }
}
