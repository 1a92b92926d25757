//! A running simulator: its sockets, its tasks, and what tests ask of it.
//!
//! Dropping a [`Sim`] closes every connection at once, as a pulled plug would.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, Response, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    cdn,
    core::{Core, Search},
    faults::Rule,
    gateway::{self, Gateway, Hub},
    options::{Options, Refresh},
    reply::Reset,
    rest,
    sign::Signer,
    stats::Stats,
    world::World,
};

/// Short beside anything worth waiting for, long beside a look at a few counters.
const POLL: Duration = Duration::from_millis(5);

/// More than fifty of the longest links take.
const LARGEST_BODY: usize = 1024 * 1024;

/// A simulated Discord that answers on loopback addresses.
pub struct Sim {
    core: Arc<Core>,
    api: SocketAddr,
    cdn: SocketAddr,
    media: SocketAddr,
    servers: Vec<JoinHandle<()>>,
    hub: Arc<Hub>,
    /// Dropped with the simulator, which ends the gateway's connections.
    _open: watch::Sender<()>,
}

/// Which of the listeners a connection came to.
#[derive(Clone)]
enum Door {
    Api(Arc<Hub>),
    Files(cdn::Server),
}

impl Sim {
    /// Opens the doors of a world.
    pub async fn start(world: World, options: Options) -> io::Result<Self> {
        Self::start_on(world, options, 0).await
    }

    /// The same with the API on a chosen port, so that a restarted simulator can be where it was.
    pub async fn start_on(world: World, options: Options, port: u16) -> io::Result<Self> {
        let door = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let (api_door, cdn_door, media_door) = (door(port).await?, door(0).await?, door(0).await?);
        let (api, cdn, media) =
            (api_door.local_addr()?, cdn_door.local_addr()?, media_door.local_addr()?);
        let signer = Signer {
            key: world.lock().seed,
            cdn: format!("http://{cdn}"),
            media: format!("http://{media}"),
            lifetime: options.link_lifetime,
            clock: world.clock().clone(),
        };
        let core = Arc::new(Core::new(world, options, signer, format!("ws://{api}")));
        let (open, closing) = watch::channel(());
        let hub = Hub::new(&core, closing);
        let doors = [
            (api_door, Door::Api(Arc::clone(&hub))),
            (cdn_door, Door::Files(cdn::Server::Originals)),
            (media_door, Door::Files(cdn::Server::Proxy)),
        ];
        let servers = doors
            .into_iter()
            .map(|(listener, door)| tokio::spawn(listen(Arc::clone(&core), listener, door)))
            .collect();
        Ok(Self { core, api, cdn, media, servers, hub, _open: open })
    }

    /// `http://127.0.0.1:PORT`, under which `/api/v10` lies.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// `127.0.0.1:PORT` of the API and the gateway.
    pub fn api_host(&self) -> String {
        self.api.to_string()
    }

    /// `http://127.0.0.1:PORT` of the originals.
    pub fn cdn_url(&self) -> String {
        format!("http://{}", self.cdn)
    }

    /// `127.0.0.1:PORT` of the originals.
    pub fn cdn_host(&self) -> String {
        self.cdn.to_string()
    }

    /// `127.0.0.1:PORT` of the resizing proxy.
    pub fn media_host(&self) -> String {
        self.media.to_string()
    }

    /// `ws://127.0.0.1:PORT` of the gateway.
    pub fn gateway_url(&self) -> String {
        self.core.gateway.clone()
    }

    /// The hand on the gateway.
    pub fn gateway(&self) -> Gateway {
        Gateway(Arc::clone(&self.hub))
    }

    /// The truth behind it all.
    pub fn world(&self) -> &World {
        &self.core.world
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.core.ledger().stats.clone()
    }

    /// Waits until the counts are as wanted.
    pub async fn until(&self, reached: impl Fn(&Stats) -> bool) {
        while !reached(&self.core.ledger().stats) {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Everything the clients did that Discord does not know, in order.
    pub fn violations(&self) -> Vec<String> {
        self.core.ledger().violations.clone()
    }

    /// Adds a fault while running.
    pub fn inject(&self, rule: Rule) {
        self.core.rules().add(rule);
    }

    /// Ends all faults of REST and CDN, and the pauses they ordered.
    pub fn heal(&self) {
        self.core.rules().clear();
        self.core.limiter().end_pauses();
    }

    /// Changes how `refresh-urls` behaves.
    pub fn set_refresh(&self, refresh: Refresh) {
        *self.core.refresh() = refresh;
    }

    /// Lets the next searches find an index that is not ready.
    pub fn search_not_ready(&self, times: u64, retry_after: Duration) {
        *self.core.search() = Search { not_ready: times, retry_after };
    }

    /// Closes all doors and connections, and returns when the ports are free again.
    pub async fn shutdown(mut self) {
        for server in std::mem::take(&mut self.servers) {
            server.abort();
            // An aborted task ends with an error that says so.
            drop(server.await);
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn listen(core: Arc<Core>, listener: TcpListener, door: Door) {
    // Aborting this task drops the set, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&core), stream, door.clone()));
                }
                // Out of descriptors, perhaps: others will close theirs.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(core: Arc<Core>, stream: TcpStream, door: Door) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // A second handle on the socket, to make a reset of its end.
    let Ok(socket) = SockRef::from(&stream).try_clone() else { return };
    let socket = Arc::new(socket);
    let resets = Arc::new(AtomicBool::new(false));
    let plug = gateway::Plug(Arc::clone(&socket));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(plug.clone());
        let (core, resets, door) = (Arc::clone(&core), Arc::clone(&resets), door.clone());
        async move {
            let answer = answer(core, request, door).await;
            resets.fetch_or(answer.is_err(), Ordering::Relaxed);
            answer
        }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // How an answer that was cut short ends is hyper's affair: it closes, and what was sent arrives.
    drop(served.with_upgrades().await);
    if resets.load(Ordering::Relaxed) {
        // Closing a socket that lingers for no time resets it; when it is gone already, so much the better.
        drop(socket.set_linger(Some(Duration::ZERO)));
    }
}

async fn answer(
    core: Arc<Core>,
    request: Request<Incoming>,
    door: Door,
) -> Result<Response<Body>, Reset> {
    let (parts, body) = request.into_parts();
    match door {
        Door::Files(server) => {
            cdn::serve(&core, server, &parts.method, &parts.uri, &parts.headers).await
        }
        Door::Api(hub) if parts.headers.contains_key(header::UPGRADE) => {
            gateway::accept(hub, parts).await
        }
        Door::Api(_) => {
            let body = to_bytes(Body::new(body), LARGEST_BODY).await.map_err(|_| Reset)?;
            rest::serve(&core, &parts.method, &parts.uri, &parts.headers, body).await
        }
    }
}
