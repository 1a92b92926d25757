//! Forgetting people and places: nothing of them is left in the bucket or in the store, whoever dies meanwhile, nothing
//! of anybody else is missing, and none of it comes back.

use std::{sync::Arc, time::Duration};

use bowerbird::{
    domain::{
        forget::Forgotten,
        id::{ChannelId, MessageId, RoleId, UserId},
        place::Place,
        removal::RemovalPolicy,
        selection::{MediaMode, Policy},
    },
    store::{Allow, Change, Context, Forget, Kv, Word},
};

use super::{
    PATIENCE, World, compare,
    fate::Step,
    file::Sort,
    life::Ran,
    truth::{GUILD, Post, name_of},
};

fn forget(what: Forgotten) -> Change {
    Forget { what: vec![what], word: Word::Keeper }.into()
}

/// Written down by the process that lives, or where none does, as if one had died right after it.
fn write(world: &World, change: Change) {
    if let Some(service) = world.life.as_ref().and_then(|life| life.service.as_ref()) {
        return world.life().run(service.ledger.record([change]));
    }
    let policy = Policy {
        selection: world.selection.clone(),
        mode: MediaMode::Copy,
        publish_every: Duration::from_mins(1),
        removal: RemovalPolicy::default(),
    };
    let store = world.store();
    let mut commit = store.begin(Context { now: world.truth.now(), policy: Arc::new(policy) });
    commit.add(&change).unwrap();
    commit.finish().unwrap();
}

fn is_over(world: &World) -> bool {
    let store = world.store();
    !store.is_erasing().unwrap()
        && store.purge().unwrap().is_none()
        && store.changed_months().unwrap().is_empty()
        && store.changed_people(1).unwrap().is_empty()
}

#[track_caller]
fn run_until_over(world: &World) {
    let ran =
        world.life().run_until(PATIENCE, |service| is_over(world) && service.is_done().unwrap());
    assert_eq!(ran, Ran::On);
    assert!(is_over(world), "still erasing after hours");
}

/// Who and what is forgotten in a world.
struct Lost<'a> {
    author: Option<UserId>,
    channel: Option<ChannelId>,
    world: &'a World,
}

impl Lost<'_> {
    fn holds(&self, place: &Place, post: &Post) -> bool {
        let is_lost = |place| self.channel.is_some() && self.channel == place;
        Some(post.author) == self.author || is_lost(Some(place.id)) || is_lost(place.parent)
    }

    /// Nothing of it is anywhere, and everything else is where it was.
    #[track_caller]
    fn check(&self) {
        let Self { author, world, .. } = self;
        let (archive, objects) = (world.archive(), world.bucket.objects());
        let state = world.truth.state();
        let mut excused = Vec::new();
        let others = state.channels.values().flat_map(|channel| {
            let stays = |post: &&Post| !self.holds(&channel.place, post);
            channel.posts.values().filter(stays).collect::<Vec<_>>()
        });
        let shared: Vec<_> = others
            .flat_map(|post| &post.current().files)
            .map(|file| state.files[file].bytes.clone())
            .collect();
        for channel in state.channels.values() {
            for (id, post) in &channel.posts {
                if !self.holds(&channel.place, post) {
                    continue;
                }
                excused.push(format!("message {id} "));
                let there = archive.entries.keys().find(|key| key.starts_with(&id.to_string()));
                assert_eq!(there, None, "it was to be forgotten");
                for file in post.versions.iter().flat_map(|version| &version.files) {
                    let bytes = &state.files[file].bytes;
                    if shared.contains(bytes) {
                        continue;
                    }
                    let found = objects.iter().find(|(_, object)| *object == bytes);
                    assert!(found.is_none(), "{:?} is still there", found.map(|(key, _)| key));
                }
            }
        }
        assert!(!excused.is_empty(), "the test forgets nothing");
        let claims =
            compare::false_claims(&state, &world.store(), &world.wanted_sorts(), &world.forgotten);
        let ids: Vec<_> = excused.iter().map(|line| line.replace("message", "at")).collect();
        let claims: Vec<_> = claims
            .into_iter()
            .map(|claim| claim.replace(',', " "))
            .filter(|claim| !ids.iter().any(|id| claim.contains(id.as_str())))
            .collect();
        assert!(claims.is_empty(), "{claims:#?}");
        let differences = world.comparison(&state, &archive).differences();
        let differences: Vec<_> = differences
            .into_iter()
            .filter(|line| !excused.iter().any(|start| line.starts_with(start)))
            .collect();
        assert!(differences.is_empty(), "{differences:#?}");
        let unreferenced = compare::unreferenced(
            world.bereft,
            &world.forgotten,
            &state,
            &archive,
            &world.store(),
            &objects,
        );
        assert!(unreferenced.is_empty(), "nothing leads to {unreferenced:#?}");
        let Some(author) = author else { return };
        assert!(!archive.people.contains_key(&author.to_string()));
        let name = name_of(*author);
        let everything = world.kv.scan(&[0], &[255], usize::MAX).unwrap();
        let named = |bytes: &[u8]| bytes.windows(name.len()).any(|some| some == name.as_bytes());
        let row = everything.iter().find(|(_, row)| named(row));
        assert_eq!(row, None, "the catalogue knows {name}");
    }
}

