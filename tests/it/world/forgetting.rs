//! What a person has forgotten in a world, and whether it is: nothing tells of it in any table, any file of the page or
//! any copy, and its bytes are in no bucket. Who and what that is follows from the truth and from what was asked for.

use std::{collections::BTreeSet, io::Read};

use bowerbird::{
    app::Copies,
    bucket::ObjectKey,
    domain::{
        coverage::Span, forget::Forgotten, id::MessageId, job::Subject, removal::Home,
        time::Timestamp,
    },
    store::{Change, Forget, Kv, Word},
};
use bytes::Bytes;
use flate2::read::GzDecoder;

use super::{
    PATIENCE, World,
    cdn::picture_of,
    compare::known_stills,
    truth::{Channel, Post, name_of},
};

/// Tables that name messages which were forgotten: what was deleted, when to look at what is left of it, and the list.
const NAMING: [u8; 3] = [6, 27, 31];

/// What every message says, before its id.
const WORDS: &[u8] = b"words of ";

/// How many digits the ids of messages have that were posted since 2022.
const DIGITS: usize = 19;

/// Whether a message is to be forgotten, by itself, with its author or with its place.
pub(super) fn is_forgotten(
    list: &BTreeSet<Forgotten>,
    channel: &Channel,
    message: MessageId,
    post: &Post,
) -> bool {
    let place = &channel.place;
    let causes = [Forgotten::Message(message), Forgotten::User(post.author)];
    let places = [Some(place.id), place.parent].into_iter().flatten().map(Forgotten::Channel);
    causes.into_iter().chain(places).any(|cause| list.contains(&cause))
}

impl World {
    /// A person asks that something be forgotten. Who was not told that it is asks again.
    pub(super) fn ask_to_forget(&mut self, what: Forgotten) {
        self.forgotten.insert(what);
        self.unanswered.insert(what);
        self.ask_again();
    }

    /// Whoever waits for an answer asks the process that lives now, if one does.
    pub(super) fn ask_again(&mut self) {
        let asked: Vec<_> = self.unanswered.iter().copied().collect();
        let Some(life) = self.life.as_ref().filter(|_| !asked.is_empty()) else { return };
        let Some(service) = &life.service else { return };
        let change: Change = Forget { what: asked, word: Word::Keeper }.into();
        let answered = life.run(async {
            tokio::select! {
                biased;
                _ = life.fate.died() => false,
                _ = service.alarm.rung() => false,
                () = service.ledger.record([change]) => true,
                () = tokio::time::sleep(PATIENCE) => false,
            }
        });
        if answered {
            self.unanswered.clear();
        }
    }

    /// What was put by the process that just died, and is known to nobody.
    pub(super) fn look_for_strays(&mut self) {
        self.look_for_stray_pictures();
        let (store, objects) = (self.store(), self.bucket.objects());
        let state = self.truth.state();
        let stills = known_stills(&state, &store);
        let there = |path: &&String| objects.contains_key(&ObjectKey::new(path.as_str()).unwrap());
        for file in state.files.values() {
            let sha256 = file.sha256();
            let content = store.content(sha256).unwrap();
            let leaves = store.home(Subject::Content(sha256)).unwrap() == Home::Nowhere;
            if content.is_none() && !leaves {
                self.strays.extend(Some(&file.media).filter(there).cloned());
            }
            let unknown = file.still.as_ref().filter(|still| !stills.contains(*still));
            self.strays.extend(unknown.filter(there).cloned());
        }
    }

    /// Pictures of people that the store which was left knows nothing of.
    fn look_for_stray_pictures(&mut self) {
        let store = self.store();
        let people = store.people().unwrap().into_iter();
        let mut known: BTreeSet<_> =
            people.filter_map(|(_, person)| Some(person.copied?.object)).collect();
        let end = Timestamp::from_millis(i64::MAX / 2);
        known.extend(store.garbage(end, usize::MAX).unwrap().into_iter().map(|(_, path)| path));
        let objects = self.bucket.objects().into_keys().map(|key| key.as_str().to_owned());
        let pictures = objects.filter(|path| path.starts_with("userData/avatars/"));
        self.strays.extend(pictures.filter(|path| !known.contains(path)));
    }

    /// Nothing but the page is left, and it alone tells what there is.
    pub(super) fn only_the_page_is_left(&mut self) {
        let named = self.archive().named.clone();
        let objects = self.bucket.objects().into_keys().chain(self.private.objects().into_keys());
        let objects = objects.map(|key| key.as_str().to_owned());
        self.strays.extend(objects.filter(|path| !named.contains(path)));
    }

