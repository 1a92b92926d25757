//! What is said about objects and buckets: read, changed, removed.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::download;
use crate::refusal::Refusal;
use crate::resource::{Conditions, Params};
use crate::world::{BucketState, Permission, World};

/// `GET …/o/{object}`, which with `alt=media` means its bytes.
pub(crate) async fn get(
    State(world): State<Arc<World>>,
    Path((bucket, name)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let params = Params::of(&uri);
    if params.get("alt") == Some("media") {
        return download::json(State(world), Path((bucket, name)), uri, headers).await;
    }
    let object = world.state().object(&bucket, &name, Permission::Get)?.clone();
    if params.number("generation")?.is_some_and(|generation| generation != object.generation) {
        return Err(Refusal::no_object(&bucket, &name));
    }
    Conditions::of(&params)?.check_read(&object)?;
    Ok(Json(object.json(world.endpoint(), &bucket)).into_response())
}

/// `PATCH …/o/{object}`.
pub(crate) async fn patch(
    State(world): State<Arc<World>>,
    Path((bucket, name)): Path<(String, String)>,
    uri: Uri,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let changes: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|error| Refusal::invalid(error.to_string()))?;
    let conditions = Conditions::of(&Params::of(&uri))?;
    let mut state = world.state();
    let object = state.object(&bucket, &name, Permission::Update)?;
    conditions.check(Some(object))?;
    object.headers.apply(&changes)?;
    object.metageneration += 1;
    object.updated = OffsetDateTime::now_utc();
    Ok(Json(object.json(world.endpoint(), &bucket)))
}

/// `DELETE …/o/{object}`.
pub(crate) async fn delete(
    State(world): State<Arc<World>>,
    Path((bucket, name)): Path<(String, String)>,
    uri: Uri,
) -> Result<StatusCode, Refusal> {
    let params = Params::of(&uri);
    let conditions = Conditions::of(&params)?;
    let mut state = world.state();
    let object = state.object(&bucket, &name, Permission::Delete)?;
    if params.number("generation")?.is_some_and(|generation| generation != object.generation) {
        return Err(Refusal::no_object(&bucket, &name));
    }
    conditions.check(Some(object))?;
    state.bucket(&bucket, Permission::Delete)?.objects.remove(&name);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /storage/v1/b`.
pub(crate) async fn buckets(State(world): State<Arc<World>>) -> Json<Value> {
    let state = world.state();
    let items: Vec<_> =
        state.buckets.iter().map(|(name, bucket)| describe(&world, name, bucket)).collect();
    Json(json!({ "kind": "storage#buckets", "items": items }))
}

/// `POST /storage/v1/b`.
pub(crate) async fn create_bucket(
    State(world): State<Arc<World>>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let name = body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::invalid("Required parameter: name"))?;
    let mut state = world.state();
    if state.buckets.contains_key(name) {
        let message =
            "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", message));
    }
    state.create_bucket(name);
    let bucket = state.bucket(name, Permission::Bucket)?;
    set_cors(bucket, &body);
    Ok(Json(describe(&world, name, bucket)))
}

/// `GET /storage/v1/b/{bucket}`.
pub(crate) async fn bucket(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut state = world.state();
    let bucket = state.bucket(&name, Permission::Bucket)?;
    Ok(Json(describe(&world, &name, bucket)))
}

/// `PATCH /storage/v1/b/{bucket}`: only CORS can be changed.
pub(crate) async fn patch_bucket(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    let mut state = world.state();
    let bucket = state.bucket(&name, Permission::Bucket)?;
    set_cors(bucket, &body);
    Ok(Json(describe(&world, &name, bucket)))
}

/// `GET /storage/v1/b/{bucket}/iam/testPermissions`.
pub(crate) async fn test_permissions(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Refusal> {
    let params = Params::of(&uri);
    let state = world.state();
    let bucket = state.buckets.get(&name).ok_or_else(Refusal::no_bucket)?;
    let held: Vec<_> =
        params.all("permissions").filter(|permission| bucket.allows(permission)).collect();
    let mut answer = json!({ "kind": "storage#testIamPermissionsResponse" });
    if !held.is_empty() {
        answer["permissions"] = json!(held);
    }
    Ok(Json(answer))
}

fn set_cors(bucket: &mut BucketState, body: &Value) {
    if let Some(cors) = body.get("cors").and_then(Value::as_array) {
        bucket.cors.clone_from(cors);
    }
}

fn describe(world: &World, name: &str, bucket: &BucketState) -> Value {
    let created = bucket.created.format(&Rfc3339).unwrap_or_default();
    json!({
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "selfLink": format!("{}/storage/v1/b/{name}", world.endpoint()),
        "projectNumber": "0",
        "metageneration": "1",
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "timeCreated": created,
        "updated": created,
        "cors": bucket.cors,
        "softDeletePolicy": { "retentionDurationSeconds": "0" },
        "versioning": { "enabled": false },
    })
}
