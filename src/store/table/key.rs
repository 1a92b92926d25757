//! Keys as bytes that sort as the keys do: numbers stand with their highest byte first, and parts follow one another.

use crate::domain::{
    entry::{EntryKey, Sha256},
    forget::Forgotten,
    id::{AttachmentId, ChannelId, GuildId, MessageId, UserId},
    job::{Queue, Rank, Subject, entry_bytes, entry_from_bytes},
    time::Timestamp,
};

/// A key whose bytes sort as it does.
pub(in crate::store) trait Key: Sized {
    fn write(&self, out: &mut Vec<u8>);
    /// Takes itself off the front.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

impl Key for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

/// Stands first in the keys of a table that shares its number with others: their rows lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Part<const NUMBER: u8>;

impl<const NUMBER: u8> Key for Part<NUMBER> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(NUMBER);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).and_then(|[number]: [u8; 1]| (number == NUMBER).then_some(Self))
    }
}

impl Key for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take::<1>(bytes).map(|[byte]| byte)
    }
}

/// None comes before all.
impl<K: Key> Key for Option<K> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(key) = self {
            key.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [0] => Some(None),
            [1] => K::read(bytes).map(Some),
            _ => None,
        }
    }
}

impl Key for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self::from_be_bytes)
    }
}

impl Key for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        // Times before 1970 do not occur, and would sort last.
        out.extend(self.as_millis().to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(|bytes| Self::from_millis(i64::from_be_bytes(bytes)))
    }
}

impl Key for EntryKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(entry_bytes(*self));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take::<24>(bytes).and_then(|bytes| entry_from_bytes(&bytes))
    }
}

impl Key for Sha256 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Self)
    }
}

impl Key for Queue {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [number] = take(bytes)?;
        Self::ALL.into_iter().find(|queue| *queue as u8 == number)
    }
}

impl Key for Rank {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).and_then(Self::from_bytes)
    }
}

impl Key for Forgotten {
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, first, second) = self.parts();
        out.push(kind);
        out.extend(first.to_be_bytes());
        out.extend(second.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [kind] = take(bytes)?;
        let mut number = || take(bytes).map(u64::from_be_bytes);
        Self::from_parts(kind, number()?, number()?)
    }
}

/// A subject's length differs, so it stands last in a key.
impl Key for Subject {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.to_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let subject = Self::from_bytes(bytes);
        *bytes = &[];
        subject
    }
}

/// Text stands last in a key too.
impl Key for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let text = Self::from_utf8(bytes.to_vec()).ok();
        *bytes = &[];
        text
    }
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
        self.2.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some((A::read(bytes)?, B::read(bytes)?, C::read(bytes)?))
    }
}

/// Ids sort as numbers do.
macro_rules! id_keys {
    ($($id:ident),+) => {$(
        impl Key for $id {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.0.to_be_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                take(bytes).map(|bytes| Self(u64::from_be_bytes(bytes)))
            }
        }
    )+};
}

id_keys!(AttachmentId, ChannelId, GuildId, MessageId, UserId);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn composite_keys_survive_bytes_and_sort(a: (u8, u32), b: (u8, u32)) {
            let bytes = |key: &(u8, u32)| { let mut out = Vec::new(); key.write(&mut out); out };
            prop_assert_eq!(<(u8, u32)>::read(&mut bytes(&a).as_slice()), Some(a));
            prop_assert_eq!(a.cmp(&b), bytes(&a).cmp(&bytes(&b)));
        }
    }
}
