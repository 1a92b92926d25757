//! `POST /attachments/refresh-urls`, with all the ways it may behave.

use serde_json::{Value, json};

use super::{Call, either};
use crate::{options::Refresh, reply::Reply};

/// Links a call may hold.
const MOST: usize = 50;

pub(super) fn refresh(call: &Call<'_>) -> Reply {
    either((|| {
        let behaviour = *call.core.refresh();
        if let Refresh::Gone(status) = behaviour {
            let message = format!("{status}: refresh-urls is not available");
            return Err(Reply::error(status, 0, &message));
        }
        let links = wanted(call)?;
        if behaviour == Refresh::RefusesBatches && links.len() > 1 {
            return Err(Reply::invalid("attachment_urls", "Not a valid attachment URL."));
        }
        call.core.ledger().stats.links_refreshed += links.len() as u64;
        let pairs: Vec<Value> = links
            .iter()
            .enumerate()
            .filter_map(|(n, link)| {
                let refreshed = call.core.signer.refresh(link)?;
                match behaviour {
                    Refresh::Nulls if n > 0 => Some(json!({ "original": link, "refreshed": null })),
                    Refresh::Gaps if n % 2 == 1 => None,
                    _ => Some(json!({ "original": link, "refreshed": refreshed })),
                }
            })
            .collect();
        Ok(Reply::ok(&json!({ "refreshed_urls": pairs })))
    })())
}

fn wanted(call: &Call<'_>) -> Result<Vec<String>, Reply> {
    let refused = |why: &str| {
        call.core.violation(format!("refresh-urls: {why}"));
        Reply::invalid("attachment_urls", why)
    };
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| refused("not JSON"))?;
    let fields = body.as_object().ok_or_else(|| refused("not an object"))?;
    for key in fields.keys().filter(|key| *key != "attachment_urls") {
        call.core.violation(format!("refresh-urls: no such field {key}"));
    }
    let links = fields.get("attachment_urls").and_then(Value::as_array);
    let links = links.ok_or_else(|| refused("attachment_urls is required"))?;
    if links.is_empty() || links.len() > MOST {
        return Err(refused("Must be between 1 and 50 in length."));
    }
    let texts = links.iter().map(|link| link.as_str().map(str::to_owned));
    texts.collect::<Option<Vec<String>>>().ok_or_else(|| refused("a link is no string"))
}
