//! What a person decides about deletions that were held back: to let them be erased, or to keep what they took.

use crate::{
    domain::time::Timestamp,
    store::{
        Context, Hint, Store, StoreError,
        table::{Part, Source, Txn},
        tables::{Held, MASS, MassRow},
    },
};

/// Lets what was held back be erased as if there had been no wave.
pub(in crate::store) fn allow_erasing(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    if MASS.get(txn, &Part)?.is_some_and(|row| row.keep_until.is_none()) {
        MASS.put(txn, &Part, &MassRow::default());
        txn.hint(Hint::Tend);
    }
    Ok(())
}

/// Has what was held back shown again, marked. It is gone through in steps, and nothing of it is erased meanwhile.
pub(in crate::store) fn keep_deleted(
    txn: &mut Txn<'_>,
    context: &Context,
) -> Result<(), StoreError> {
    if let Some(row) = MASS.get(txn, &Part)?.filter(|row| row.held.is_some()) {
        MASS.put(txn, &Part, &MassRow { keep_until: Some(context.now), ..row });
        txn.hint(Hint::Tend);
    }
    Ok(())
}

/// Since when deletions are held back.
pub(super) fn held_since(source: &impl Source) -> Result<Option<Timestamp>, StoreError> {
    Ok(MASS.get(source, &Part)?.and_then(|row| row.held).map(|held| held.since))
}

impl Store {
    /// Deletions that are held back until a person decides; none when nothing is.
    pub fn held(&self) -> Result<Option<Held>, StoreError> {
        Ok(MASS.get(&self.source(), &Part)?.and_then(|row| row.held))
    }
}
