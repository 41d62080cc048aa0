//! The port, the thread behind it, and how both go dark and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
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
        let socket = share("127.0.0.1:0".parse().unwrap());
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        socket.listen(1024).unwrap();
        let (orders, received) = unbounded_channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                serve(listening(socket), addr, received, world).await;
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
        // Bound without listening, before the listener goes: connections are refused and nobody else gets the port.
        let dark = share(addr);
        let Some(done) = accept(listener, &mut orders, &world).await else {
            return;
        };
        let _ = done.send(());
        let Some(done) = ordered(&mut orders, false).await else {
            return;
        };
        dark.listen(1024).unwrap();
        listener = listening(dark);
        let _ = done.send(());
    }
}

/// Bound so that another socket of ours can be, too.
fn share(addr: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&addr.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn listening(socket: Socket) -> TcpListener {
    TcpListener::from_std(socket.into()).unwrap()
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
