//! Another mode or other kinds than before: the archive follows, from what the store knows.

use super::*;

/// Waits until the page is one of this mode and shows what it should.
async fn until_shown(rig: &Rig, media: &str, shown: impl Fn(&Archive) -> bool) -> Archive {
    rig.until_published(&format!("the archive is one of {media}"), |archive| {
        archive.manifest["media"] == media && shown(archive)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mode_changes_and_nothing_is_lost() {
    let Linked { mut rig, clips, .. } = Linked::new(Refresh::Works).await;
    let wanted: BTreeSet<String> =
        crate::rig::expected(rig.world(), &Selected::default()).into_keys().collect();
    let all = |archive: &Archive| wanted.iter().eq(archive.entries.keys());

    rig.set("MEDIA", "copy");
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    let media: BTreeSet<String> = rig.bucket.names();
    let media: BTreeSet<&String> = media.iter().filter(|name| name.starts_with("media/")).collect();
    let downloads = rig.stats().total_downloads();
    // The next mode finds nothing but dead links.
    let newest = rig.published().await.unwrap();
    let dead = newest.entries.values().map(|entry| entry["Expire_Timestamp"].as_u64().unwrap());
    let dead = UNIX_EPOCH + Duration::from_secs(dead.max().unwrap());
    until("the links are dead", async || (SystemTime::now() > dead).then_some(())).await;

    rig.set("MEDIA", "link");
    let service = rig.spawn::<&str>(&[]);
    // From the first publication in this mode on, every link lives.
    let first = until_shown(&rig, "link", |_| true).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert_alive(&first, now);
    until_shown(&rig, "link", all).await;
    let posted = rig.world().post(
        clips,
        NewMessage::text("linked").attach(NewAttachment::new("linked.bin", b"linked".as_slice())),
    );
    until_shown(&rig, "link", |archive| archive.of_message(&posted).len() == 1).await;
    assert_eq!(service.drained().await.code, Some(0));
    let names = rig.bucket.names();
    let kept: BTreeSet<&String> = names.iter().filter(|name| name.starts_with("media/")).collect();
    assert_eq!(kept, media, "nothing is copied, and what was copied stays");

    rig.set("MEDIA", "copy");
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    assert_eq!(rig.stats().total_downloads(), downloads + 1, "only what was never copied is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_kinds_are_copied_without_reading_history_again() {
    let Linked { mut rig, .. } = Linked::new(Refresh::Works).await;
    rig.set("MEDIA", "copy");
    rig.set("MEDIA_KINDS", "audio");
    rig.succeed(&["fetch"]).await;
    let few = rig.published().await.unwrap();
    assert!(few.entries.values().all(|entry| entry["Kind"] == "audio"));
    let read = rig.stats().requests_to("list_messages");
    let before = few.entries.len();

    rig.set("MEDIA_KINDS", "video,image,audio,file");
    rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    let places = rig.world().places().len();
    let read_again = rig.stats().requests_to("list_messages") - read;
    println!("{before} entries, then all of them by {read_again} more pages of {places} places");
    // Each place is asked for what is new, which takes the one page that also shows that nothing is.
    assert!(read_again <= places.try_into().unwrap(), "history was read again: {read_again} pages");
    assert!(read_again < read, "{read_again} pages after {read}");
}
