//! Which places the page shows, and which it goes without from now on.
//!
//! Asked before and during each publication. Nothing here can be lost.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::{
    domain::{
        id::ChannelId,
        place::{Place, PlaceKind},
        selection::PlaceSelection,
    },
    store::{PlaceRow, PlacesShown, Store, StoreError},
};

/// The places whose entries, names and coverage everybody may see.
pub fn shown_places(places: &[PlaceRow], selection: &PlaceSelection) -> HashSet<ChannelId> {
    let by_id: HashMap<ChannelId, &Place> =
        places.iter().map(|row| (row.place.id, &row.place)).collect();
    let ancestors = |row: &PlaceRow| row.place.ancestors(|id| by_id.get(&id).copied());
    let selected =
        places.iter().filter(|row| selection.omits(&row.place, &ancestors(row)).is_none());
    let mut shown: HashSet<_> = selected
        .filter(|row| row.place.kind != PlaceKind::Category)
        .map(|row| row.place.id)
        .collect();
    // A heading, or the channel of a thread that was named alone, is shown for what stands below it.
    for row in places {
        if shown.contains(&row.place.id) {
            shown.extend(
                ancestors(row).into_iter().filter(|above| above.public).map(|above| above.id),
            );
        }
    }
    shown
}

/// Places without those that were deleted on Discord, which leave with their names unless something of them stays.
pub(super) fn that_stay(
    store: &Store,
    places: impl Iterator<Item = PlaceRow>,
    lists: impl Fn(ChannelId) -> bool,
) -> Result<Vec<PlaceRow>, StoreError> {
    let lost: HashSet<ChannelId> = store.lost_places()?.into_iter().collect();
    let stays = |row: &PlaceRow| !lost.contains(&row.place.id) || lists(row.place.root());
    Ok(places.filter(stays).collect())
}

/// Which places the page goes without, other than before.
pub(super) fn places_changed(
    store: &Store,
    selection: &PlaceSelection,
) -> Result<Option<PlacesShown>, StoreError> {
    let places = store.places()?;
    let shown = shown_places(&places, selection);
    let holds = |row: &&PlaceRow| row.place.kind != PlaceKind::Category;
    let left_out: BTreeSet<_> = places
        .iter()
        .filter(holds)
        .filter(|row| !shown.contains(&row.place.id))
        .map(|row| (row.place.root(), row.place.id))
        .collect();
    let before: BTreeSet<_> = store.left_out()?.into_iter().collect();
    let withdrawn: Vec<_> = left_out.difference(&before).copied().collect();
    let returned: Vec<_> = before.difference(&left_out).copied().collect();
    let changed = !withdrawn.is_empty() || !returned.is_empty();
    Ok(changed.then_some(PlacesShown { withdrawn, returned }))
}
