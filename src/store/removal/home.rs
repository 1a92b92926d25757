//! Where bytes belong: in the public bucket while any entry that has them is shown, in the private one while all of
//! them are withheld, nowhere when nothing has them any more. What is out of place is a job.
//!
//! Bytes are copied home first, then written down as being there, and only then deleted elsewhere: from the public
//! bucket after the publication that no longer names them. That bytes are about to be erased for good is written down
//! before the first of them goes, so that nobody counts on them after a crash.

use crate::{
    domain::{
        entry::{EntryKey, Look},
        id::{AttachmentId, MessageId},
        job::{Job, JobState, Lane, Queue, Rank, Subject},
        removal::{Chore, Home},
    },
    store::{
        Context, Hint, Store, StoreError,
        publication::mark_changed,
        table::{Part, Source, Txn},
        tables::{CONTENTS, ENTRIES, HOMES, HomeRow, JOBS, REACHED, SEALS, STILL_USES, USES},
        tally::last_change,
        work::{count_still, end_job, set_job},
    },
};

use super::facts::is_left_out;

/// How long after a publication is due what waits for it is looked at: a publication takes some seconds.
const AFTER_PUBLICATION: std::time::Duration = std::time::Duration::from_secs(5);

/// Bytes were brought where they belong, or out of where they do not.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Which.
    pub subject: Subject,
    /// What was done.
    pub chore: Chore,
}

impl Moved {
    pub(in crate::store) fn apply(
        &self,
        txn: &mut Txn<'_>,
        context: &Context,
    ) -> Result<(), StoreError> {
        end_job(txn, Queue::Move, self.subject)?;
        let Some(mut row) = HOMES.get(txn, &self.subject)? else { return Ok(()) };
        match self.chore {
            Chore::Copy(to) if row.home != Home::Nowhere => {
                // Elsewhere is where it was, or where it was just put though it belongs there no more.
                row.stale = Some(last_change(txn)?);
                if wanted_home(txn, self.subject, None)? == to {
                    row.home = to;
                }
                HOMES.put(txn, &self.subject, &row);
                mark_users(txn, context, self.subject)?;
            }
            Chore::Clear(side) if row.home != Home::Nowhere && row.home != side => {
                row.stale = None;
                HOMES.put(txn, &self.subject, &row);
            }
            Chore::Erase if row.home == Home::Nowhere => {
                HOMES.delete(txn, &self.subject);
                // Somebody may wait for the last of what was erased.
                txn.hint(Hint::Publish);
                return Ok(());
            }
            Chore::Copy(_) | Chore::Clear(_) | Chore::Erase => {}
        }
        settle(txn, context, self.subject, None)
    }
}

/// Whether an entry is withheld from the public, as somebody is about to write it down.
pub(in crate::store) type Judged = (EntryKey, bool);

/// Sees to it that bytes come to where they belong. `judged` is an entry that is not written down yet.
pub(in crate::store) fn settle(
    txn: &mut Txn<'_>,
    context: &Context,
    subject: Subject,
    judged: Option<Judged>,
) -> Result<(), StoreError> {
    let known = HOMES.get(txn, &subject)?;
    if known.is_none() && judged.is_some_and(|(_, withheld)| !withheld) {
        // The usual case, without a walk through all who share the bytes.
        return Ok(());
    }
    let wanted = wanted_home(txn, subject, judged)?;
    let Some(mut row) = known.map_or_else(|| at_home(txn, subject), |row| Ok(Some(row)))? else {
        return Ok(());
    };
    if wanted == Home::Nowhere {
        row.stale = Some(last_change(txn)?);
        SEALS.delete(txn, &row.object);
        forget_content(txn, context, subject)?;
    }
    if let (Subject::Content(sha256), false) = (subject, wanted == Home::Nowhere)
        && let Some(still) =
            CONTENTS.get(txn, &sha256)?.and_then(|content| content.look?.still_sha256())
    {
        settle(txn, context, Subject::Still(still), judged)?;
    }
    let Some(chore) = Chore::next(row.home, wanted, row.stale.is_some()) else {
        if row.home == Home::Public {
            HOMES.delete(txn, &subject);
        } else {
            HOMES.put(txn, &subject, &row);
        }
        return end_job(txn, Queue::Move, subject);
    };
    HOMES.put(txn, &subject, &row);
    let waits = chore.waits_for_publication() && !is_published(txn, &row)?;
    let until = context.publish_by().after(AFTER_PUBLICATION);
    let state = if waits { JobState::Delayed(until) } else { JobState::Ready };
    match JOBS.get(txn, &(Queue::Move, subject))? {
        Some(Job { state: JobState::Parked { .. }, .. }) => Ok(()),
        Some(job) if waits => set_job(txn, Queue::Move, subject, Some(Job { state, ..job })),
        Some(job) if job.state == JobState::Ready => Ok(()),
        Some(job) => set_job(txn, Queue::Move, subject, Some(Job { state, ..job })),
        None => {
            let rank =
                Rank::new(Lane::History, MessageId(0), size_of(txn, subject)?, AttachmentId(0));
            set_job(txn, Queue::Move, subject, Some(Job { state, ..Job::new(rank) }))
        }
    }
}

