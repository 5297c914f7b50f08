//! The modules that Deminer ships, one file each, and the list that is the whole truth of what they can do.

pub mod process_row;
pub mod starter;
