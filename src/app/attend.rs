//! Answers those who ask how the service is: health checks, metrics, and `status` through the control socket.
//!
//! The socket lies in the state folder, so whoever may write there may ask, have tried again what was put aside, and
//! decide what becomes of deletions that were held back. Over TCP nothing can be changed.

use std::{
    collections::BTreeSet,
    fs::Permissions,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    time::timeout,
};
use tracing::info;

use super::{
    control::Order,
    forget::Listing,
    overview::{Overview, Running},
    vitals::Body,
};
use crate::{
    actors::{
        backfill::Progress,
        persistence::Ledger,
        verifier::{Board, Verify},
    },
    domain::forget::{Erased, Forgotten},
    store::{Change, Store, StoreError},
};

/// An answer that is none.
type Refusal = (StatusCode, String);

/// The name of the socket in the state folder.
pub const SOCKET: &str = "control.sock";

/// How long the writer may take to answer those who ask how it is.
const PROBE: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Clone)]
pub struct Attendant {
    body: Body,
    ledger: Ledger,
    progress: watch::Receiver<Progress>,
    verifications: Verifications,
    recorder: PrometheusHandle,
    parked_shown: Arc<Mutex<BTreeSet<(&'static str, String)>>>,
}

/// Where verifications are asked for and told.
#[derive(Clone)]
pub struct Verifications {
    /// Who verifies.
    pub verifier: actix::Recipient<Verify>,
    /// How far it is.
    pub board: watch::Receiver<Board>,
}

impl Attendant {
    /// Tells of these parts.
    pub fn new(
        body: Body,
        ledger: Ledger,
        progress: watch::Receiver<Progress>,
        verifications: Verifications,
        recorder: PrometheusHandle,
    ) -> Self {
        Self { body, ledger, progress, verifications, recorder, parked_shown: Arc::default() }
    }

    /// Answers on a TCP address for as long as it is polled.
    pub async fn answer(self, address: SocketAddr) -> std::io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        info!(address = %listener.local_addr()?, "telling how the service is: /healthz, /readyz, /metrics");
        axum::serve(listener, self.routes()).await
    }

    /// Answers on the control socket for as long as it is polled.
    pub async fn answer_on_socket(self, path: PathBuf) -> std::io::Result<()> {
        let listener = bind_private(&path)?;
        let mut private = Router::new()
            .route("/status", get(status))
            .route("/forgotten", get(forgotten))
            .route("/forget", post(forget))
            .route("/foretell", post(foretell))
            .route("/verify", post(verify).get(verified));
        for order in Order::ALL {
            let obey = move |State(attendant): State<Self>| obey(attendant, order);
            private = private.route(order.path(), post(obey));
        }
        let private = private.with_state(self.clone());
        axum::serve(listener, self.routes().merge(private)).await
    }

    fn routes(&self) -> Router {
        Router::new()
            .route("/healthz", get(alive))
            .route("/readyz", get(ready))
            .route("/metrics", get(measured))
            .with_state(self.clone())
    }
}

/// Whether the process and its actors live. What keeps them from their work is for `/readyz`: to start the process anew
/// would not mend it.
async fn alive(State(attendant): State<Attendant>) -> (StatusCode, &'static str) {
    // Nothing is written, but the writer has to take its turn for it.
    match timeout(PROBE, attendant.ledger.record([])).await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the actors do not answer\n"),
    }
}

/// Binds a socket that nobody but its owner may ever speak to: it is made in a folder that others can't enter, and
/// moved to its place when its permissions are set.
fn bind_private(path: &Path) -> std::io::Result<UnixListener> {
    let folder = tempfile::Builder::new()
        .prefix(".control-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(path.parent().unwrap_or(Path::new(".")))?;
    let hidden = folder.path().join("socket");
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, Permissions::from_mode(0o600))?;
    // The store's lock is ours, so a socket that is there is left from a process that died.
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

/// Whether it does its work: it listens, the store takes what happens, and so does the bucket.
async fn ready(State(attendant): State<Attendant>) -> (StatusCode, String) {
    let body = &attendant.body;
    let written = timeout(PROBE, attendant.ledger.record([Change::Probe])).await;
    let held = body.lease.is_held().await;
    let listening = body.health.borrow().is_whole();
    let judged = [
        (listening, "not listening to Discord"),
        (written.is_ok(), "the store takes nothing"),
        (held, "the bucket takes nothing"),
    ];
    let wrong: Vec<&str> =
        judged.iter().filter(|(well, _)| !well).map(|(_, words)| *words).collect();
    if wrong.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", wrong.join("\n")))
    }
}

async fn measured(State(attendant): State<Attendant>) -> Result<String, (StatusCode, String)> {
    let vitals = attendant.body.look().await.map_err(|error| internal(&error))?;
    vitals.measure(&mut attendant.parked_shown.lock().expect("no holder of this lock panics"));
    Ok(attendant.recorder.render())
}

async fn status(
    State(attendant): State<Attendant>,
) -> Result<Json<Overview>, (StatusCode, String)> {
    let Body { store, selection, health, supervisor, .. } = attendant.body.clone();
    let read = store.read(move |store| Overview::read(store, Some(&selection))).await;
    let mut overview = read.map_err(|error| internal(&error))?;
    let health = health.borrow().clone();
    let restarts = supervisor.restarts();
    overview.service = Some(Running {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        shards_listening: health.connected.len(),
        shards_wanted: health.shards,
        restarts: restarts.into_iter().map(|(actor, count)| (actor.to_owned(), count)).collect(),
        caught_up: attendant.progress.borrow().idle,
    });
    Ok(Json(overview))
}

/// Answers when it is durable; the publisher hears of it as of any other change.
async fn forget(
    State(attendant): State<Attendant>,
    Json(request): Json<super::forget::Request>,
) -> &'static str {
    attendant.ledger.record(request.changes()).await;
    "ok\n"
}

async fn forgotten(State(attendant): State<Attendant>) -> Result<Json<Listing>, Refusal> {
    read(attendant, Listing::read).await
}

async fn foretell(
    State(attendant): State<Attendant>,
    Json(what): Json<Vec<Forgotten>>,
) -> Result<Json<Vec<Erased>>, Refusal> {
    read(attendant, move |store| super::forget::foretell(store, &what)).await
}

async fn read<T: Send + 'static>(
    attendant: Attendant,
    look: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    let read = attendant.body.store.read(look).await;
    read.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Answers when it is durable; the workers hear of it as of any other change.
async fn obey(attendant: Attendant, order: Order) -> &'static str {
    attendant.ledger.record([order.change()]).await;
    "ok\n"
}

/// Answers with the number under which the outcome will be told.
async fn verify(
    State(attendant): State<Attendant>,
    Query(verify): Query<Verify>,
) -> Result<String, (StatusCode, &'static str)> {
    let asked = attendant.verifications.verifier.send(verify).await;
    asked
        .map(|number| number.to_string())
        .map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "the service is ending\n"))
}

/// Which verification is asked about.
#[derive(serde::Deserialize)]
struct Asked {
    number: u64,
}

/// Answers how far it is, and with its outcome, once there is one; those of others would only be long.
async fn verified(
    State(attendant): State<Attendant>,
    Query(Asked { number }): Query<Asked>,
) -> Json<Board> {
    let board = attendant.verifications.board.borrow();
    Json(board.only(number))
}

fn internal(error: &StoreError) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
}
