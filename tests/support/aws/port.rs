//! The port, the thread behind it, and how both go dark and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::World;
use super::server::converse;

const BOUND: Duration = Duration::from_secs(10);

/// A loopback port with a thread of its own that serves it; both end with the value.
pub struct Port {
    addr: SocketAddr,
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// Listen or do not; tell when it is so.
struct Order {
    listen: bool,
    done: Sender<()>,
}

impl Port {
    /// Bound when it returns, so a client never comes too early.
    pub fn open(world: Arc<World>) -> Port {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (orders, received) = unbounded_channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                serve(listener, addr, received, world).await;
            });
        };
        let thread = std::thread::Builder::new().name("fake-aws".to_owned()).spawn(run).unwrap();
        Port { addr, orders: Some(orders), thread: Some(thread) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From the return on, connections are accepted, or refused and cut.
    pub fn listen(&self, listen: bool) {
        let (done, is_done) = channel();
        if let Some(orders) = &self.orders {
            let sent = orders.send(Order { listen, done });
            assert!(sent.is_ok(), "the fake AWS has died");
        }
        is_done.recv_timeout(BOUND).unwrap();
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Alternates between light and dark until nobody can order anything any more.
async fn serve(
    mut listener: TcpListener,
    addr: SocketAddr,
    mut orders: UnboundedReceiver<Order>,
    world: Arc<World>,
) {
    loop {
        let Some(done) = accept(listener, &mut orders, &world).await else {
            return;
        };
        // Bound without listening: connections are refused and nobody else gets the port.
        let dark = TcpSocket::new_v4().unwrap();
        dark.set_reuseaddr(true).unwrap();
        dark.bind(addr).unwrap();
        let _ = done.send(());
        let Some(done) = ordered(&mut orders, false).await else {
            return;
        };
        listener = dark.listen(1024).unwrap();
        let _ = done.send(());
    }
}

/// Accepts until told to stop; then every connection is cut.
async fn accept(
    listener: TcpListener,
    orders: &mut UnboundedReceiver<Order>,
    world: &Arc<World>,
) -> Option<Sender<()>> {
    let mut connections = JoinSet::new();
    let order = loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(world)));
                }
            }
            Some(_) = connections.join_next() => {}
            order = ordered(orders, true) => break order,
        }
    };
    drop(listener);
    connections.shutdown().await;
    order
}

/// The next order that changes something; others are done already.
async fn ordered(orders: &mut UnboundedReceiver<Order>, listening: bool) -> Option<Sender<()>> {
    loop {
        let order = orders.recv().await?;
        if order.listen != listening {
            return Some(order.done);
        }
        let _ = order.done.send(());
    }
}