/// What is to be done for bytes now, and under which name the public bucket has them; none when nothing is, or when it
/// has to wait for a publication.
pub(in crate::store) fn chore_of(
    source: &impl Source,
    subject: Subject,
) -> Result<Option<(Chore, String)>, StoreError> {
    let Some(row) = HOMES.get(source, &subject)? else { return Ok(None) };
    let wanted = wanted_home(source, subject, None)?;
    let chore = Chore::next(row.home, wanted, row.stale.is_some());
    let waits = chore.is_some_and(Chore::waits_for_publication) && !is_published(source, &row)?;
    Ok(chore.filter(|_| !waits).map(|chore| (chore, row.object)))
}

/// Whether what is to be done has to wait for a publication.
pub(in crate::store) fn waits_for_publication(
    source: &impl Source,
    subject: Subject,
) -> Result<bool, StoreError> {
    let Some(row) = HOMES.get(source, &subject)? else { return Ok(false) };
    let wanted = wanted_home(source, subject, None)?;
    let chore = Chore::next(row.home, wanted, row.stale.is_some());
    Ok(chore.is_some_and(Chore::waits_for_publication) && !is_published(source, &row)?)
}

/// Begins what is to be done. From here on nobody counts on bytes that are to be erased, and a copy that is being made
/// is not forgotten, whatever becomes of it.
pub(in crate::store) fn begin_chore(
    txn: &mut Txn<'_>,
    subject: Subject,
    chore: Chore,
) -> Result<(), StoreError> {
    let Some(row) = HOMES.get(txn, &subject)? else { return Ok(()) };
    let row = match chore {
        Chore::Erase => HomeRow { home: Home::Nowhere, ..row },
        Chore::Copy(_) => HomeRow { stale: Some(last_change(txn)?), ..row },
        Chore::Clear(_) => return Ok(()),
    };
    HOMES.put(txn, &subject, &row);
    Ok(())
}

/// Bytes were put into the public bucket by somebody who found them nowhere known.
pub(in crate::store) fn unused(
    txn: &mut Txn<'_>,
    context: &Context,
    subject: Subject,
    object: &str,
) -> Result<(), StoreError> {
    let fresh = HomeRow { object: object.to_owned(), home: Home::Public, stale: None };
    let row = HOMES.get(txn, &subject)?.unwrap_or(fresh);
    let home = if row.home == Home::Nowhere { Home::Public } else { row.home };
    // Wherever they are at home, there may be others elsewhere.
    let stale = Some(last_change(txn)?);
    HOMES.put(txn, &subject, &HomeRow { home, stale, ..row });
    settle(txn, context, subject, None)
}

/// A still was put into the public bucket, which may not be where it belongs.
pub(in crate::store) fn still_put(
    txn: &mut Txn<'_>,
    context: &Context,
    user: Subject,
    look: &Look,
) -> Result<(), StoreError> {
    let (Some(object), Some(still)) = (&look.still, look.still_sha256()) else { return Ok(()) };
    let is_there = match user {
        Subject::Content(sha256) => CONTENTS.contains(txn, &sha256)?,
        Subject::Entry(key) => ENTRIES.contains(txn, &key)?,
        Subject::Still(_) => false,
    };
    if is_there {
        STILL_USES.put(txn, &(Part, still, user), &());
    }
    let subject = Subject::Still(still);
    let displaced = HOMES.contains(txn, &subject)?
        || !is_there
        || wanted_home(txn, subject, None)? != Home::Public;
    if displaced { unused(txn, context, subject, object) } else { Ok(()) }
}

/// Writes down who shares a still, for those who were there before that was kept.
pub(in crate::store) fn share_still(
    txn: &mut Txn<'_>,
    user: Subject,
    look: Option<&Look>,
) -> Result<(), StoreError> {
    if let Some(still) = look.and_then(Look::still_sha256)
        && !STILL_USES.contains(txn, &(Part, still, user))?
    {
        STILL_USES.put(txn, &(Part, still, user), &());
    }
    Ok(())
}

/// Somebody no longer shares a still.
pub(in crate::store) fn leave_still(
    txn: &mut Txn<'_>,
    context: &Context,
    user: Subject,
    look: Option<&Look>,
) -> Result<(), StoreError> {
    let Some(still) = look.and_then(Look::still_sha256) else { return Ok(()) };
    STILL_USES.delete(txn, &(Part, still, user));
    settle(txn, context, Subject::Still(still), None)
}

