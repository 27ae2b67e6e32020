//! A list that only grows, in pieces: growing never copies what is there, which is what makes recording cheap.

use std::ops::Index;

/// Items per piece.
const PIECE: usize = 4096;

/// A list that only grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log<T> {
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Log<T> {
    /// Adds an item at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(item),
            _ => self.push_piece(item),
        }
    }

    #[cold]
    fn push_piece(&mut self, item: T) {
        // A short trace should not pay for a whole piece.
        let mut piece = Vec::with_capacity(if self.pieces.is_empty() { 64 } else { PIECE });
        piece.push(item);
        self.pieces.push(piece);
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The item at `at`.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }
}

impl<T> Index<usize> for Log<T> {
    type Output = T;
    fn index(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_one_list() {
        let mut log = Log::default();
        for i in 0..10_000 {
            assert_eq!(log.len(), i);
            log.push(i);
        }
        assert!(log.iter().copied().eq(0..10_000));
        assert_eq!((log[0], log[4096], log.get(9_999), log.get(10_000)), (0, 4096, Some(&9_999), None));
    }
}
