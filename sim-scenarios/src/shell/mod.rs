//! The shell of a transcript.
