//! Typed tables over the key-value port, and the transaction in which they are written.
//!
//! A row starts with the version of its form, so that every form ever released can be read for ever.

mod key;

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Hint, StoreError,
    kv::{Kv, KvError, Rows, Writes},
};

pub(super) use self::key::{Key, Part};

/// A value that is stored as a row.
pub(super) trait Row: Serialize + DeserializeOwned {
    /// The version of its form, raised with every change of it.
    const VERSION: u8 = 1;

    /// Reads the body of a row that an older build wrote, for every older form ever released.
    fn migrate(_version: u8, _body: &[u8]) -> Option<Self> {
        None
    }
}

/// Rows of one kind.
pub(super) struct Table<K, V> {
    prefix: u8,
    name: &'static str,
    types: PhantomData<fn() -> (K, V)>,
}

/// Declares tables, each by its number and the name that people read. There is no other way to make one: so whatever
/// must hold of every table is asked of all of them.
macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident: Table<$key:ty, $row:ty> = ($number:literal, $name:literal);)+) => {
        $($(#[$doc])* pub(super) const $table: Table<$key, $row> = Table::new($number, $name);)+

        /// Shows every table.
        #[cfg(any(test, fuzzing))]
        pub(super) fn each(visitor: &mut impl super::table::Visitor) {
            $(visitor.visit(&$table);)+
        }
    };
}

pub(super) use tables;

/// What looks at every table, whatever is in it.
#[cfg(any(test, fuzzing))]
pub(super) trait Visitor {
    fn visit<K: Key, V: Row>(&mut self, table: &Table<K, V>);
}

/// What can be read: the store itself, or a transaction with its own writes on top.
pub(super) trait Source {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;
    fn scan_raw(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError>;
}

impl<K: Key, V: Row> Table<K, V> {
    pub(super) const fn new(prefix: u8, name: &'static str) -> Self {
        Self { prefix, name, types: PhantomData }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn number(&self) -> u8 {
        self.prefix
    }

    pub(super) fn get(&self, source: &impl Source, key: &K) -> Result<Option<V>, StoreError> {
        source.get_raw(&self.key(key))?.map(|row| self.decode(&row)).transpose()
    }

    pub(super) fn contains(&self, source: &impl Source, key: &K) -> Result<bool, StoreError> {
        Ok(source.get_raw(&self.key(key))?.is_some())
    }

    pub(super) fn put(&self, txn: &mut Txn<'_>, key: &K, value: &V) {
        txn.write(self.key(key), Some(Self::encode(value)));
    }

    pub(super) fn delete(&self, txn: &mut Txn<'_>, key: &K) {
        txn.write(self.key(key), None);
    }

    /// At most `limit` rows of those whose key begins with `prefix`, in the order of keys.
    pub(super) fn below<P: Key>(
        &self,
        source: &impl Source,
        prefix: &P,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let mut from = vec![self.prefix];
        prefix.write(&mut from);
        let to = successor(&from);
        self.rows(&source.scan_raw(&from, &to, limit)?)
    }

    /// At most `limit` rows from one key on and below another; the keys may be beginnings of keys.
    pub(super) fn between<P: Key>(
        &self,
        source: &impl Source,
        from: &P,
        to: &P,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let bytes = |key: &P| {
            let mut bytes = vec![self.prefix];
            key.write(&mut bytes);
            bytes
        };
        self.rows(&source.scan_raw(&bytes(from), &bytes(to), limit)?)
    }

    /// At most `limit` rows after a key, or from the first.
    pub(super) fn after(
        &self,
        source: &impl Source,
        key: Option<&K>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let from = key.map_or_else(
            || vec![self.prefix],
            |key| {
                let mut from = self.key(key);
                from.push(0);
                from
            },
        );
        self.rows(&source.scan_raw(&from, &[self.prefix + 1], limit)?)
    }

    /// Every row. Only for tables that stay small.
    pub(super) fn all(&self, source: &impl Source) -> Result<Vec<(K, V)>, StoreError> {
        self.after(source, None, usize::MAX)
    }

    fn rows(&self, rows: &Rows) -> Result<Vec<(K, V)>, StoreError> {
        rows.iter()
            .map(|(key, value)| {
                let mut rest = &key[1..];
                // What is read of a longer key is the key of another row, or of none.
                let key = K::read(&mut rest).filter(|_| rest.is_empty()).ok_or_else(|| {
                    StoreError::Corrupt {
                        table: self.name,
                        reason: "a key can't be read".to_owned(),
                    }
                })?;
                Ok((key, self.decode(value)?))
            })
            .collect()
    }

    pub(super) fn key(&self, key: &K) -> Vec<u8> {
        let mut bytes = vec![self.prefix];
        key.write(&mut bytes);
        bytes
    }

    pub(super) fn encode(value: &V) -> Vec<u8> {
        postcard::to_extend(value, vec![V::VERSION])
            .expect("rows are plain data, which postcard always writes")
    }

    pub(super) fn decode(&self, row: &[u8]) -> Result<V, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { table: self.name, reason };
        let (&version, body) =
            row.split_first().ok_or_else(|| corrupt("an empty row".to_owned()))?;
        if version > V::VERSION {
            return Err(StoreError::TooNew { table: self.name, version });
        }
        if version < V::VERSION {
            return V::migrate(version, body)
                .ok_or_else(|| corrupt(format!("a row of form {version} can't be read")));
        }
        match postcard::take_from_bytes(body) {
            Ok((value, [])) => Ok(value),
            Ok((_, rest)) => Err(corrupt(format!("{} bytes too many in a row", rest.len()))),
            Err(error) => Err(corrupt(error.to_string())),
        }
    }
}

/// The first key that does not begin with `prefix`.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return bytes;
        }
    }
    unreachable!("the table's own byte is never the highest")
}

