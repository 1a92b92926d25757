//! A bucket that fails as networks do, from a seed that its test prints.
//!
//! Used by tests alone, below the retry decorator: what passes through both is what a bad day looks like. What becomes
//! of a call follows from the seed, the call and how often it was made before, so the order in which tasks come to run
//! changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
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

/// How long a busy bucket asks to be left alone.
const BUSY: Duration = Duration::from_secs(2);

/// How long whoever gave up had waited for an answer.
const WAITED: Duration = Duration::from_secs(30);

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
    seed: u64,
    /// How often each call was made.
    calls: HashMap<u64, u32>,
    met: BTreeMap<&'static str, u64>,
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
    /// How long a busy bucket asks to be left alone; two seconds when none.
    pub busy_for: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    Down,
    NoAnswer,
    AnswerLost,
    Hung,
    Slow,
    Cut,
    Full,
    Denied,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Busy => "429",
            Self::Down => "503",
            Self::NoAnswer => "no answer",
            Self::AnswerLost => "answer lost",
            Self::Hung => "hung",
            Self::Slow => "slow",
            Self::Cut => "cut",
            Self::Full => "full",
            Self::Denied => "denied",
        }
    }
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
        let weather = Weather { faults, seed, calls: HashMap::new(), met: BTreeMap::new() };
        Self { inner, weather: Arc::new(Mutex::new(weather)) }
    }

    /// Changes the weather from the next call on, for this bucket and its clones.
    pub fn set_faults(&self, faults: Faults) {
        self.weather().faults = faults;
    }

    /// How often each fault was met so far.
    pub fn met(&self) -> BTreeMap<&'static str, u64> {
        self.weather().met.clone()
    }

    fn busy_for(&self) -> Duration {
        self.weather().faults.busy_for.unwrap_or(BUSY)
    }

    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().expect("rolling dice does not panic")
    }

    /// Makes a call that cannot be cut, or half makes it.
    async fn mistreat<T>(
        &self,
        fault: Option<Fault>,
        call: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        match fault {
            Some(Fault::Busy) => Err(unavailable("429", Some(self.busy_for()))),
            Some(Fault::Down) => Err(unavailable("503", None)),
            Some(Fault::NoAnswer) => Err(timeout()),
            Some(Fault::AnswerLost) => call.await.and(Err(timeout())),
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
        let mut dice = self.weather().dice("cut", object.info.key.as_str());
        let mut left = dice.random_range(0..=len);
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
        let fault = self.weather().throw("put", key.as_str());
        self.mistreat(fault, self.inner.put(key, body, when)).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let fault = self.weather().throw("get", key.as_str());
        let is_cut = fault == Some(Fault::Cut);
        let object = self.mistreat(fault, self.inner.get(key, range)).await?;
        Ok(if is_cut { self.cut(object) } else { object })
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let fault = self.weather().throw("stat", key.as_str());
        self.mistreat(fault, self.inner.stat(key)).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let fault = self.weather().throw("list", prefix);
        self.mistreat(fault, self.inner.list(prefix, page, limit)).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let fault = self.weather().throw("delete", key.as_str());
        self.mistreat(fault, self.inner.delete(key, when)).await
    }
}

impl Weather {
    /// Other dice for each call, and each time it is made.
    fn dice(&mut self, call: &str, about: &str) -> StdRng {
        let call = hash(&(self.seed, call, about));
        let times = self.calls.entry(call).or_default();
        *times += 1;
        StdRng::seed_from_u64(hash(&(call, *times)))
    }

    fn throw(&mut self, call: &str, about: &str) -> Option<Fault> {
        let mut dice = self.dice(call, about);
        let mut left: f64 = dice.random();
        let Faults { refused, answer_lost, hung, slow, cut, full, denied, .. } = self.faults;
        let refusal = [Fault::Busy, Fault::Down, Fault::NoAnswer][dice.random_range(0..3)];
        let (_, fault) = [
            (refused, refusal),
            (answer_lost, Fault::AnswerLost),
            (hung, Fault::Hung),
            (slow, Fault::Slow),
            // Only what is read can end early.
            (if call == "get" { cut } else { 0.0 }, Fault::Cut),
            (full, Fault::Full),
            (denied, Fault::Denied),
        ]
        .into_iter()
        .find(|(probability, _)| {
            left -= probability;
            left < 0.0
        })?;
        *self.met.entry(fault.name()).or_default() += 1;
        Some(fault)
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn unavailable(why: &'static str, retry_after: Option<Duration>) -> BucketError {
    BucketError::Unavailable { action: "reach a flaky bucket", retry_after, source: why.into() }
}

fn timeout() -> BucketError {
    BucketError::Timeout { action: "reach a flaky bucket", after: WAITED }
}
