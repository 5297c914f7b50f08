//! Plans from hosts on paper.

mod around;
mod blocking;
mod envelopes;
mod files;
mod merging;
mod needs;
mod protection;
