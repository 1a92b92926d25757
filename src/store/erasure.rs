//! That something was erased, which copies of the catalogue made before still hold.
//!
//! Whoever erases rows marks it in the same commit; the Mirror copies the whole anew, deletes what is older, and then
//! takes the mark away. So a crash anywhere in between leaves the mark.

use super::{
    Store, StoreError,
    table::Txn,
    tables::{ERASED, ErasedRow},
    tally::number_change,
};

/// Copies made before some erasure are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiesRenewed {
    /// The erasure that they were renewed for.
    pub erased: ErasedRow,
}

impl CopiesRenewed {
    pub(super) fn apply(self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        if ERASED.get(txn, &())? == Some(self.erased) {
            ERASED.delete(txn, &());
        }
        Ok(())
    }
}

/// Marks that this commit erases something that no copy may keep.
pub(super) fn mark_erased(txn: &mut Txn<'_>) -> Result<(), StoreError> {
    let changes = number_change(txn)?;
    ERASED.put(txn, &(), &ErasedRow { changes });
    Ok(())
}

impl Store {
    /// The last erasure that copies may still hold.
    pub fn erased(&self) -> Result<Option<ErasedRow>, StoreError> {
        ERASED.get(&self.source(), &())
    }
}
