//! A bucket that tries again: the one place where that is decided.
//!
//! Wrapped around every real bucket by `app`, so no actor ever loops over a call.
//! A call that was given up may still take effect; whoever repeats it later meets its own object, never half of one.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tracing::debug;

use crate::bucket::checked::{Promise, checked};
use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Crc32c, Generation, Listing, Object, ObjectInfo,
    ObjectKey, ObjectStream, PageToken, Precondition,
};

/// A bucket whose transient errors are met with patience.
#[derive(Clone, Debug)]
pub struct RetryBucket {
    inner: Arc<dyn Bucket>,
    patience: Arc<Patience>,
}

/// How often, how long and how patiently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times a call is made before its error is believed.
    pub attempts: NonZeroU32,
    /// The longest pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// No pause is longer, whatever was asked for: the caller has better things to do than to wait.
    pub longest_pause: Duration,
    /// How long an answer may take that carries no bytes, and the next piece of one that does.
    pub answer_within: Duration,
    /// How many bytes a second are too few; a body gets its share of time on top.
    pub slowest: NonZeroU32,
}

impl Default for RetryPolicy {
    /// About two minutes at worst, the time that Google's own clients give an outage.
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::new(8).expect("eight is not zero"),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            answer_within: Duration::from_secs(30),
            // A home connection's upload, shared by four transfers, is faster.
            slowest: NonZeroU32::new(64 * 1024).expect("64 KiB is not zero"),
        }
    }
}

impl RetryBucket {
    /// Puts patience around a bucket.
    pub fn new(inner: Arc<dyn Bucket>, policy: RetryPolicy) -> Self {
        Self::seeded(inner, policy, rand::rng().random())
    }

    /// The same with pauses that follow from a seed, so that a schedule can be replayed.
    pub fn seeded(inner: Arc<dyn Bucket>, policy: RetryPolicy, seed: u64) -> Self {
        let jitter = Mutex::new(StdRng::seed_from_u64(seed));
        Self { inner, patience: Arc::new(Patience { policy, jitter }) }
    }

    /// After a put whose answer was lost, a refusal may be caused by our own object.
    async fn settled(
        &self,
        key: &ObjectKey,
        size: u64,
        crc32c: Crc32c,
    ) -> Result<Option<ObjectInfo>, BucketError> {
        let Some(there) = self.stat(key).await? else { return Ok(None) };
        if there.size != size {
            return Ok(None);
        }
        let found = match there.crc32c {
            Some(found) => found,
            None => self.checksum(key, there.generation).await?,
        };
        Ok((found == crc32c).then_some(ObjectInfo { crc32c: Some(found), ..there }))
    }

    async fn checksum(
        &self,
        key: &ObjectKey,
        generation: Generation,
    ) -> Result<Crc32c, BucketError> {
        let mut object = self.get(key, None).await?;
        if object.info.generation != generation {
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        let mut crc32c = Crc32c::of(b"");
        while let Some(chunk) = object.body.next().await {
            crc32c = crc32c.append(&chunk?);
        }
        Ok(crc32c)
    }
}

#[async_trait]
impl Bucket for RetryBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let size = body.len();
        let mut tries = self.patience.begin("put an object", size);
        loop {
            let refusal = match tries.run(self.inner.put(key, body.clone(), when)).await {
                Verdict::Done(result) => match result {
                    Err(refusal @ BucketError::PreconditionFailed { .. }) => refusal,
                    result => return result,
                },
                Verdict::Again => continue,
            };
            if tries.made == 1 {
                return Err(refusal);
            }
            return match self.settled(key, size, body.crc32c()).await? {
                Some(ours) => Ok(ours),
                None => Err(refusal),
            };
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let mut tries = self.patience.begin("open an object", 0);
        loop {
            if let Verdict::Done(result) = tries.run(self.inner.get(key, range)).await {
                return result.map(|object| self.resuming(object));
            }
        }
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let mut tries = self.patience.begin("look at an object", 0);
        loop {
            if let Verdict::Done(result) = tries.run(self.inner.stat(key)).await {
                return result;
            }
        }
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let mut tries = self.patience.begin("list objects", 0);
        loop {
            let list = self.inner.list(prefix, page.clone(), limit);
            if let Verdict::Done(result) = tries.run(list).await {
                return result;
            }
        }
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let mut tries = self.patience.begin("delete an object", 0);
        loop {
            if let Verdict::Done(result) = tries.run(self.inner.delete(key, when)).await {
                return result;
            }
        }
    }
}

