//! What is in a bucket, in the order of names, a page at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::resource::Params;
use crate::world::{BucketState, Permission, Public, World};

/// Google's longest page.
const MAX_RESULTS: usize = 1000;

/// A page of a listing; a common prefix counts as an item, as it does at Google.
struct Page {
    names: Vec<String>,
    prefixes: BTreeSet<String>,
    next: Option<String>,
}

/// `GET …/o`.
pub(crate) async fn json(
    State(world): State<Arc<World>>,
    Path(bucket): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Refusal> {
    let params = Params::of(&uri);
    let mut state = world.state();
    let shown = state.bucket(&bucket, Permission::List)?;
    let page = Page::of(shown, &params)?;
    let items = page.names.iter().filter_map(|name| shown.objects.get(name));
    let items: Vec<_> = items.map(|object| object.json(world.endpoint(), &bucket)).collect();

    let mut listing = json!({ "kind": "storage#objects" });
    if !items.is_empty() {
        listing["items"] = json!(items);
    }
    if !page.prefixes.is_empty() {
        listing["prefixes"] = json!(page.prefixes);
    }
    if let Some(last) = page.next {
        listing["nextPageToken"] = json!(BASE64_URL_SAFE.encode(last));
    }
    Ok(Json(listing))
}

/// `GET /{bucket}`, for those who try whether strangers may list it.
pub(crate) async fn xml(
    State(world): State<Arc<World>>,
    Path(bucket): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let params = Params::of(&uri);
    let mut state = world.state();
    let shown = state.bucket(&bucket, Permission::List)?;
    if shown.public != Public::ObjectsAndListing {
        return Err(Refusal::forbidden("storage.objects.list", "bucket"));
    }
    let page = Page::of(shown, &params)?;
    let contents: Vec<_> = page.names.iter().map(|name| escape(name)).collect();
    let contents = contents.join("</Key></Contents><Contents><Key>");
    let body = format!(
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult \
         xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>{bucket}</Name>\
         <Contents><Key>{contents}</Key></Contents></ListBucketResult>"
    );
    Ok(([(header::CONTENT_TYPE, "application/xml; charset=UTF-8")], body).into_response())
}

impl Page {
    fn of(bucket: &BucketState, params: &Params) -> Result<Self, Refusal> {
        let prefix = params.get("prefix").unwrap_or_default();
        let delimiter = params.get("delimiter").filter(|delimiter| !delimiter.is_empty());
        let limit = params.number("maxResults")?.map_or(MAX_RESULTS, |limit| {
            usize::try_from(limit).unwrap_or(MAX_RESULTS).clamp(1, MAX_RESULTS)
        });
        let after = params.get("pageToken").map(decode).transpose()?;
        let mut page = Self { names: Vec::new(), prefixes: BTreeSet::new(), next: None };
        let mut last = None;
        for name in bucket.objects.keys().filter(|name| name.starts_with(prefix)) {
            let item = delimiter
                .and_then(|delimiter| common_prefix(name, prefix, delimiter))
                .unwrap_or(name);
            let is_seen = after.as_deref().is_some_and(|after| item <= after);
            if is_seen || page.prefixes.contains(item) {
                continue;
            }
            if page.names.len() + page.prefixes.len() == limit {
                page.next = last;
                break;
            }
            last = Some(item.to_owned());
            if item == name {
                page.names.push(name.clone());
            } else {
                page.prefixes.insert(item.to_owned());
            }
        }
        Ok(page)
    }
}

/// The part of a name up to the first delimiter after the prefix.
fn common_prefix<'a>(name: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    let at = name[prefix.len()..].find(delimiter)?;
    Some(&name[..prefix.len() + at + delimiter.len()])
}

fn decode(token: &str) -> Result<String, Refusal> {
    let bytes = BASE64_URL_SAFE.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| Refusal::invalid("Invalid value for pageToken."))
}

fn escape(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
