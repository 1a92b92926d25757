//! The key-value port in memory, for tests: what was not flushed is gone after a crash.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use super::kv::{Kv, KvError, Rows, Writes};

/// A store that forgets what was not flushed.
#[derive(Debug, Default)]
pub struct MemoryKv {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    visible: BTreeMap<Vec<u8>, Vec<u8>>,
    durable: BTreeMap<Vec<u8>, Vec<u8>>,
    unflushed: Vec<Writes>,
}

fn write(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, writes: &Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => rows.insert(key.clone(), value.clone()),
            None => rows.remove(key),
        };
    }
}

impl MemoryKv {
    /// What a crash of the machine does: everything since the last flush is lost.
    pub fn crash(&self) {
        let mut state = self.state();
        state.visible = state.durable.clone();
        state.unflushed.clear();
    }

    /// What a crash may do as well: the disk wrote the first of the commits since the last flush before anybody asked
    /// it to.
    pub fn crash_ahead(&self, written: usize) {
        {
            let State { durable, unflushed, .. } = &mut *self.state();
            for writes in unflushed.drain(..written.min(unflushed.len())) {
                write(durable, &writes);
            }
        }
        self.crash();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.state().visible.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        if from >= to {
            return Ok(Rows::new());
        }
        let range = from.to_vec()..to.to_vec();
        let state = self.state();
        let rows = state.visible.range(range).take(limit);
        Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        let mut state = self.state();
        write(&mut state.visible, writes);
        state.unflushed.push(writes.clone());
        Ok(())
    }

    fn flush(&self) -> Result<(), KvError> {
        let State { durable, unflushed, .. } = &mut *self.state();
        for writes in unflushed.drain(..) {
            write(durable, &writes);
        }
        Ok(())
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        let state = self.state();
        let bytes: usize = state.durable.iter().map(|(key, value)| key.len() + value.len()).sum();
        Ok(u64::try_from(bytes).expect("memory is smaller than that"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kv_contract;

    #[test]
    fn it_keeps_the_contract() {
        kv_contract::check(&MemoryKv::default());
    }

    #[test]
    fn a_crash_takes_what_was_not_flushed() {
        let kv = MemoryKv::default();
        kv.commit(&Writes::from([(b"a".to_vec(), Some(b"1".to_vec()))])).unwrap();
        kv.flush().unwrap();
        kv.commit(&Writes::from([(b"a".to_vec(), None), (b"b".to_vec(), Some(b"2".to_vec()))]))
            .unwrap();
        kv.crash();
        assert_eq!(kv.get(b"a").unwrap(), Some(b"1".to_vec()));
        assert_eq!(kv.get(b"b").unwrap(), None);
    }

    #[test]
    fn a_crash_may_keep_the_first_of_what_was_not_flushed() {
        let kv = MemoryKv::default();
        for key in [b"a", b"b", b"c"] {
            kv.commit(&Writes::from([(key.to_vec(), Some(b"1".to_vec()))])).unwrap();
        }
        kv.crash_ahead(2);
        assert_eq!(kv.scan(b"a", b"z", 9).unwrap().len(), 2);
        kv.crash();
        assert_eq!(kv.get(b"b").unwrap(), Some(b"1".to_vec()));
        assert_eq!(kv.get(b"c").unwrap(), None);
    }
}