/// Writes that become visible together. Reads see them already.
#[derive(Debug)]
pub struct Txn<'a> {
    kv: &'a dyn Kv,
    /// What was kept so far, and above it what each attempt wrote that may yet fail, the innermost last.
    layers: Vec<Layer>,
}

#[derive(Debug, Default)]
struct Layer {
    writes: Writes,
    hints: BTreeSet<Hint>,
}

impl<'a> Txn<'a> {
    pub(super) fn new(kv: &'a dyn Kv) -> Self {
        Self { kv, layers: vec![Layer::default()] }
    }

    /// Says that there is work of some sort, once this is durable.
    pub(super) fn hint(&mut self, hint: Hint) {
        self.top().hints.insert(hint);
    }

    /// Lets a change write, and forgets what it wrote unless it succeeds. A panic of it is caught and handed back.
    pub(super) fn attempt<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> thread::Result<Result<T, StoreError>> {
        self.layers.push(Layer::default());
        let outcome = catch_unwind(AssertUnwindSafe(|| change(self)));
        let written = self.layers.pop().expect("each attempt takes off the layer that it put on");
        if matches!(outcome, Ok(Ok(_))) {
            let below = self.top();
            below.writes.extend(written.writes);
            below.hints.extend(written.hints);
        }
        outcome
    }

    /// Everything that was kept.
    pub(super) fn into_kept(mut self) -> (Writes, BTreeSet<Hint>) {
        let kept = std::mem::take(self.top());
        (kept.writes, kept.hints)
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.top().writes.insert(key, value);
    }

    fn top(&mut self) -> &mut Layer {
        self.layers.last_mut().expect("the lowest layer is never taken off")
    }

    fn written(&self, from: &[u8], to: &[u8]) -> Writes {
        let range = || from.to_vec()..to.to_vec();
        let rows = self.layers.iter().flat_map(|layer| layer.writes.range(range()));
        rows.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Source for Txn<'_> {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        match self.layers.iter().rev().find_map(|layer| layer.writes.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.kv.get(key),
        }
    }

    fn scan_raw(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        if from >= to {
            return Ok(Rows::new());
        }
        let written = self.written(from, to);
        let deleted = written.values().filter(|value| value.is_none()).count();
        let stored = self.kv.scan(from, to, limit.saturating_add(deleted))?;
        let mut rows: BTreeMap<_, _> = stored.into_iter().collect();
        for (key, value) in written {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(rows.into_iter().take(limit).collect())
    }
}

impl Source for &dyn Kv {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.get(key)
    }

    fn scan_raw(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        self.scan(from, to, limit)
    }
}

/// A row whose key says it all.
impl Row for () {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryKv;

    impl Row for u64 {}

    const NUMBERS: Table<(u8, u32), u64> = Table::new(7, "numbers");

