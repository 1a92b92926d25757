//! A stream that ends with an error unless it gave what it promised.
//!
//! Wrapped by each bucket around what it reads, so that a connection cut short never passes for the end of a file.

use futures_util::{Stream, StreamExt, stream};

use bytes::Bytes;

use crate::bucket::{BucketError, Crc32c, ObjectKey, ObjectStream};

/// What a stream has to give.
pub(super) struct Promise {
    /// Whose bytes they are.
    pub(super) key: ObjectKey,
    /// How many.
    pub(super) len: u64,
    /// With which checksum, `None` for a part of an object or where the bucket keeps none.
    pub(super) crc32c: Option<Crc32c>,
}

/// Passes on what `inner` gives and compares it with the promise at its end.
pub(super) fn checked<S>(inner: S, promise: Promise) -> ObjectStream
where
    S: Stream<Item = Result<Bytes, BucketError>> + Send + 'static,
{
    let start = State { inner: Box::pin(inner), promise, found: 0, crc32c: Crc32c::of(b"") };
    Box::pin(stream::try_unfold(Some(start), |state| async move {
        let Some(mut state) = state else { return Ok(None) };
        match state.inner.next().await {
            Some(chunk) => {
                let chunk = chunk?;
                state.found += chunk.len() as u64;
                if state.promise.crc32c.is_some() {
                    state.crc32c = state.crc32c.append(&chunk);
                }
                Ok(Some((chunk, Some(state))))
            }
            None => state.finish().map(|()| None),
        }
    }))
}

struct State {
    inner: ObjectStream,
    promise: Promise,
    found: u64,
    crc32c: Crc32c,
}

impl State {
    fn finish(self) -> Result<(), BucketError> {
        let Promise { key, len, crc32c } = self.promise;
        if self.found != len {
            return Err(BucketError::WrongLength { key, expected: len, found: self.found });
        }
        match crc32c {
            Some(expected) if expected != self.crc32c => {
                Err(BucketError::Corrupt { key, expected, found: self.crc32c })
            }
            Some(_) | None => Ok(()),
        }
    }
}
