//! Answers those who ask how the service is: health checks, metrics, and `status` through the control socket.
//!
//! The socket lies in the state folder, so whoever may write there may ask, and have tried again what was put aside.
//! Over TCP nothing can be changed.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};
use tracing::{info, warn};

use super::{
    forget::Listing,
    overview::{Overview, Running},
};
use crate::{
    actors::{backfill::Progress, gateway::Health, persistence::Ledger, supervisor::Supervisor},
    domain::{
        forget::{Erased, Forgotten},
        selection::PlaceSelection,
    },
    store::{Change, Store, StoreError, Tally},
};

/// An answer that is none.
type Refusal = (StatusCode, String);

/// The name of the socket in the state folder.
pub const SOCKET: &str = "control.sock";

/// What is told.
#[derive(Clone)]
pub struct Attendant {
    store: Store,
    ledger: Ledger,
    selection: Arc<PlaceSelection>,
    supervisor: Supervisor,
    health: watch::Receiver<Health>,
    progress: watch::Receiver<Progress>,
    metrics: PrometheusHandle,
}

impl Attendant {
    /// Tells of these parts.
    pub fn new(
        store: Store,
        ledger: Ledger,
        selection: Arc<PlaceSelection>,
        supervisor: Supervisor,
        health: watch::Receiver<Health>,
        progress: watch::Receiver<Progress>,
    ) -> anyhow::Result<Self> {
        let metrics = PrometheusBuilder::new().install_recorder()?;
        Ok(Self { store, ledger, selection, supervisor, health, progress, metrics })
    }

    /// Answers on a TCP address for as long as it is polled.
    pub async fn answer(self, address: SocketAddr) -> std::io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        info!(address = %listener.local_addr()?, "telling how the service is: /healthz, /readyz, /metrics");
        axum::serve(listener, self.routes()).await
    }

    /// Answers on the control socket for as long as it is polled.
    pub async fn answer_on_socket(self, path: PathBuf) -> std::io::Result<()> {
        // The store's lock is ours, so a socket that is there is left from a process that died.
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(%error, "the old control socket can't be removed");
        }
        let listener = UnixListener::bind(&path)?;
        let private = Router::new()
            .route("/status", get(status))
            .route("/retry-parked", post(retry_parked))
            .route("/forgotten", get(forgotten))
            .route("/forget", post(forget))
            .route("/foretell", post(foretell))
            .with_state(self.clone());
        axum::serve(listener, self.routes().merge(private)).await
    }

    fn routes(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(measured))
            .with_state(self.clone())
    }
}

async fn ready(State(attendant): State<Attendant>) -> (StatusCode, &'static str) {
    if attendant.health.borrow().is_whole() {
        (StatusCode::OK, "listening\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not listening to Discord yet\n")
    }
}

async fn measured(State(attendant): State<Attendant>) -> String {
    let store = attendant.store.clone();
    let read = tokio::task::spawn_blocking(move || {
        Ok::<_, crate::store::StoreError>((store.tallies()?, store.size_on_disk()?))
    });
    if let Ok(Ok((tallies, disk))) = read.await {
        let gauges = [
            ("bowerbird_messages_read", Tally::MessagesRead),
            ("bowerbird_messages_live", Tally::MessagesLive),
            ("bowerbird_files_seen", Tally::Entries),
            ("bowerbird_files_stored", Tally::Stored),
            ("bowerbird_files_stored_bytes", Tally::StoredBytes),
            ("bowerbird_files_gone", Tally::Gone),
            ("bowerbird_messages_deleted", Tally::Deleted),
            ("bowerbird_downloads_waiting", Tally::DownloadsWaiting),
            ("bowerbird_downloads_waiting_bytes", Tally::BytesWaiting),
            ("bowerbird_downloads_parked", Tally::DownloadsParked),
            ("bowerbird_thumbnails_waiting", Tally::ThumbnailsWaiting),
            ("bowerbird_thumbnails_parked", Tally::ThumbnailsParked),
            ("bowerbird_stills", Tally::Stills),
            ("bowerbird_links", Tally::Links),
        ];
        for (name, tally) in gauges {
            set(name, tallies.get(tally));
        }
        set("bowerbird_store_bytes", disk);
    }
    set(
        "bowerbird_shards_connected",
        u64::try_from(attendant.health.borrow().connected.len()).unwrap_or(0),
    );
    attendant.metrics.render()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no integers")]
fn set(name: &'static str, value: u64) {
    metrics::gauge!(name).set(value as f64);
}

async fn status(
    State(attendant): State<Attendant>,
) -> Result<Json<Overview>, (StatusCode, String)> {
    let (store, selection) = (attendant.store.clone(), Arc::clone(&attendant.selection));
    let read = tokio::task::spawn_blocking(move || Overview::read(&store, Some(&selection))).await;
    let mut overview = read
        .expect("reading the store does not panic")
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let health = attendant.health.borrow().clone();
    let restarts = attendant.supervisor.restarts();
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
    read(attendant, |store| Listing::read(&store)).await
}

async fn foretell(
    State(attendant): State<Attendant>,
    Json(what): Json<Vec<Forgotten>>,
) -> Result<Json<Vec<Erased>>, Refusal> {
    read(attendant, move |store| super::forget::foretell(&store, &what)).await
}

async fn read<T: Send + 'static>(
    attendant: Attendant,
    look: impl FnOnce(Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    let read = tokio::task::spawn_blocking(move || look(attendant.store)).await;
    let read = read.expect("reading the store does not panic");
    read.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Answers when it is durable; the workers hear of it as of any other change.
async fn retry_parked(State(attendant): State<Attendant>) -> &'static str {
    attendant.ledger.record([Change::RetryParked]).await;
    "ok\n"
}