/// Others post too, whose files are to stay.
fn others_post(world: &World, channel: ChannelId) {
    for user in 591..=594 {
        world.truth.post_by(Some(UserId(user)), channel, &[Sort::Film]);
        world.truth.post_by(Some(UserId(user)), channel, &[Sort::Meme]);
    }
}

fn author_of(world: &World, channel: ChannelId, message: MessageId) -> UserId {
    world.truth.state().channels[&channel].posts[&message].author
}

#[test]
fn a_person_who_is_forgotten_leaves_no_trace_and_does_not_come_back() {
    let mut world = World::new(1).messages(120);
    let channel = world.channel();
    let message = world.truth.post(channel, &[Sort::Film, Sort::Meme]);
    let author = author_of(&world, channel, message);
    others_post(&world, channel);
    world.start();
    world.run_until_idle();
    assert!(world.archive().people.contains_key(&author.to_string()));
    write(&world, forget(Forgotten::User(author)));
    run_until_over(&world);
    let lost = Lost { author: Some(author), channel: None, world: &world };
    lost.check();
    // What they post later, seen live or in history, is no different.
    for _ in 0..12 {
        world.truth.post(channel, &[Sort::Film]);
        world.run_for(Duration::from_mins(1));
    }
    run_until_over(&world);
    lost.check();
    write(&world, Allow { what: vec![Forgotten::User(author)] }.into());
    let back = world.truth.post_by(Some(author), channel, &[Sort::Film]);
    world.run_for(Duration::from_mins(5));
    let archive = world.archive();
    assert!(archive.entries.keys().any(|key| key.starts_with(&back.to_string())));
}

#[test]
fn whoever_dies_while_something_is_erased_it_is_erased() {
    let steps = [
        (Step::Commit, 2),
        (Step::Flush, 3),
        (Step::Flushed, 3),
        (Step::Put, 1),
        (Step::PutDone, 2),
        (Step::Manifest, 1),
        (Step::ManifestDone, 1),
        (Step::Delete, 1),
        (Step::Delete, 7),
        (Step::Commit, 6),
    ];
    for (step, time) in steps {
        let mut world = World::new(7).messages(90);
        let channel = world.channel();
        let message = world.truth.post(channel, &[Sort::Film]);
        let author = author_of(&world, channel, message);
        others_post(&world, channel);
        world.start();
        world.run_until_idle();
        world.crash();
        write(&world, forget(Forgotten::User(author)));
        world.kv.flush().unwrap();
        world.crash_at(step, time);
        world.start();
        assert_eq!(world.run_for(PATIENCE), Ran::Died(step), "{step:?} {time}");
        // Nothing is named that is not there.
        world.archive();
        world.restart();
        run_until_over(&world);
        Lost { author: Some(author), channel: None, world: &world }.check();
        world.drain();
    }
}

