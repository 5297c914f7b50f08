//! Plans from hosts on paper.

mod envelopes;
mod files;
mod merging;
mod needs;
mod protection;
