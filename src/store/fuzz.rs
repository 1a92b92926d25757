//! What must hold of any bytes in the place of a row: for `make fuzz`, and for the properties below.
//!
//! In no build that is shipped. Nothing here can be lost.

use super::{
    table::{Key, Row, Table},
    tables::{
        CONTENTS, DELAYED, DIRTY, ENTRIES, GUILDS, INDEXES, JOBS, PARKED, PARKED_MESSAGES, PEOPLE,
        PEOPLE_CHANGED, PLACES, POLICY, POSTS, PUBLICATION, RAW, READY, RENEWALS, SESSIONS, SHARDS,
        STARTS, TALLIES, TOMBSTONES, USES,
    },
};

/// How many tables [`row`] reads.
const TABLES: u8 = 24;

/// Reads a row of the table that the first byte chooses: it is refused, or as good as what is written of it.
pub fn row(bytes: &[u8]) {
    let Some((&table, row)) = bytes.split_first() else { return };
    match table % TABLES {
        0 => check(&GUILDS, row),
        1 => check(&PLACES, row),
        2 => check(&POSTS, row),
        3 => check(&RAW, row),
        4 => check(&ENTRIES, row),
        5 => check(&TOMBSTONES, row),
        6 => check(&PEOPLE, row),
        7 => check(&CONTENTS, row),
        8 => check(&USES, row),
        9 => check(&JOBS, row),
        10 => check(&READY, row),
        11 => check(&DELAYED, row),
        12 => check(&PARKED, row),
        13 => check(&RENEWALS, row),
        14 => check(&DIRTY, row),
        15 => check(&SHARDS, row),
        16 => check(&INDEXES, row),
        17 => check(&PUBLICATION, row),
        18 => check(&SESSIONS, row),
        19 => check(&STARTS, row),
        20 => check(&TALLIES, row),
        21 => check(&POLICY, row),
        22 => check(&PEOPLE_CHANGED, row),
        _ => check(&PARKED_MESSAGES, row),
    }
    if let Ok(raw) = RAW.decode(row) {
        drop(raw.text());
    }
}

fn check<K: Key, V: Row>(table: &Table<K, V>, row: &[u8]) {
    if let Some(key) = K::read(&mut &*row) {
        let mut written = Vec::new();
        key.write(&mut written);
        assert!(row.starts_with(&written), "a key is the bytes that it was read from");
    }
    let Ok(value) = table.decode(row) else { return };
    let written = Table::<K, V>::encode(&value);
    let read = table.decode(&written).unwrap_or_else(|_| panic!("what is written is read"));
    // Bytes and not values: a time of "not a number" equals nothing, itself included.
    assert_eq!(Table::<K, V>::encode(&read), written, "and written as before");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of released builds, of every table.
    fn released() -> Vec<Vec<u8>> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/golden");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.filter_map(|text| hex::decode(text.lines().nth(1)?).ok()).collect()
    }

    #[test]
    fn each_released_row_is_of_some_table() {
        let rows = released();
        assert!(rows.len() > 20, "{} rows", rows.len());
        for bytes in &rows {
            for table in 0..TABLES {
                row(&[&[table][..], bytes].concat());
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(table: u8, version in 0_u8..4, body: Vec<u8>) {
            row(&[&[table, version][..], &body].concat());
        }

        #[test]
        fn no_break_in_a_row_breaks_the_reader(
            table: u8,
            sample in prop::sample::select(released()),
            place: prop::sample::Index,
            with: u8,
            length: prop::sample::Index,
        ) {
            let mut bytes = sample;
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = with;
                row(&[&[table][..], &bytes].concat());
                bytes.truncate(length.index(bytes.len()));
            }
            row(&[&[table][..], &bytes].concat());
        }
    }
}
