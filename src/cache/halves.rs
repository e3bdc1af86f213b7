//! A map of bounded size that forgets what was not asked about for longest, half of everything at a time.

use std::{collections::HashMap, hash::Hash, mem};

/// Holds up to twice `most` entries.
#[derive(Debug)]
pub struct Halves<K, V> {
    most: usize,
    /// Asked about since the halves last changed places.
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Copy + Eq + Hash, V: Default> Halves<K, V> {
    pub fn new(most: usize) -> Self {
        Self { most, young: HashMap::new(), old: HashMap::new() }
    }

    /// The entry of this key; a new one if there is none.
    pub fn entry(&mut self, key: K) -> &mut V {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        let old = &mut self.old;
        self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default())
    }

    pub fn has(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asks_about_is_forgotten_first() {
        let mut halves = Halves::<u64, u64>::new(100);
        *halves.entry(0) = 7;
        *halves.entry(1) = 7;
        for number in 2..300 {
            *halves.entry(number) = number;
            if number % 50 == 0 {
                assert_eq!(*halves.entry(0), 7, "it was asked about");
            }
            assert!(halves.young.len() + halves.old.len() <= 200);
        }
        assert_eq!((*halves.entry(299), *halves.entry(1)), (299, 0));
        halves.remove(&299);
        assert!(!halves.has(&299));
        assert_eq!(*halves.entry(299), 0);
        halves.clear();
        assert!(!halves.has(&298));
    }
}
