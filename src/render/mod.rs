//! Words for people, and JSON for programs: the only place where text is made to be read.
//!
//! Everything here is a pure function from typed data to text; only [`screen`] writes. What a host said is data: it is
//! escaped ([`plain`]), bounded, and never decides how the rest looks. The words themselves, in each language, are in
//! [`words`].

pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod cacao;
pub(crate) mod explain;
pub(crate) mod inventory;
pub(crate) mod modules;
pub(crate) mod plain;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod question;
pub(crate) mod quiet;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod runs;
pub(crate) mod sarif;
pub(crate) mod screen;
pub(crate) mod show;
pub(crate) mod since;
pub(crate) mod table;
pub(crate) mod test;
pub(crate) mod undo;
pub(crate) mod unit;
mod uuid;
pub(crate) mod vars;
pub(crate) mod words;

mod diff;
mod incident;
pub(crate) mod names;
mod object;
pub(crate) mod paste;
#[cfg(test)]
pub(crate) mod sample;
mod style;

pub(crate) use style::Style;
