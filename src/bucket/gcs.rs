//! Google Cloud Storage as a bucket.
//!
//! Bytes go and come through Google's own client, large ones in an upload that can be resumed;
//! naming, describing and removing objects is the JSON API, which that client speaks over gRPC alone.
//! A crash leaves at most an unfinished upload, which Google forgets after a week.
//! Retries are the business of [`crate::bucket::RetryBucket`]; only an upload that broke goes on here, where it broke.

mod answer;
mod options;
mod resource;
mod spool;

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicyExt};
use google_cloud_storage::builder::storage::WriteObject;
use google_cloud_storage::client::Storage;
use google_cloud_storage::model_ext::ReadRange;
use google_cloud_storage::read_object::ReadObjectResponse;
use google_cloud_storage::read_resume_policy::NeverResume;
use google_cloud_storage::retry_policy::RetryableErrors;
use google_cloud_storage::streaming_source::{Seek, StreamingSource};
use reqwest::{Method, RequestBuilder};

use self::answer::Asking;
pub use self::options::{GcsCredentials, GcsOptions};
use self::resource::{FIELDS, Page, Resource};
use self::spool::{Spool, Stalled};
use crate::bucket::checked::{Promise, checked};
use crate::bucket::{
    Body, Bucket, BucketError, ByteRange, Crc32c, Generation, Listing, Object, ObjectInfo,
    ObjectKey, ObjectMeta, PageToken, Precondition,
};

/// From this size on an upload is resumable; below, beginning anew costs less than the second request.
const RESUMABLE_FROM: usize = 8 * 1024 * 1024;

/// How often one upload is taken up where it broke before the call fails; retries above begin anew.
const RESUMES: u32 = 5;

/// Connecting takes a round trip or two, wherever Google is.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// An object replaced between being described and being read is described again, so often.
const LOOKS: usize = 4;

/// Google's longest page.
const MAX_PAGE: usize = 1000;

/// A bucket of Google Cloud Storage.
#[derive(Clone, Debug)]
pub struct GcsBucket {
    setting: &'static str,
    name: String,
    endpoint: String,
    storage: Storage,
    http: reqwest::Client,
    credentials: Credentials,
}

impl GcsBucket {
    /// Prepares the use of a bucket; whether it is there and may be used, the first call tells.
    ///
    /// A TLS provider must be installed before.
    pub async fn open(options: GcsOptions) -> Result<Self, BucketError> {
        let broken = |source: crate::bucket::Source| BucketError::Broken {
            action: "prepare the Google Cloud Storage client",
            source,
        };
        options.check_name()?;
        let GcsOptions { setting, bucket, credentials, endpoint } = options;
        let credentials = credentials.load()?;
        let storage = Storage::builder()
            .with_endpoint(endpoint.as_str())
            .with_credentials(credentials.clone())
            .with_resumable_upload_threshold(RESUMABLE_FROM)
            .with_retry_policy(NeverRetry)
            .with_read_resume_policy(NeverResume)
            .with_backoff_policy(backoff())
            .build()
            .await
            .map_err(|error| broken(error.into()))?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .build()
            .map_err(|error| broken(error.into()))?;
        Ok(Self { setting, name: bucket, endpoint, storage, http, credentials })
    }

    /// The name of the bucket.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn asking<'a>(&'a self, key: Option<&'a ObjectKey>, action: &'static str) -> Asking<'a> {
        Asking { setting: self.setting, bucket: &self.name, key, action }
    }

    fn resource_name(&self) -> String {
        format!("projects/_/buckets/{}", self.name)
    }

    async fn write<P>(
        &self,
        key: &ObjectKey,
        crc32c: Crc32c,
        when: Precondition,
        payload: P,
    ) -> Result<ObjectInfo, BucketError>
    where
        P: StreamingSource + Seek + Send + Sync + 'static,
        <P as StreamingSource>::Error: std::error::Error + Send + Sync + 'static,
        <P as Seek>::Error: std::error::Error + Send + Sync + 'static,
    {
        let hint = payload.size_hint().await.ok().and_then(|hint| hint.exact());
        let is_resumable = hint.is_none_or(|len| len >= RESUMABLE_FROM as u64);
        let request = self.storage.write_object(self.resource_name(), key.as_str(), payload);
        let request = with_meta(request, ObjectMeta::of(key)).with_known_crc32c(crc32c.0);
        let request = if is_resumable {
            request.with_retry_policy(RetryableErrors.with_attempt_limit(RESUMES))
        } else {
            // Repeated in here, a put whose answer was lost would be refused as somebody else's.
            request
        };
        let request = match when {
            Precondition::Always => request,
            Precondition::Absent => request.set_if_generation_match(0),
            Precondition::Generation(generation) => request.set_if_generation_match(generation.0),
        };
        let asking = self.asking(Some(key), "put an object");
        // Boxed: as part of every put it would weigh 30 kB.
        let object =
            Box::pin(request.send_unbuffered()).await.map_err(|error| asking.client(error))?;
        let put = Resource::from(object).into_info(key.clone());
        match put.crc32c {
            Some(found) if found == crc32c => Ok(put),
            Some(found) => Err(BucketError::Corrupt { key: key.clone(), expected: crc32c, found }),
            None => Ok(ObjectInfo { crc32c: Some(crc32c), ..put }),
        }
    }

    /// A request of the JSON API with the headers that say who asks.
    async fn request(
        &self,
        method: Method,
        path: &str,
        asking: Asking<'_>,
    ) -> Result<RequestBuilder, BucketError> {
        let url = format!("{}/storage/v1/b/{}/o{path}", self.endpoint, self.name);
        let headers = self.credentials.headers(http::Extensions::new()).await;
        let headers = match headers.map_err(|error| asking.credentials(error))? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => http::HeaderMap::new(),
        };
        Ok(self.http.request(method, url).headers(headers))
    }

    async fn describe(&self, key: &ObjectKey) -> Result<ObjectInfo, BucketError> {
        let asking = self.asking(Some(key), "look at an object");
        let request = self.request(Method::GET, &path_of(key), asking).await?;
        let fields = FIELDS.join(",");
        let answer = asking.send(request.query(&[("fields", fields.as_str())])).await?;
        let resource: Resource = asking.json(answer).await?;
        Ok(resource.into_info(key.clone()))
    }

    async fn open_generation(
        &self,
        info: &ObjectInfo,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<ReadObjectResponse, BucketError> {
        let asking = self.asking(Some(&info.key), "open an object");
        let request = self
            .storage
            .read_object(self.resource_name(), info.key.as_str())
            .set_generation(info.generation.0)
            // What arrives is compared with its checksum here, in parts as well.
            .compute_crc32c(false);
        let request = match range {
            None => request,
            Some(range) => {
                let len = range.end - range.start;
                request.set_read_range(ReadRange::segment(range.start, len))
            }
        };
        request.send().await.map_err(|error| asking.client(error))
    }
}

