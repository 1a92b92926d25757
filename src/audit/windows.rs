//! Parts of all hashes, small enough to hold.
//!
//! What is named by a hash of its own is found in another order than that of hashes. To go through it in that order
//! without holding all of it, its source is gone through once for each window. Pure: nothing here can be lost.

/// So many names are held at a time: some 50 MB.
const HELD: u64 = 250_000;

/// More windows than this would be more ways through the source than anybody waits for; each holds more then.
const MOST_BITS: u32 = 8;

/// The windows that are left, first hashes first.
#[derive(Clone, Debug)]
pub struct Windows {
    bits: u32,
    next: u32,
}

/// Hashes whose first bits are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    bits: u32,
    number: u32,
}

impl Windows {
    /// Windows of which each holds few enough of so many hashes: hashes spread evenly.
    pub const fn for_hashes(count: u64) -> Self {
        let mut bits = 0;
        while bits < MOST_BITS && (count >> bits) > HELD {
            bits += 1;
        }
        Self { bits, next: 0 }
    }
}

impl Iterator for Windows {
    type Item = Window;

    fn next(&mut self) -> Option<Window> {
        let number = self.next;
        (number < 1 << self.bits).then(|| {
            self.next += 1;
            Window { bits: self.bits, number }
        })
    }
}

impl Window {
    /// Whether an object lies in a folder, and in this window of it. What carries no hash is in the first.
    pub fn holds(self, folder: &str, object: &str) -> bool {
        let Some(rest) = object.strip_prefix(folder) else { return false };
        let byte = rest.get(..2).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        byte.unwrap_or(0) >> (MOST_BITS - self.bits) == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_hold_everything_once_and_in_order() {
        for count in [0, 1, HELD, HELD + 1, HELD * 5, u64::MAX] {
            let windows: Vec<_> = Windows::for_hashes(count).collect();
            assert!(windows.len() as u64 * HELD >= count || windows.len() == 256, "{count}");
            let mut last = 0;
            for byte in 0..=255_u8 {
                let object = format!("thumb/{byte:02x}00.webp");
                let holding: Vec<_> = windows
                    .iter()
                    .enumerate()
                    .filter(|(_, window)| window.holds("thumb/", &object))
                    .map(|(number, _)| number)
                    .collect();
                assert_eq!(holding.len(), 1, "{object} of {count}");
                assert!(holding[0] >= last, "{object} comes before one of an earlier window");
                last = holding[0];
                assert!(windows.iter().all(|window| !window.holds("media/", &object)));
            }
        }
    }
}
