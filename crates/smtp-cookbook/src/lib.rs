//! The recipes are the programs in `src/bin`, each of which is usable alone.