#[test]
fn a_channel_that_is_forgotten_is_read_no_more() {
    let mut world = World::new(3).messages(60);
    let secret = world.truth.add_channel("secret");
    for _ in 0..40 {
        world.truth.post(secret, &[Sort::Film]);
    }
    world.start();
    world.run_until_idle();
    write(&world, forget(Forgotten::Channel(secret)));
    run_until_over(&world);
    let lost = Lost { author: None, channel: Some(secret), world: &world };
    lost.check();
    let manifest = String::from_utf8(
        world.bucket.objects()
            [&bowerbird::bucket::ObjectKey::new("messages/manifest.json").unwrap()]
            .to_vec(),
    )
    .unwrap();
    assert!(!manifest.contains("secret"), "{manifest}");
    world.truth.post(secret, &[Sort::Film]);
    let thread = world.truth.add_thread(secret, "below");
    world.truth.post(thread, &[Sort::Film]);
    let read = |world: &World| world.requests.lock().unwrap().get("messages").copied();
    let before = read(&world);
    world.run_for(Duration::from_hours(3));
    assert_eq!(read(&world), before, "a forgotten channel was read");
    lost.check();
    assert!(world.store().places().unwrap().iter().all(|row| row.place.id != thread));
}

#[test]
fn files_that_are_on_their_way_when_they_are_forgotten_do_not_stay() {
    for seconds in [1, 3, 6, 9, 14] {
        let mut world = World::new(seconds).messages(0);
        let channel = world.channel();
        for _ in 0..60 {
            world.truth.post(channel, &[Sort::Film]);
        }
        world.start();
        world.run_for(Duration::from_secs(seconds));
        write(&world, forget(Forgotten::Guild(GUILD)));
        world.run_for(Duration::from_mins(10));
        assert!(is_over(&world));
        assert!(world.archive().entries.is_empty());
        let left: Vec<_> = world.bucket.objects().into_keys().collect();
        let media = left.iter().filter(|key| {
            ["media/", "thumb/", "userData/avatars/"].iter().any(|f| key.as_str().starts_with(f))
        });
        assert_eq!(media.collect::<Vec<_>>(), Vec::<&bowerbird::bucket::ObjectKey>::new());
        world.drain();
    }
}

/// The role that says: not me.
const NOT_ME: RoleId = RoleId(77);

fn takes_role(world: &World, user: UserId, roles: &[RoleId]) {
    world.truth.state().roles.insert(user, roles.iter().copied().collect());
}

#[test]
fn who_has_the_role_is_never_archived() {
    let mut world = World::new(4).messages(150);
    let channel = world.channel();
    let message = world.truth.post(channel, &[Sort::Film]);
    let author = author_of(&world, channel, message);
    world.opt_out_roles.insert(NOT_ME);
    takes_role(&world, author, &[RoleId(1), NOT_ME]);
    world.start();
    let names = |world: &World| world.archive().people.contains_key(&author.to_string());
    for _ in 0..40 {
        world.truth.post(channel, &[Sort::Film]);
        world.run_for(Duration::from_secs(10));
        assert!(!names(&world));
    }
    run_until_over(&world);
    Lost { author: Some(author), channel: None, world: &world }.check();
    let asked = world.requests.lock().unwrap()["member_roles"];
    assert!(asked <= 4, "four people were asked about {asked} times");
}

#[test]
fn who_takes_the_role_leaves_within_a_day_or_with_the_next_message() {
    for posts_again in [false, true] {
        let mut world = World::new(5).messages(60);
        let channel = world.channel();
        let message = world.truth.post(channel, &[Sort::Film]);
        let author = author_of(&world, channel, message);
        world.opt_out_roles.insert(NOT_ME);
        world.start();
        world.run_until_idle();
        takes_role(&world, author, &[NOT_ME]);
        if posts_again {
            world.truth.post_by(Some(author), channel, &[Sort::Film]);
            world.run_for(Duration::from_mins(3));
        } else {
            world.run_for(Duration::from_hours(25));
        }
        run_until_over(&world);
        Lost { author: Some(author), channel: None, world: &world }.check();
        // And whoever gives it back is archived from then on.
        takes_role(&world, author, &[]);
        world.run_for(Duration::from_hours(25));
        let back = world.truth.post_by(Some(author), channel, &[Sort::Film]).to_string();
        world.run_for(Duration::from_mins(5));
        let archive = world.archive();
        let theirs =
            archive.entries.values().filter(|entry| entry["posterId"] == author.to_string());
        let theirs: Vec<_> = theirs.map(|entry| entry["Discord_id"].as_str().unwrap()).collect();
        assert_eq!(theirs, [&*back]);
    }
}
