//! Another selection than before: the store is gone through for it, and Discord is not asked.

use crate::{
    domain::{entry::EntryState, job::Subject, selection::Policy},
    store::{
        Context, Store, StoreError,
        publication::mark_changed,
        removal::{look_again, share_still},
        table::Txn,
        tables::{CONTENTS, ENTRIES, POLICY, PolicyRow},
    },
};

/// How many entries one step goes through, so that others get their turn.
const STEP: usize = 500;

/// Whether every entry was gone through since the policy changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepDone(pub bool);

/// Goes through the next entries for a policy that changed.
pub(in crate::store) fn sweep(
    txn: &mut Txn<'_>,
    context: &Context,
) -> Result<SweepDone, StoreError> {
    let text = context.policy.describe();
    let row = match POLICY.get(txn, &())? {
        Some(row) if row.text == text && row.swept => return Ok(SweepDone(true)),
        Some(row) if row.text == text => row,
        _ => PolicyRow { text: text.clone(), swept_to: None, swept: false },
    };
    let entries = ENTRIES.after(txn, row.swept_to.as_ref(), STEP)?;
    let swept = entries.len() < STEP;
    let swept_to = entries.last().map(|(key, _)| *key);
    for (key, entry) in &entries {
        if let EntryState::Stored(sha256) = entry.state {
            let content = CONTENTS.get(txn, &sha256)?;
            let look = content.as_ref().and_then(|content| content.look.as_ref());
            share_still(txn, Subject::Content(sha256), look)?;
        }
        share_still(txn, Subject::Entry(*key), entry.look.as_ref())?;
        mark_changed(txn, key.root, key.message, context.publish_by())?;
    }
    let keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
    look_again(txn, context, &keys)?;
    POLICY.put(txn, &(), &PolicyRow { text, swept_to, swept });
    Ok(SweepDone(swept))
}

impl Store {
    /// Whether every entry was gone through for what is wanted. A store that never heard of another wish needs none.
    pub fn is_swept(&self, policy: &Policy) -> Result<bool, StoreError> {
        let row = POLICY.get(&self.source(), &())?;
        Ok(row.is_none_or(|row| row.swept && row.text == policy.describe()))
    }
}
