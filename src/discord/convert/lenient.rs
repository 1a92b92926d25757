//! Readers of fields that put up with anything.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// Reads a field whatever it holds: what is not of its type is as good as missing.
pub(in crate::discord) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// Reads a list, without the elements that are not of its type.
pub(in crate::discord) fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => {
            items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect()
        }
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::MessageId;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Read {
        #[serde(deserialize_with = "lenient")]
        id: Option<MessageId>,
        #[serde(deserialize_with = "lenient")]
        name: String,
        #[serde(deserialize_with = "each")]
        list: Vec<u32>,
    }

    #[track_caller]
    fn check(json: &str, expected: &Read) {
        assert_eq!(serde_json::from_str::<Read>(json).unwrap(), *expected, "{json}");
    }

    #[test]
    fn what_does_not_fit_is_missing() {
        let nothing = Read::default();
        check("{}", &nothing);
        check(r#"{"id":null,"name":null,"list":null,"new":{}}"#, &nothing);
        check(r#"{"id":"general","name":7,"list":{"a":1}}"#, &nothing);
        let some = Read { id: Some(MessageId(7)), name: "a".into(), list: vec![1, 3] };
        check(r#"{"id":"7","name":"a","list":[1,"2",3,null,-4]}"#, &some);
    }
}
