//! What every key-value store promises, checked against any of them.

use super::kv::{Kv, Writes};

/// Panics where the store breaks a promise. It must be empty.
pub(super) fn check(kv: &dyn Kv) {
    let key = |number: u8| vec![number];
    let writes: Writes = (0..10).map(|number| (key(number), Some(vec![number, number]))).collect();
    kv.commit(&writes).unwrap();
    kv.flush().unwrap();

    assert_eq!(kv.get(&[3]).unwrap(), Some(vec![3, 3]));
    assert_eq!(kv.get(&[77]).unwrap(), None);

    let keys = |from: u8, to: u8, limit| -> Vec<u8> {
        kv.scan(&[from], &[to], limit).unwrap().into_iter().map(|(key, _)| key[0]).collect()
    };
    assert_eq!(keys(2, 5, 100), [2, 3, 4]);
    assert_eq!(keys(2, 5, 2), [2, 3]);
    assert_eq!(keys(5, 5, 100), [0; 0]);
    assert_eq!(keys(5, 2, 100), [0; 0]);
    assert_eq!(keys(8, 200, 100), [8, 9]);

    kv.commit(&Writes::from([(key(3), None), (key(4), Some(Vec::new()))])).unwrap();
    assert_eq!(kv.get(&[3]).unwrap(), None);
    assert_eq!(kv.get(&[4]).unwrap(), Some(Vec::new()));
    assert_eq!(keys(2, 6, 100), [2, 4, 5]);
}
