//! The modules that Deminer ships, one file each, and the list that is the whole truth of what they can do.

pub mod command_words;
#[cfg(test)]
mod example_rows;
pub mod judge;
mod known_programs;
mod option_words;
mod places;
pub mod process_row;
mod saying;
mod shell_text;
pub mod starter;
pub mod trace;
