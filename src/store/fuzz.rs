//! What must hold of any bytes in the place of a row: for `make fuzz`, and for the properties below.
//!
//! In no build that is shipped. Nothing here can be lost.

use super::{
    table::{Key, Row, Table, Visitor},
    tables::{self, RAW},
};

/// Reads a key and a row of the tables that have the first byte for their number: each is refused, or as good as what
/// is written of it.
pub fn row(bytes: &[u8]) {
    let Some((&number, bytes)) = bytes.split_first() else { return };
    tables::each(&mut Reader { number, bytes });
    if let Ok(raw) = RAW.decode(bytes) {
        drop(raw.text());
    }
}

struct Reader<'a> {
    number: u8,
    bytes: &'a [u8],
}

impl Visitor for Reader<'_> {
    fn visit<K: Key, V: Row>(&mut self, table: &Table<K, V>) {
        if table.number() == self.number {
            check(table, self.bytes);
        }
    }
}

fn check<K: Key, V: Row>(table: &Table<K, V>, bytes: &[u8]) {
    if let Some(key) = K::read(&mut &*bytes) {
        let mut written = Vec::new();
        key.write(&mut written);
        assert!(bytes.starts_with(&written), "a key is the bytes that it was read from");
    }
    let Ok(value) = table.decode(bytes) else { return };
    let written = Table::<K, V>::encode(&value);
    let read = table.decode(&written).unwrap_or_else(|_| panic!("what is written is read"));
    // Bytes and not values: a time of "not a number" equals nothing, itself included.
    assert_eq!(Table::<K, V>::encode(&read), written, "and written as before");
}

#[cfg(test)]
mod tests {
    use std::any::type_name;

    use proptest::prelude::*;

    use super::*;

    /// A row as a released build wrote it.
    #[derive(Clone, Debug)]
    struct Released {
        key: Vec<u8>,
        value: Vec<u8>,
    }

    impl Released {
        /// What [`row`] reads: the number of the table, and the value.
        fn bytes(&self) -> Vec<u8> {
            [&self.key[..1], &self.value].concat()
        }

        fn is_of<K: Key, V: Row>(&self, table: &Table<K, V>) -> bool {
            let (number, mut key) = self.key.split_first().expect("a key begins with a number");
            let read = *number == table.number() && K::read(&mut key).is_some();
            read && key.is_empty() && table.decode(&self.value).is_ok()
        }
    }

    fn released() -> Vec<Released> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/golden");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
        let rows = texts.filter_map(|text| {
            let mut lines = text.lines().map(hex::decode);
            Some(Released { key: lines.next()?.ok()?, value: lines.next()?.ok()? })
        });
        rows.collect()
    }

    /// Strikes out the rows that are of some table, and names the tables that have none.
    struct Owners {
        rows: Vec<Released>,
        bare: Vec<String>,
    }

    impl Visitor for Owners {
        fn visit<K: Key, V: Row>(&mut self, table: &Table<K, V>) {
            let before = self.rows.len();
            self.rows.retain(|row| !row.is_of(table));
            if self.rows.len() == before {
                let (number, key, value) = (table.number(), type_name::<K>(), type_name::<V>());
                self.bare.push(format!("{number}: {key} to {value}"));
            }
        }
    }

    #[test]
    fn each_table_has_a_released_row_and_each_released_row_a_table() {
        let mut owners = Owners { rows: released(), bare: Vec::new() };
        tables::each(&mut owners);
        assert_eq!(owners.bare, [""; 0], "these tables need a check in golden.rs");
        assert!(owners.rows.is_empty(), "no table has {:?}", owners.rows);
    }

    #[test]
    fn each_released_row_is_read_and_written_as_before() {
        for released in released() {
            row(&released.bytes());
        }
    }

    /// The numbers of tables.
    fn numbers() -> Vec<u8> {
        struct Numbers(Vec<u8>);

        impl Visitor for Numbers {
            fn visit<K: Key, V: Row>(&mut self, table: &Table<K, V>) {
                self.0.push(table.number());
            }
        }

        let mut numbers = Numbers(Vec::new());
        tables::each(&mut numbers);
        numbers.0
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(
            number in prop::sample::select(numbers()),
            version in 0_u8..4,
            body: Vec<u8>,
        ) {
            row(&[&[number, version][..], &body].concat());
        }

        #[test]
        fn no_break_in_a_row_breaks_the_reader(
            of_another in prop::option::weighted(0.2, prop::sample::select(numbers())),
            sample in prop::sample::select(released()),
            place: prop::sample::Index,
            with: u8,
            length: prop::sample::Index,
        ) {
            let mut bytes = sample.bytes();
            if let Some(number) = of_another {
                bytes[0] = number;
            }
            // A row has a version at least, behind the number.
            let place = 1 + place.index(bytes.len() - 1);
            bytes[place] = with;
            row(&bytes);
            bytes.truncate(1 + length.index(bytes.len() - 1));
            row(&bytes);
        }
    }
}