fn wanted_home(
    source: &impl Source,
    subject: Subject,
    judged: Option<Judged>,
) -> Result<Home, StoreError> {
    let mut home = Home::Nowhere;
    match subject {
        Subject::Content(sha256) => {
            for ((_, key), ()) in USES.below(source, &sha256, usize::MAX)? {
                home = home.min(entry_home(source, key, judged)?);
                if home == Home::Public {
                    break;
                }
            }
        }
        Subject::Still(still) => {
            for ((_, _, user), ()) in STILL_USES.below(source, &(Part::<2>, still), usize::MAX)? {
                home = home.min(wanted_home(source, user, judged)?);
                if home == Home::Public {
                    break;
                }
            }
        }
        Subject::Entry(key) => return entry_home(source, key, judged),
    }
    Ok(home)
}

/// Where an entry would have its bytes. One that nobody wants any more stays where it was.
fn entry_home(
    source: &impl Source,
    key: EntryKey,
    judged: Option<Judged>,
) -> Result<Home, StoreError> {
    let withheld = match judged {
        Some((judged, withheld)) if judged == key => withheld,
        _ => {
            let Some(entry) = ENTRIES.get(source, &key)? else { return Ok(Home::Nowhere) };
            entry.hidden_at.is_some() || is_left_out(source, key)?
        }
    };
    Ok(if withheld { Home::Private } else { Home::Public })
}

/// Bytes of which nothing is written down are in the public bucket.
fn at_home(source: &impl Source, subject: Subject) -> Result<Option<HomeRow>, StoreError> {
    let object = match subject {
        Subject::Content(sha256) => CONTENTS.get(source, &sha256)?.map(|content| content.object),
        Subject::Still(still) => Some(format!("thumb/{still}.webp")),
        Subject::Entry(_) => None,
    };
    Ok(object.map(|object| HomeRow { object, home: Home::Public, stale: None }))
}

/// What is known of bytes that nothing has any more.
fn forget_content(
    txn: &mut Txn<'_>,
    context: &Context,
    subject: Subject,
) -> Result<(), StoreError> {
    let Subject::Content(sha256) = subject else { return Ok(()) };
    let Some(content) = CONTENTS.get(txn, &sha256)? else { return Ok(()) };
    CONTENTS.delete(txn, &sha256);
    count_still(txn, content.look.as_ref(), None)?;
    end_job(txn, Queue::Thumbnail, subject)?;
    leave_still(txn, context, subject, content.look.as_ref())
}

/// Has everything published that the page may now show, or no longer.
fn mark_users(txn: &mut Txn<'_>, context: &Context, subject: Subject) -> Result<(), StoreError> {
    let users: Vec<Subject> = match subject {
        Subject::Content(sha256) => {
            let uses = USES.below(txn, &sha256, usize::MAX)?;
            uses.into_iter().map(|((_, key), ())| Subject::Entry(key)).collect()
        }
        Subject::Still(still) => {
            let uses = STILL_USES.below(txn, &(Part::<2>, still), usize::MAX)?;
            uses.into_iter().map(|((_, _, user), ())| user).collect()
        }
        Subject::Entry(key) => {
            let shown = ENTRIES.get(txn, &key)?.is_some_and(|e| e.is_shown(&context.policy));
            if shown {
                mark_changed(txn, key.root, key.message, context.publish_by())?;
            }
            return Ok(());
        }
    };
    users.into_iter().try_for_each(|user| mark_users(txn, context, user))
}

fn is_published(source: &impl Source, row: &HomeRow) -> Result<bool, StoreError> {
    let reached = REACHED.get(source, &Part)?.map_or(0, |reached| reached.changes);
    Ok(row.stale.is_none_or(|stale| stale <= reached))
}

fn size_of(source: &impl Source, subject: Subject) -> Result<u64, StoreError> {
    let Subject::Content(sha256) = subject else { return Ok(0) };
    Ok(CONTENTS.get(source, &sha256)?.map_or(0, |content| content.size))
}

impl Store {
    /// What is to be done for bytes now, and under which name the public bucket has them.
    pub fn chore(&self, subject: Subject) -> Result<Option<(Chore, String)>, StoreError> {
        chore_of(&self.source(), subject)
    }

    /// Where bytes are that somebody knows of.
    pub fn home(&self, subject: Subject) -> Result<Home, StoreError> {
        Ok(HOMES.get(&self.source(), &subject)?.map_or(Home::Public, |row| row.home))
    }

    /// Whether bytes that nothing has any more are yet to leave a bucket. Looks at no more than the jobs that wait.
    pub fn is_leaving_any(&self) -> Result<bool, StoreError> {
        let source = self.source();
        for ((_, subject), _) in JOBS.below(&source, &Queue::Move, usize::MAX)? {
            if wanted_home(&source, subject, None)? == Home::Nowhere {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether there may be bytes in the public bucket that nobody counts on any more.
    pub fn is_leaving(&self, subject: Subject) -> Result<bool, StoreError> {
        HOMES.contains(&self.source(), &subject)
    }
}