    fn keys(rows: Vec<((u8, u32), u64)>) -> Vec<(u8, u32)> {
        rows.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn a_transaction_reads_its_own_writes_over_what_is_stored() {
        let kv = MemoryKv::default();
        let mut txn = Txn::new(&kv);
        for number in 0..6 {
            NUMBERS.put(&mut txn, &(1, number), &u64::from(number));
        }
        kv.commit(&txn.into_kept().0).unwrap();

        let mut txn = Txn::new(&kv);
        NUMBERS.delete(&mut txn, &(1, 0));
        NUMBERS.delete(&mut txn, &(1, 3));
        NUMBERS.put(&mut txn, &(1, 9), &9);
        NUMBERS.put(&mut txn, &(2, 1), &1);
        assert_eq!(NUMBERS.get(&txn, &(1, 3)).unwrap(), None);
        assert_eq!(NUMBERS.get(&txn, &(1, 9)).unwrap(), Some(9));
        assert_eq!(keys(NUMBERS.below(&txn, &1_u8, 3).unwrap()), [(1, 1), (1, 2), (1, 4)]);
        assert_eq!(keys(NUMBERS.below(&txn, &1_u8, 99).unwrap()).len(), 5);
        assert_eq!(keys(NUMBERS.after(&txn, Some(&(1, 5)), 99).unwrap()), [(1, 9), (2, 1)]);
        assert_eq!(
            keys(NUMBERS.between(&txn, &(1_u8, 2_u32), &(1, 5), 99).unwrap()),
            [(1, 2), (1, 4)]
        );
        assert_eq!(NUMBERS.get(&(&kv as &dyn Kv), &(1, 3)).unwrap(), Some(3));
    }

    #[test]
    fn what_fails_or_panics_leaves_nothing_behind() {
        let kv = MemoryKv::default();
        let mut txn = Txn::new(&kv);
        let outer = txn.attempt(|txn| {
            NUMBERS.put(txn, &(1, 1), &1);
            let failed: thread::Result<Result<(), _>> = txn.attempt(|txn| {
                NUMBERS.put(txn, &(1, 1), &2);
                txn.hint(Hint::Download);
                Err(StoreError::TooNew { table: "numbers", version: 9 })
            });
            assert!(matches!(failed, Ok(Err(_))));
            let panicked: thread::Result<Result<(), _>> = txn.attempt(|txn| {
                NUMBERS.put(txn, &(1, 2), &2);
                panic!("on purpose")
            });
            assert!(panicked.is_err());
            txn.attempt(|txn| {
                txn.hint(Hint::Publish);
                NUMBERS.put(txn, &(1, 3), &3);
                Ok(())
            })
            .expect("no panic")
        });
        assert!(matches!(outer, Ok(Ok(()))));
        assert_eq!(keys(NUMBERS.all(&txn).unwrap()), [(1, 1), (1, 3)]);
        assert_eq!(NUMBERS.get(&txn, &(1, 1)).unwrap(), Some(1));
        assert_eq!(txn.into_kept().1, BTreeSet::from([Hint::Publish]));
    }

    /// A row that had another form once.
    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Renewed(u64);

    impl Row for Renewed {
        const VERSION: u8 = 3;

        fn migrate(version: u8, body: &[u8]) -> Option<Self> {
            (version == 2)
                .then(|| postcard::from_bytes::<u8>(body).ok())?
                .map(|old| Self(old.into()))
        }
    }

    #[test]
    fn older_forms_are_read_and_newer_ones_refused() {
        let table: Table<u8, Renewed> = Table::new(8, "renewed");
        assert_eq!(table.decode(&[3, 7]).unwrap(), Renewed(7));
        assert_eq!(table.decode(&[2, 8]).unwrap(), Renewed(8));
        let refused = |row: &[u8]| table.decode(row).unwrap_err();
        assert!(matches!(refused(&[4, 7]), StoreError::TooNew { version: 4, .. }));
        for corrupt in [&[1, 7][..], &[3, 7, 7], &[3], &[]] {
            assert!(matches!(refused(corrupt), StoreError::Corrupt { .. }), "{corrupt:?}");
        }
    }

    #[test]
    fn a_key_is_read_whole_or_not_at_all() {
        let kv = MemoryKv::default();
        let source = &kv as &dyn Kv;
        let row = Table::<(u8, u32), u64>::encode(&1);
        for (key, good) in [(&[7, 1, 0, 0, 0, 1][..], true), (&[7, 1, 0], false), (&[7; 7], false)]
        {
            kv.commit(&Writes::from([(key.to_vec(), Some(row.clone()))])).unwrap();
            assert_eq!(NUMBERS.all(&source).is_ok(), good, "{key:?}");
            kv.commit(&Writes::from([(key.to_vec(), None)])).unwrap();
        }
    }

    #[test]
    fn the_successor_of_a_prefix_ends_it() {
        assert_eq!(successor(&[7, 1]), [7, 2]);
        assert_eq!(successor(&[7, 255, 255]), [8]);
    }
}
