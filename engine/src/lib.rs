//! The path of Deminer, in the order of its arrows:
//!
//! ```text
//! playbook text  -parse->  Playbook  -check->  CheckedPlaybook        no host is touched
//! CheckedPlaybook + hosts  -look->  Findings, Verdict  -plan->  Plan   hosts are only read
//! Plan  -approve->  ApprovedPlan                                      a person says yes
//! ApprovedPlan  -apply->  Events  -verify->  Events                   hosts are changed, then watched
//! Events  -fold->  Report                                             no host is touched
//! ```
//!
//! [`inventory`] is which hosts there are, [`environment`] what is other in production. [`playbook`] is the first two arrows,
//! [`look`] the third, [`plan`] and [`approval`] the next, [`apply`] the fifth, [`report`] the last. Where it was cut, [`reconcile`] asks what was done, and
//! [`resume`] says what is still to be done. [`host`] reaches hosts, [`fleet`] walks over many, [`module`] is what a module
//! is, [`external`] those that are programs, [`finding`] what modules say, [`audit`] whether what is on disk was changed,
//! [`case`] a test of a playbook, [`authored`] which of what an author writes a text is, [`asked`] how a run was asked for,
//! [`policy`] what a look may do only by leave.
//! The engine knows no module by name, no terminal, no environment and no clock of its own.

pub mod apply;
pub mod approval;
pub mod ask;
pub mod asked;
pub mod audit;
pub mod authored;
pub mod base64_text;
pub mod case;
pub mod clock;
pub mod diagnostic;
pub mod environment;
pub mod event;
pub mod external;
pub mod finding;
pub mod fleet;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod host;
pub mod incident;
mod intake;
pub mod inventory;
pub mod journal;
pub mod look;
pub mod module;
pub mod plan;
pub mod playbook;
pub mod policy;
mod proof;
pub mod reconcile;
pub mod report;
pub mod resume;
pub mod run;
mod schema;
pub mod status;
mod template;
pub mod undo;
pub mod used;
pub mod vault;
