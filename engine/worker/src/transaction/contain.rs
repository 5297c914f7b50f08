//! Quieting the host: what lasts and can be taken back, before anything is frozen.
//!
//! A lost link leaves what was done until it ends by itself, as the plan states. So that it cannot be the block itself that
//! cuts the link, packets are held back for a short time first: the kernel lets them pass again by itself unless the
//! controller is still heard.

use std::collections::BTreeSet;

use super::{Refusal, Transaction, refuse};
use crate::action::{Act, Action, Done, Effect, Undo};
use crate::frame::{Outcome, RefusalKind, ToWorker, TransactionEvent as Event};
use crate::protect;
use crate::query::HostError;
use crate::serve::Said;

/// For how long packets are held back before it is known that the controller is still heard.
pub const TRIAL_S: u32 = 60;

/// How long the controller may take to write down what comes, or to say that it still hears.
const NOTED_MS: u64 = 20_000;

/// An act that is done for a short time as yet, and how that is taken back.
struct Trial {
    action: Action,
    undo: Undo,
}

impl Transaction<'_> {
    /// Carries out what contains and lasts, once the controller has written down that it comes. What cannot be done is told
    /// and stops nothing.
    pub(super) fn contain(&mut self) -> Result<(), Refusal> {
        let lasts = |act: &Act| act.effect() == Effect::Contain && !matches!(act, Act::Freeze { .. });
        let actions = self.allowed(lasts);
        if actions.is_empty() {
            return Ok(());
        }
        self.noted(Event::Containing {
            actions: actions.iter().map(|action| action.id).collect(),
        })?;
        let acts: Vec<Act> = actions.iter().map(|action| action.act.clone()).collect();
        let facts = self.facts_for(&acts);
        let mut trials = Vec::new();
        for action in actions {
            let protected = match &facts {
                Ok(facts) => {
                    let over = self.orders.orders().overrides.get(&action.id);
                    protect::protection_unless(over, &action.act, &BTreeSet::new(), facts)
                        .map(|why| protected(&action.act, why))
                }
                Err(why) => Some(why.clone()),
            };
            match protected {
                Some(why) => self.outcome(action.id, Outcome::NotDone { why }),
                None => trials.extend(self.quiet(action)),
            }
        }
        self.prove(trials)
    }

    /// Does one act; what holds packets back is done for a short time, to be proven.
    fn quiet(&mut self, action: Action) -> Option<Trial> {
        self.controller.tell(Event::Intent { action: action.id });
        let outcome = match self.platform.act(&for_a_short_time(&action.act)) {
            Ok(Done::Changed { undo }) if action.act.is_of_network() => return Some(Trial { action, undo }),
            // What held already cuts nothing off; it may only be made to last.
            Ok(Done::Already) => self.platform.act(&action.act),
            other => other,
        };
        self.ended(&action, outcome);
        None
    }

    /// Makes last what was done for a short time, if the controller is still heard; else takes it back.
    fn prove(&mut self, trials: Vec<Trial>) -> Result<(), Refusal> {
        if trials.is_empty() {
            return Ok(());
        }
        if let Err(refusal) = self.noted(Event::Contained {}) {
            for Trial { action, undo } in trials {
                // Where that fails too, the kernel's own timer ends it.
                let _ = self.platform.undo(&undo, None, crate::action::Arming::Disarmed);
                let why = HostError::Lost {
                    why: format!(
                        "{}: taken back, the controller was not heard behind it",
                        action.act.kind()
                    ),
                };
                self.ended(&action, Err(why));
            }
            return Err(refusal);
        }
        for Trial { action, undo } in trials {
            let outcome = match self.platform.act(&action.act) {
                // It is taken back to what was there before either of the two.
                Ok(Done::Changed { .. } | Done::Already) => Ok(Done::Changed { undo }),
                Ok(other) => Ok(other),
                Err(why) => {
                    let _ = self.platform.undo(&undo, None, crate::action::Arming::Disarmed);
                    Err(why)
                }
            };
            self.ended(&action, outcome);
        }
        Ok(())
    }

    fn ended(&mut self, action: &Action, result: Result<Done, HostError>) {
        let outcome = match result {
            Ok(done) => Outcome::Done { done },
            Err(why) => Outcome::NotDone { why },
        };
        self.outcome(action.id, outcome);
    }

    /// Tells the controller something and waits until it has written that down.
    fn noted(&mut self, event: Event) -> Result<(), Refusal> {
        self.controller.tell(event);
        loop {
            match self.controller.wait(Some(NOTED_MS)) {
                Said::Message(ToWorker::Noted) => return Ok(()),
                Said::Message(ToWorker::Abort) => {
                    return Err(refuse(RefusalKind::NoCommit, "the controller called it off"));
                }
                Said::Message(_) => {}
                Said::Nothing => return Err(refuse(RefusalKind::NoCommit, "the controller was not heard in time")),
                Said::Lost => return Err(refuse(RefusalKind::NoCommit, "the link is lost")),
            }
        }
    }
}

/// The same act, for [`TRIAL_S`] at most.
fn for_a_short_time(act: &Act) -> Act {
    let mut act = act.clone();
    if let Act::BlockAddress { for_s, .. } | Act::Isolate { for_s, .. } = &mut act {
        *for_s = (*for_s).min(TRIAL_S);
    }
    act
}

fn protected(act: &Act, why: String) -> HostError {
    HostError::Protected {
        doing: act.kind().to_owned(),
        why,
    }
}