#[async_trait]
impl Bucket for GcsBucket {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let crc32c = body.crc32c();
        match body {
            Body::Bytes(bytes) => {
                let payload = spool::Memory::new(bytes);
                self.write(key, crc32c, when, payload).await
            }
            Body::File { path, len, .. } => {
                let (spool, watch) = Spool::open(path, len, crc32c).await?;
                let result = tokio::select! {
                    result = self.write(key, crc32c, when, spool) => result,
                    Stalled(after) = watch.stalled() => {
                        Err(BucketError::Timeout { action: "upload an object", after })
                    }
                };
                // A file that changed under us is no matter of the network.
                watch.changed().map_or(result, Err)
            }
        }
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        let mut looks = 0;
        loop {
            looks += 1;
            let info = self.describe(key).await?;
            let size = info.size;
            let part = range.map(|range| range.within(size));
            let part = match part {
                Some(None) => return Err(BucketError::NoSuchRange { key: key.clone(), size }),
                Some(Some(part)) if part == (0..size) => None,
                Some(Some(part)) => Some(part),
                None => None,
            };
            let response = match self.open_generation(&info, part.clone()).await {
                // Replaced a moment ago: its successor is what is asked for.
                Err(BucketError::NotFound { .. }) if looks < LOOKS => continue,
                response => response?,
            };
            let promise = Promise {
                key: key.clone(),
                len: part.as_ref().map_or(size, |part| part.end - part.start),
                crc32c: info.crc32c.filter(|_| part.is_none()),
            };
            let body = checked(chunks(response, self.clone(), key.clone()), promise);
            return Ok(Object { info, range: part.unwrap_or(0..size), body });
        }
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        match self.describe(key).await {
            Ok(info) => Ok(Some(info)),
            Err(BucketError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let asking = self.asking(None, "list objects");
        let request = self.request(Method::GET, "", asking).await?;
        let fields = format!("nextPageToken,items({})", FIELDS.join(","));
        let limit = limit.get().min(MAX_PAGE).to_string();
        let mut query = vec![("prefix", prefix), ("maxResults", &limit), ("fields", &fields)];
        if let Some(PageToken(token)) = &page {
            query.push(("pageToken", token));
        }
        let answer = asking.send(request.query(&query)).await?;
        let page: Page = asking.json(answer).await?;
        Ok(page.into_listing())
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let asking = self.asking(Some(key), "delete an object");
        let request = self.request(Method::DELETE, &path_of(key), asking).await?;
        let request = match when {
            Precondition::Always => request,
            Precondition::Absent => request.query(&[("ifGenerationMatch", 0)]),
            Precondition::Generation(Generation(generation)) => {
                request.query(&[("ifGenerationMatch", generation)])
            }
        };
        match asking.send(request).await {
            Ok(_) | Err(BucketError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn with_meta<P>(request: WriteObject<P>, meta: ObjectMeta) -> WriteObject<P> {
    let request = request.set_content_type(meta.content_type).set_cache_control(meta.cache_control);
    match meta.content_disposition {
        Some(disposition) => request.set_content_disposition(disposition),
        None => request,
    }
}

fn chunks(
    response: ReadObjectResponse,
    bucket: GcsBucket,
    key: ObjectKey,
) -> impl futures_util::Stream<Item = Result<bytes::Bytes, BucketError>> + Send + 'static {
    stream::try_unfold((response, bucket, key), |(mut response, bucket, key)| async move {
        let asking = bucket.asking(Some(&key), "read an object");
        let chunk = response.next().await.transpose().map_err(|error| asking.client(error))?;
        Ok(chunk.map(|chunk| (chunk, (response, bucket, key))))
    })
}

/// A slash belongs to the name, not to the path; all other characters of a key stand for themselves.
fn path_of(key: &ObjectKey) -> String {
    format!("/{}", key.as_str().replace('/', "%2F"))
}

/// A broken upload goes on soon: its connection is gone, not the service.
fn backoff() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(Duration::from_millis(250))
        .with_maximum_delay(Duration::from_secs(8))
        .clamp()
}
