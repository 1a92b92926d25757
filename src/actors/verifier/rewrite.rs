//! Writes the page's data again. What the catalogue still gives under the same name is put at once, over what is
//! damaged; the rest is left to the next publication, which gives it another name.

use super::Mender;
use crate::{
    actors::publisher::shown_places,
    audit::{
        finding::{Fault, Finding, Part},
        name::Name,
        pass::AuditError,
    },
    bucket::{ObjectKey, Precondition},
    domain::{id::ChannelId, text::Mention, time::Timestamp},
    gallery::{Packed, people, shard},
    store::{Mended, Month, MonthEntry, ShardsRow, Store},
};

/// Mends one file of the page's data, or has it published again.
pub(super) async fn rewrite(mender: &Mender, finding: &Finding) -> Result<(), AuditError> {
    if finding.part == Part::Page {
        mender.record(Mended::Repage).await;
        return Ok(());
    }
    match Name::of(&finding.object) {
        Name::Manifest => {
            mender.record(Mended::Remanifest).await;
            Ok(())
        }
        Name::People(_) => {
            let everybody = mender.examiner.store.read(Store::people).await?;
            // Another one is published by itself, since it has another name.
            put_if_same(mender, &finding.object, [people::people(&everybody)]).await.map(|_| ())
        }
        Name::Coverage(_) => {
            // The next one may have the same name, and what is there is not put again. Only a restore reads it.
            if let Ok(key) = ObjectKey::new(finding.object.clone()) {
                mender.examiner.bucket.delete(&key, Precondition::Always).await?;
            }
            mender.record(Mended::Relist).await;
            Ok(())
        }
        Name::Index(root, _) => rewrite_index(mender, finding, root).await,
        Name::Shard(root, _) => rewrite_shard(mender, finding, root).await,
        // A month of which nothing is published yet.
        _ => match month_of(&finding.object) {
            Some(month) => {
                mender.record(Mended::Republish { month, forget: Vec::new() }).await;
                Ok(())
            }
            None => Ok(()),
        },
    }
}

async fn rewrite_index(
    mender: &Mender,
    finding: &Finding,
    root: ChannelId,
) -> Result<(), AuditError> {
    let made = mender.examiner.store.read(move |store| {
        let names = store.places()?;
        let name = |id| {
            let row = names.iter().find(|row| row.place.id == id);
            row.map(|row| row.place.name.clone())
        };
        let shards: Vec<ShardsRow> =
            store.channel_shards(root)?.into_iter().map(|(_, row)| row).collect();
        Ok(shard::index(root, &shards, name).1)
    });
    let same = put_if_same(mender, &finding.object, made.await?).await?;
    if !same || matches!(finding.fault, Fault::Unlike { .. }) {
        mender.record(Mended::Reindex(root)).await;
    }
    Ok(())
}

async fn rewrite_shard(
    mender: &Mender,
    finding: &Finding,
    root: ChannelId,
) -> Result<(), AuditError> {
    let Some(month) = month_of(&finding.object).filter(|month| month.root == root) else {
        return Ok(());
    };
    if matches!(finding.fault, Fault::Unlike { .. }) {
        mender.record(Mended::Republish { month, forget: Vec::new() }).await;
        return Ok(());
    }
    let (policy, selection) = (mender.examiner.policy.clone(), mender.examiner.selection.clone());
    let now = mender.examiner.clock.now();
    let made = mender.examiner.store.read(move |store| {
        let places = store.places()?;
        let shown = shown_places(&places, &selection);
        let name = |mention| match mention {
            Mention::Channel(id) => {
                let row = places.iter().find(|row| row.place.id == id);
                row.map(|row| row.place.name.clone())
            }
            Mention::User(_) | Mention::Role(_) => None,
        };
        let is_shown = |entry: &MonthEntry| {
            entry.entry.is_published(&policy, now) && shown.contains(&entry.post.channel)
        };
        let entries: Vec<_> = store.month_entries(month)?.into_iter().filter(is_shown).collect();
        Ok(shard::shards(month, &entries, name))
    });
    let made = made.await?.into_iter().map(|(_, packed)| packed);
    if !put_if_same(mender, &finding.object, made).await? {
        let forget = vec![finding.object.clone()];
        mender.record(Mended::Republish { month, forget }).await;
    }
    Ok(())
}

/// Puts a file over the one that has its name; says whether there was one.
async fn put_if_same(
    mender: &Mender,
    object: &str,
    made: impl IntoIterator<Item = Packed>,
) -> Result<bool, AuditError> {
    let Some(packed) = made.into_iter().find(|packed| packed.path == object) else {
        return Ok(false);
    };
    let key = packed.key();
    mender.examiner.bucket.put(&key, packed.bytes.into(), Precondition::Always).await?;
    Ok(true)
}

/// The month that `messages/<channel>/<YYYY-MM>…` is of.
fn month_of(object: &str) -> Option<Month> {
    let (root, file) = object.strip_prefix("messages/")?.split_once('/')?;
    let first_day = Timestamp::parse(&format!("{}-01T00:00:00Z", file.get(..7)?))?;
    Some(Month { root: root.parse().ok()?, month: first_day.month() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_of_a_shard_is_in_its_name() {
        let month = month_of("messages/12/2024-03-ab.json.gz").unwrap();
        assert_eq!((month.root, month.month.to_string()), (ChannelId(12), "2024-03".to_owned()));
        assert_eq!(month_of("messages/12/2024-03"), Some(month));
        for other in ["messages/12/index-ab.json.gz", "messages/2024-03", "media/12/2024-03"] {
            assert_eq!(month_of(other), None, "{other}");
        }
    }
}
