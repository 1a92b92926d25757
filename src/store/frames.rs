//! Keys and values as bytes in a row: the form in which the catalogue is copied elsewhere.
//!
//! Below the tables on purpose: what is copied stays right whatever tables there will be. Pure.

use super::kv::{Rows, Writes};

/// Stands for the length of a value where a key is deleted; no value is that long.
const DELETED: u32 = u32::MAX;

/// Writes down keys with their new values, in the order of keys.
pub(super) fn of_writes(writes: &Writes) -> Vec<u8> {
    let length = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
    let mut out =
        Vec::with_capacity(writes.iter().map(|(key, value)| 8 + key.len() + length(value)).sum());
    for (key, value) in writes {
        push(&mut out, key, value.as_deref());
    }
    out
}

/// Adds a key with its value, or with none when it is deleted.
pub(super) fn push(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is far below 4 GiB");
    out.extend(length(key).to_le_bytes());
    out.extend(value.map_or(DELETED, length).to_le_bytes());
    out.extend(key);
    out.extend(value.unwrap_or_default());
}

/// Reads what [`of_writes`] wrote; none when it is cut or padded.
pub(super) fn to_writes(mut bytes: &[u8]) -> Option<Writes> {
    let mut writes = Writes::new();
    while let Some((key, value)) = pull(&mut bytes)? {
        writes.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }
    Some(writes)
}

/// Reads rows, none of which may be deleted.
pub(super) fn to_rows(mut bytes: &[u8]) -> Option<Rows> {
    let mut rows = Rows::new();
    while let Some((key, value)) = pull(&mut bytes)? {
        rows.push((key.to_vec(), value?.to_vec()));
    }
    Some(rows)
}

type Frame<'a> = (&'a [u8], Option<&'a [u8]>);

/// The next key with its value; nothing at the end, none when what follows makes no sense.
#[expect(clippy::option_option, reason = "the end is no error")]
fn pull<'a>(bytes: &mut &'a [u8]) -> Option<Option<Frame<'a>>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let (key_length, value_length) = (take_length(bytes)?, take_length(bytes)?);
    let key = take(bytes, key_length)?;
    let value = if value_length == DELETED { None } else { Some(take(bytes, value_length)?) };
    Some(Some((key, value)))
}

fn take_length(bytes: &mut &[u8]) -> Option<u32> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*length))
}

fn take<'a>(bytes: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn writes_survive_bytes(
            writes in prop::collection::btree_map(
                prop::collection::vec(any::<u8>(), 0..9),
                prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
                0..9,
            ),
            cut in 1_usize..9,
        ) {
            let bytes = of_writes(&writes);
            prop_assert_eq!(to_writes(&bytes), Some(writes.clone()));
            if let Some(short) = bytes.len().checked_sub(cut) {
                prop_assert_ne!(to_writes(&bytes[..short]), Some(writes));
            }
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = to_writes(&bytes);
            let _ = to_rows(&bytes);
        }
    }
}
