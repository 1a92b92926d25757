//! How what was deleted is hidden, moved, erased, held back and shown again.