impl RetryBucket {
    /// Goes on where a broken stream ended, as long as the object is the one that was opened.
    fn resuming(&self, object: Object) -> Object {
        let whole = object.range == (0..object.info.size);
        let promise = Promise {
            key: object.info.key.clone(),
            len: object.range.end - object.range.start,
            crc32c: object.info.crc32c.filter(|_| whole),
        };
        let reading = Reading {
            bucket: self.clone(),
            info: object.info.clone(),
            rest: object.range.clone(),
            body: object.body,
            tries: self.patience.begin("read an object", 0),
        };
        let chunks = stream::try_unfold(reading, |mut reading| async move {
            let chunk = reading.next().await?;
            Ok(chunk.map(|chunk| (chunk, reading)))
        });
        Object { body: checked(chunks, promise), ..object }
    }
}

/// An object of which a part was read.
struct Reading {
    bucket: RetryBucket,
    info: ObjectInfo,
    rest: std::ops::Range<u64>,
    body: ObjectStream,
    tries: Tries,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, BucketError> {
        loop {
            let body = &mut self.body;
            let piece = async { body.next().await.transpose() };
            match self.tries.run(piece).await {
                Verdict::Done(Ok(Some(chunk))) => {
                    // Only a stream that does not move is given up.
                    self.tries.made = 0;
                    self.rest.start += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Verdict::Done(result) => return result,
                Verdict::Again if self.rest.is_empty() => return Ok(None),
                Verdict::Again => self.reopen().await?,
            }
        }
    }

    async fn reopen(&mut self) -> Result<(), BucketError> {
        let range = ByteRange { start: self.rest.start, end: Some(self.rest.end) };
        let mut tries = self.bucket.patience.begin("open an object again", 0);
        let object = loop {
            let get = self.bucket.inner.get(&self.info.key, Some(range));
            if let Verdict::Done(result) = tries.run(get).await {
                break result?;
            }
        };
        if object.info.generation != self.info.generation {
            return Err(BucketError::PreconditionFailed { key: self.info.key.clone() });
        }
        self.body = object.body;
        Ok(())
    }
}

/// A policy and the dice that go with it.
#[derive(Debug)]
struct Patience {
    policy: RetryPolicy,
    jitter: Mutex<StdRng>,
}

/// The attempts at one call.
struct Tries {
    patience: Arc<Patience>,
    action: &'static str,
    answer_within: Duration,
    made: u32,
}

enum Verdict<T> {
    /// This is the result, good or bad.
    Done(Result<T, BucketError>),
    /// It failed, we waited, it may be made again.
    Again,
}

impl Patience {
    fn begin(self: &Arc<Self>, action: &'static str, len: u64) -> Tries {
        let transfer = Duration::from_secs(len / u64::from(self.policy.slowest.get()));
        let answer_within = self.policy.answer_within + transfer;
        Tries { patience: Arc::clone(self), action, answer_within, made: 0 }
    }

