//! Keeps reading a folder.
