//! A bucket that fails as networks do, from a seed that its test prints.
//!
//! Used by tests alone, below the retry decorator: what passes through both is what a bad day looks like.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::bucket::checked::{Promise, checked};
use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Listing, Object, ObjectInfo, ObjectKey, PageToken,
    Precondition,
};

/// Long enough for another task to come first, short enough to be met a thousand times in a test.
const SLOW: Duration = Duration::from_millis(5);

/// What it calls itself in errors.
const NAME: &str = "the flaky bucket";

/// A bucket that fails now and then.
#[derive(Clone, Debug)]
pub struct FlakyBucket {
    inner: Arc<dyn Bucket>,
    weather: Arc<Mutex<Weather>>,
}

#[derive(Debug)]
struct Weather {
    faults: Faults,
    dice: StdRng,
}

/// How often each thing goes wrong, as a probability between 0 and 1.
///
/// Tried in this order with one throw of the dice, so their sum is how often anything does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The call fails and had no effect.
    pub refused: f64,
    /// The call took effect and its answer was lost.
    pub answer_lost: f64,
    /// The call has no effect and never ends.
    pub hung: f64,
    /// The call takes its time.
    pub slow: f64,
    /// What is read ends early.
    pub cut: f64,
    /// There is no room.
    pub full: f64,
    /// The permission was withdrawn.
    pub denied: f64,
}

enum Fault {
    Refused,
    AnswerLost,
    Hung,
    Slow,
    Cut,
    Full,
    Denied,
}

impl Faults {
    /// A bit of everything that passes: about every third call goes wrong.
    pub fn weather() -> Self {
        Self { refused: 0.1, answer_lost: 0.1, hung: 0.01, slow: 0.05, cut: 0.1, ..Self::default() }
    }
}

impl FlakyBucket {
    /// Makes a bucket unreliable; the same seed and the same calls give the same faults.
    pub fn new(inner: Arc<dyn Bucket>, faults: Faults, seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed);
        Self { inner, weather: Arc::new(Mutex::new(Weather { faults, dice })) }
    }

    /// Changes the weather from the next call on, for this bucket and its clones.
    pub fn set_faults(&self, faults: Faults) {
        self.weather().faults = faults;
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().expect("rolling dice does not panic")
    }

    fn throw(&self) -> Option<Fault> {
        let mut weather = self.weather();
        let mut left: f64 = weather.dice.random();
        let Faults { refused, answer_lost, hung, slow, cut, full, denied } = weather.faults;
        for (probability, fault) in [
            (refused, Fault::Refused),
            (answer_lost, Fault::AnswerLost),
            (hung, Fault::Hung),
            (slow, Fault::Slow),
            (cut, Fault::Cut),
            (full, Fault::Full),
            (denied, Fault::Denied),
        ] {
            if left < probability {
                return Some(fault);
            }
            left -= probability;
        }
        None
    }

    /// Makes a call that cannot be cut, or half makes it.
    async fn mistreat<T>(
        &self,
        call: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        match self.throw() {
            Some(Fault::Refused) => Err(lost("refused")),
            Some(Fault::AnswerLost) => call.await.and_then(|_| Err(lost("answer lost"))),
            Some(Fault::Hung) => std::future::pending().await,
            Some(Fault::Full) => Err(BucketError::Full { bucket: NAME.to_owned() }),
            Some(Fault::Denied) => Err(BucketError::Denied {
                bucket: NAME.to_owned(),
                action: "do anything",
                remedy: "wait for the weather to change".to_owned(),
                source: None,
            }),
            Some(Fault::Slow) => {
                tokio::time::sleep(SLOW).await;
                call.await
            }
            Some(Fault::Cut) | None => call.await,
        }
    }

    fn cut(&self, object: Object) -> Object {
        let len = object.range.end - object.range.start;
        let mut left = self.weather().dice.random_range(0..=len);
        let promise = Promise { key: object.info.key.clone(), len, crc32c: None };
        let chunks = object.body.scan((), move |(), chunk| {
            let chunk = chunk.map(|mut chunk| {
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= chunk.len() as u64;
                chunk
            });
            let is_end = chunk.as_ref().is_ok_and(bytes::Bytes::is_empty);
            std::future::ready((!is_end).then_some(chunk))
        });
        Object { body: checked(chunks, promise), ..object }
    }
}

#[async_trait]
impl Bucket for FlakyBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        self.mistreat(self.inner.put(key, body, when)).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let object = self.mistreat(self.inner.get(key, range)).await?;
        match self.throw() {
            Some(Fault::Cut) => Ok(self.cut(object)),
            _ => Ok(object),
        }
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        self.mistreat(self.inner.stat(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        self.mistreat(self.inner.list(prefix, page, limit)).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        self.mistreat(self.inner.delete(key, when)).await
    }
}

fn lost(why: &'static str) -> BucketError {
    BucketError::Unavailable {
        action: "reach a flaky bucket",
        retry_after: None,
        source: why.into(),
    }
}
