//! Quieting the host: what can be taken back at once, before anything is frozen. A lost link before the commit leaves it
//! until it ends by itself, as the plan states.

use std::collections::BTreeSet;

use super::Transaction;
use crate::action::{Act, Action, Effect};
use crate::frame::{Outcome, TransactionEvent as Event};
use crate::protect;
use crate::query::HostError;

impl Transaction<'_> {
    /// Carries out what contains, each after it is told. What cannot be done is told and stops nothing.
    pub(super) fn contain(&mut self) {
        let contains = |act: &Act| act.effect() == Effect::Contain && !matches!(act, Act::Freeze { .. });
        let actions = self.allowed(contains);
        if actions.is_empty() {
            return;
        }
        let facts = self.facts();
        for action in actions {
            let outcome = match &facts {
                Ok(facts) => match protect::protection(&action.act, &BTreeSet::new(), facts) {
                    Some(why) => Outcome::NotDone {
                        why: HostError::Protected {
                            doing: action.act.kind().to_owned(),
                            why,
                        },
                    },
                    None => self.quiet(&action),
                },
                Err(why) => Outcome::NotDone { why: why.clone() },
            };
            self.outcome(action.id, outcome);
        }
    }

    fn quiet(&mut self, action: &Action) -> Outcome {
        self.controller.tell(Event::Intent { action: action.id });
        match self.platform.act(&action.act) {
            Ok(done) => Outcome::Done { done },
            Err(why) => Outcome::NotDone { why },
        }
    }
}
