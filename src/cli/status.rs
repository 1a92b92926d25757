//! `bowerbird status`: asks the running service, or reads the store when none runs.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;

use super::{StatusArgs, output::say};
use crate::{
    app::{
        control::{self, Order},
        open,
        overview::{Amount, Overview},
        settings::Settings,
    },
    clock::Clock,
    config::{LocalConfig, Wishes},
    domain::selection::PlaceSelection,
    store::{Context, Store},
};

/// Prints how things stand, after having done what was asked for.
pub async fn run(config: LocalConfig, settings: &Settings, args: StatusArgs) -> anyhow::Result<()> {
    let asked = [
        (args.retry_parked, Order::RetryParked),
        (args.allow_erasing, Order::AllowErasing),
        (args.keep_deleted, Order::KeepDeleted),
    ];
    for (_, order) in asked.into_iter().filter(|(asked, _)| *asked) {
        if !control::order(&config.state_dir, order).await? {
            write_down(order, &store(&config.state_dir)?, settings)?;
        }
    }
    let overview = match control::overview(&config.state_dir).await? {
        Some(overview) => overview,
        None => read(&store(&config.state_dir)?, settings)?,
    };
    if args.json {
        return say(format_args!("{}\n", serde_json::to_string_pretty(&overview)?));
    }
    let amount = if args.all { Amount::All } else { Amount::Screenful };
    say(overview.words(amount))
}

pub(super) fn store(state: &Path) -> anyhow::Result<Store> {
    anyhow::ensure!(
        open::is_there(state),
        "{} holds no archive's state: nothing was archived yet, or STATE_DIR names another folder",
        state.display()
    );
    open::store(state).map_err(|error| {
        if open::is_taken(&error) {
            anyhow::anyhow!(
                "a fetch, or a service that starts or ends, works on STATE_DIR ({}): ask again when it is done",
                state.display()
            )
        } else {
            error
        }
    })
}

fn read(store: &Store, settings: &Settings) -> anyhow::Result<Overview> {
    // Settings that can't be used stop the service, and not those who look at what it did.
    let wishes = Wishes::check(&|name| settings.get(name)).ok();
    let selection = wishes.map(|wishes| selected(wishes.places, store)).transpose()?;
    Ok(Overview::read(store, selection.as_ref())?)
}

/// Without a server named, those that were read are meant.
pub(super) fn selected(
    mut places: PlaceSelection,
    store: &Store,
) -> anyhow::Result<PlaceSelection> {
    if places.guilds.is_empty() {
        places.guilds = store.guilds()?.into_iter().map(|(id, _)| id).collect();
    }
    Ok(places)
}

/// Without a service the store is ours.
fn write_down(order: Order, store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let wishes = Wishes::check(&|name| settings.get(name))
        .map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let policy = wishes.policy();
    let context = Context { now: Clock::System.now(), policy: Arc::new(policy) };
    let mut commit = store.begin(context);
    commit.add(&order.change()).context("write down what was asked for")?;
    commit.finish().context("write down what was asked for")?;
    Ok(())
}