    /// Whether all that was to be forgotten is, as far as the archive knows.
    pub(super) fn has_forgotten(&self) -> bool {
        let store = self.store();
        self.forgotten.is_empty()
            || self.unanswered.is_empty()
                && !store.is_erasing().unwrap()
                && store.purge().unwrap().is_none()
                && (self.copies == Copies::None || store.erased().unwrap().is_none())
    }

    /// The ids of what is to be forgotten.
    pub(super) fn forgotten_messages(&self) -> BTreeSet<String> {
        let state = self.truth.state();
        let posts = state.posts();
        posts
            .filter(|(id, post, channel)| is_forgotten(&self.forgotten, channel, *id, post))
            .map(|(id, ..)| id.to_string())
            .collect()
    }

    /// Nothing is left of what was to be forgotten.
    #[track_caller]
    pub(super) fn assert_forgotten(&self) {
        if self.forgotten.is_empty() {
            return;
        }
        assert!(self.unanswered.is_empty(), "nobody was told that {:?} is", self.unanswered);
        let forgotten = self.forgotten_messages();
        let names: Vec<_> = self
            .forgotten
            .iter()
            .filter_map(|what| match what {
                Forgotten::User(user) => Some(name_of(*user)),
                _ => None,
            })
            .collect();
        let tells = |bytes: &[u8]| {
            let told = words_in(bytes).find(|id| forgotten.contains(id));
            told.or_else(|| names.iter().find(|name| holds(bytes, name.as_bytes())).cloned())
        };
        let ids: Vec<_> = forgotten
            .iter()
            .map(|id| id.parse::<u64>().expect("it was a number").to_be_bytes())
            .collect();
        for (key, row) in self.kv.scan(&[0], &[255], usize::MAX).unwrap() {
            let named = !NAMING.contains(&key[0]) && ids.iter().any(|id| holds(&key, id));
            assert!(!named, "a row of table {} is of something forgotten: {key:?}", key[0]);
            assert_eq!(tells(&row), None, "table {} tells of something forgotten", key[0]);
        }
        let state = self.truth.state();
        for (id, _, channel) in state.posts().filter(|(id, ..)| forgotten.contains(&id.to_string()))
        {
            assert_eq!(self.store().raw(id).unwrap(), None, "message {id} was to be forgotten");
            let whole = Span::new(id, id).expect("one message is a span");
            let kept = self.store().kept(channel.place.id, whole).unwrap();
            assert!(kept.is_empty(), "message {id} was to be forgotten");
        }
        drop(state);
        let (public, private) = (self.bucket.objects(), self.private.objects());
        for (path, bytes) in public.iter().chain(&private) {
            assert_eq!(tells(&unpacked(path, bytes)), None, "{path} tells of something forgotten");
        }
        let left = self.forgotten_bytes();
        for (path, bytes) in public.iter().chain(&private) {
            let stray = self.strays.contains(path.as_str());
            assert!(stray || !left.contains(bytes), "{path} was to be forgotten");
        }
    }

    /// The bytes of what is to be forgotten, but for those that somebody else posted too.
    fn forgotten_bytes(&self) -> BTreeSet<Bytes> {
        let state = self.truth.state();
        let (mut gone, mut stay) = (BTreeSet::new(), BTreeSet::new());
        for (id, post, channel) in state.posts() {
            let side = if is_forgotten(&self.forgotten, channel, id, post) {
                &mut gone
            } else {
                &mut stay
            };
            for file in post.versions.iter().flat_map(|version| &version.files) {
                side.insert(state.files[file].bytes.clone());
            }
        }
        for what in &self.forgotten {
            if let Forgotten::User(user) = what {
                gone.insert(picture_of(&format!("https://pictures/avatars/{user}/a{user}.png")));
            }
        }
        // An empty file is nobody's.
        gone.retain(|bytes| !bytes.is_empty() && !stay.contains(bytes));
        gone
    }
}

/// The messages whose words stand in some bytes.
fn words_in(bytes: &[u8]) -> impl Iterator<Item = String> {
    let found = bytes.windows(WORDS.len() + DIGITS).filter(|some| some.starts_with(WORDS));
    found.map(|some| String::from_utf8_lossy(&some[WORDS.len()..]).into_owned())
}

fn holds(bytes: &[u8], some: &[u8]) -> bool {
    bytes.windows(some.len()).any(|these| these == some)
}

/// What an object says, whatever it is packed with.
fn unpacked(path: &ObjectKey, bytes: &Bytes) -> Vec<u8> {
    let extension = path.as_str().rsplit('.').next();
    match extension {
        Some("gz") => {
            let mut plain = Vec::new();
            GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            plain
        }
        Some("zst") => zstd::decode_all(&bytes[..]).unwrap(),
        _ => bytes.to_vec(),
    }
}
