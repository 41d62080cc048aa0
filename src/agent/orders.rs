//! What a running agent is told to do, and by what.

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Tells a running agent what to do. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    orders: UnboundedSender<Order>,
    stop: CancellationToken,
}

/// What it is told.
#[derive(Debug)]
pub(super) enum Order {
    Reload,
    Walk,
    /// A role's region is known, or another one.
    Wire,
}

impl Control {
    pub(super) fn new(orders: UnboundedSender<Order>) -> Self {
        Self { orders, stop: CancellationToken::new() }
    }

    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Reads the configuration again and walks every role (HUP).
    pub fn reload(&self) {
        let _gone = self.orders.send(Order::Reload);
    }

    /// Walks every role (USR1).
    pub fn walk(&self) {
        let _gone = self.orders.send(Order::Walk);
    }

    /// Ends the agent.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}
