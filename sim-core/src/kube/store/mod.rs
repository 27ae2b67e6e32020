//! The API server's memory.