    /// How long to wait after this many attempts, `None` to give up.
    fn pause(&self, made: u32, error: &BucketError) -> Option<Duration> {
        if made >= self.policy.attempts.get() || !error.is_transient() {
            return None;
        }
        let asked = error.retry_after().unwrap_or_default();
        if asked > self.policy.longest_pause {
            return None;
        }
        let longest = self
            .policy
            .first_pause
            .saturating_mul(2_u32.saturating_pow(made.saturating_sub(1)))
            .min(self.policy.longest_pause);
        // Full jitter: those who failed together shall not come back together.
        let mut jitter = self.jitter.lock().expect("rolling dice does not panic");
        Some(asked.max(jitter.random_range(Duration::ZERO..=longest)))
    }
}

impl Tries {
    async fn run<T>(&mut self, call: impl Future<Output = Result<T, BucketError>>) -> Verdict<T> {
        self.made += 1;
        let after = self.answer_within;
        let error = match tokio::time::timeout(after, call).await {
            Ok(Ok(value)) => return Verdict::Done(Ok(value)),
            Ok(Err(error)) => error,
            Err(_) => BucketError::Timeout { action: self.action, after },
        };
        let Some(pause) = self.patience.pause(self.made, &error) else {
            return Verdict::Done(Err(error));
        };
        debug!(action = self.action, attempt = self.made, ?pause, %error, "trying again");
        tokio::time::sleep(pause).await;
        Verdict::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::{Faults, FlakyBucket, MemoryBucket};

    const SECOND: Duration = Duration::from_secs(1);

    fn unavailable(retry_after: Option<Duration>) -> BucketError {
        BucketError::Unavailable { action: "put an object", retry_after, source: "503".into() }
    }

    #[track_caller]
    fn check(made: u32, error: &BucketError, at_least: Duration, at_most: Option<Duration>) {
        let bucket = RetryBucket::seeded(
            Arc::new(MemoryBucket::new()),
            RetryPolicy { attempts: NonZeroU32::new(5).unwrap(), ..RetryPolicy::default() },
            u64::from(made),
        );
        for _ in 0..200 {
            let pause = bucket.patience.pause(made, error);
            assert_eq!(pause.is_some(), at_most.is_some());
            if let (Some(pause), Some(at_most)) = (pause, at_most) {
                assert!((at_least..=at_most).contains(&pause), "{pause:?} after {made}");
            }
        }
    }

    #[test]
    fn pauses_grow_and_obey() {
        check(1, &unavailable(None), Duration::ZERO, Some(SECOND));
        check(2, &unavailable(None), Duration::ZERO, Some(2 * SECOND));
        check(4, &unavailable(None), Duration::ZERO, Some(8 * SECOND));
        check(5, &unavailable(None), Duration::ZERO, None);
        check(1, &unavailable(Some(20 * SECOND)), 20 * SECOND, Some(20 * SECOND));
        check(1, &unavailable(Some(3600 * SECOND)), Duration::ZERO, None);
        let key = ObjectKey::new("a").unwrap();
        check(1, &BucketError::NotFound { key }, Duration::ZERO, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_whose_answer_was_lost_is_recognised() {
        let mut recognised = 0;
        for seed in 0..20 {
            let memory = MemoryBucket::new();
            let faults = Faults { answer_lost: 0.3, ..Faults::default() };
            let flaky = FlakyBucket::new(Arc::new(memory.clone()), faults, seed);
            let bucket = RetryBucket::seeded(Arc::new(flaky), RetryPolicy::default(), seed);
            let key = ObjectKey::new("a").unwrap();
            let put = |bytes: &'static [u8]| {
                bucket.put(&key, bytes.to_vec().into(), Precondition::Absent)
            };

            let ours = put(b"ours").await.unwrap();
            assert_eq!(memory.counts().puts, 1, "seed {seed}");
            assert_eq!(memory.stat(&key).await.unwrap(), Some(ours));
            recognised += memory.counts().refused_puts;

            let other = put(b"else").await;
            assert!(matches!(other, Err(BucketError::PreconditionFailed { .. })), "seed {seed}");
            assert_eq!(memory.objects()[&key], &b"ours"[..]);
        }
        assert!(recognised > 0, "no seed lost an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_that_never_answers_is_given_up() {
        let flaky = FlakyBucket::new(
            Arc::new(MemoryBucket::new()),
            Faults { hung: 1.0, ..Faults::default() },
            0,
        );
        let bucket = RetryBucket::seeded(Arc::new(flaky), RetryPolicy::default(), 0);
        let stat = bucket.stat(&ObjectKey::new("a").unwrap()).await;
        assert!(matches!(stat, Err(BucketError::Timeout { .. })), "{stat:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_pause_mends_is_said_at_once() {
        let memory = MemoryBucket::new();
        let flaky = FlakyBucket::new(Arc::new(memory.clone()), Faults::default(), 0);
        let bucket = RetryBucket::seeded(Arc::new(flaky.clone()), RetryPolicy::default(), 0);
        let key = ObjectKey::new("a").unwrap();
        let start = tokio::time::Instant::now();
        let put = || bucket.put(&key, b"a".to_vec().into(), Precondition::Always);

        flaky.set_faults(Faults { full: 1.0, ..Faults::default() });
        assert!(matches!(put().await, Err(BucketError::Full { .. })));
        flaky.set_faults(Faults { denied: 1.0, ..Faults::default() });
        assert!(matches!(put().await, Err(BucketError::Denied { .. })));
        flaky.set_faults(Faults::default());
        put().await.unwrap();
        assert_eq!(memory.counts().puts, 1);
        assert_eq!(start.elapsed(), Duration::ZERO, "nobody waited");
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_does_not_mix_two_generations() {
        let memory = MemoryBucket::new();
        let key = ObjectKey::new("a").unwrap();
        memory.put(&key, vec![1; 1 << 20].into(), Precondition::Always).await.unwrap();
        let flaky =
            FlakyBucket::new(Arc::new(memory.clone()), Faults { cut: 1.0, ..Faults::default() }, 0);
        let bucket = RetryBucket::seeded(Arc::new(flaky), RetryPolicy::default(), 0);

        assert_eq!(
            bucket.get(&key, None).await.unwrap().bytes(1 << 20).await.unwrap(),
            vec![1; 1 << 20]
        );
        let open = bucket.get(&key, None).await.unwrap();
        memory.put(&key, vec![2; 1 << 20].into(), Precondition::Always).await.unwrap();
        let read = open.bytes(1 << 20).await;
        assert!(matches!(read, Err(BucketError::PreconditionFailed { .. })), "{read:?}");
    }
}
