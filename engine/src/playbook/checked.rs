//! A playbook that may run: only [`super::check`] makes one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deminer_worker::action::Effect;
use deminer_worker::text::Digest;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{Phase, Var};
use crate::module::Module;
use crate::policy::Policy;
use crate::template::{EvalError, Expression, Scope, Text};

/// A playbook of which every name, parameter and file is resolved.
#[derive(Debug)]
pub struct CheckedPlaybook {
    pub(super) file: String,
    pub(super) text: Arc<str>,
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) vars: IndexMap<String, Var>,
    pub(super) resources: Vec<CheckedResource>,
    /// The places at which files are included: number N of a step's `frame` is the one before.
    pub(super) frames: Vec<CheckedFrame>,
    pub(super) steps: Vec<CheckedStep>,
    pub(super) repeat: Option<CheckedRepeat>,
    pub(super) policy: Policy,
}

/// A file beside the playbook, or one that it includes, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedResource {
    /// Relative to the playbook's folder.
    pub path: String,
    /// Its content.
    pub text: Arc<str>,
    /// Of its content.
    pub sha256: Digest,
}

/// A step as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutline<'c> {
    /// Its phase.
    pub phase: Phase,
    /// Its id; of a step without one where it stands: `3`, `2 of parts/look.yml`.
    pub step: &'c str,
    /// The module and what it can do at most; `None` for `let`, `stop` and `assert`.
    pub module: Option<(&'static str, Effect)>,
    /// Whether it has a `when`.
    pub is_conditional: bool,
    /// Whether it is a `stop`.
    pub stops: bool,
    /// Whether the playbook goes on where it fails.
    pub may_fail: bool,
}

/// A step with everything it needs.
pub(crate) struct CheckedStep {
    pub(crate) phase: Phase,
    /// Its id; of a step without one where it stands: `3`, `2 of parts/look.yml`, `units, on error 1`.
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    /// Whose variables it sees: 0 is the playbook, then the included files.
    pub(crate) frame: usize,
    pub(crate) when: Option<Expression>,
    pub(crate) foreach: Option<Expression>,
    pub(crate) until: Option<CheckedUntil>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_failure: OnFailure,
    /// It runs only where the step of this number failed.
    pub(crate) instead_of: Option<usize>,
    pub(crate) body: CheckedBody,
    /// The numbers of the steps that it refers to; all are lower than its own.
    pub(crate) refers: Vec<usize>,
    /// In `eradicate`: taken only after a strike. So is an `assert` that refers to such a step.
    pub(crate) after_strike: bool,
    /// Whether anything refers to it.
    pub(crate) wanted: bool,
    /// Whether a secret is in what it is given or computes.
    pub(crate) holds_secret: bool,
    /// Whether anything of it reads a secret, its conditions too.
    pub(crate) reads_secret: bool,
    /// Whether an environment leaves it out.
    pub(crate) is_left_out: bool,
}

/// What becomes of a host's playbook where a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// It ends.
    End,
    /// It goes on without the step's result, and with a gap.
    GoOn,
}

/// Looking again until something holds.
#[derive(Debug)]
pub(crate) struct CheckedUntil {
    pub(crate) holds: Expression,
    /// Further looks at most.
    pub(crate) retries: u32,
    pub(crate) delay: Duration,
}

/// A place at which a file is included.
#[derive(Debug)]
pub(crate) struct CheckedFrame {
    /// The file that includes it: 0 is the playbook.
    pub(crate) outer: usize,
    /// Its steps run only where this holds.
    pub(crate) when: Option<Expression>,
    /// Its variables.
    pub(crate) values: Vec<CheckedVar>,
}

/// A variable of an included file.
#[derive(Debug)]
pub(crate) struct CheckedVar {
    pub(crate) name: String,
    pub(crate) var: Var,
    pub(crate) recipe: Recipe,
}

/// A question that a playbook may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'c> {
    /// The step's id, by which it is answered.
    pub step: &'c str,
    /// The words that may be answered, where they are written out; empty where they are not.
    pub answers: Vec<&'c str>,
}

/// What a step does.
pub(crate) enum CheckedBody {
    Use {
        module: Module,
        with: Vec<(String, Recipe)>,
    },
    Let(Vec<(String, Expression)>),
    Stop {
        reason: String,
        hand_over: Vec<String>,
    },
    Assert {
        holds: Expression,
        message: String,
    },
}

/// The controller's loop.
#[derive(Debug)]
pub(crate) struct CheckedRepeat {
    pub(crate) until: Expression,
    pub(crate) max_rounds: u32,
    /// By number, in order.
    pub(crate) refresh: Vec<usize>,
}

/// How a parameter is made.
#[derive(Debug)]
pub(crate) enum Recipe {
    Literal(Value),
    Value(Expression),
    Text(Text),
    List(Vec<Recipe>),
    Map(Vec<(String, Recipe)>),
    /// A file beside the playbook, as [`crate::module::Resource`].
    Resource {
        path: String,
        text: Arc<str>,
    },
}

impl Recipe {
    /// The parameter as it is written out; `None` where an expression has a part in it.
    pub(crate) fn written(&self) -> Option<Value> {
        match self {
            Recipe::Literal(value) => Some(value.clone()),
            Recipe::List(items) => items.iter().map(Recipe::written).collect(),
            Recipe::Map(fields) => fields
                .iter()
                .map(|(name, recipe)| Some((name.clone(), recipe.written()?)))
                .collect::<Option<Map<_, _>>>()
                .map(Value::Object),
            Recipe::Value(_) | Recipe::Text(_) | Recipe::Resource { .. } => None,
        }
    }

    /// The parameter here.
    ///
    /// # Errors
    /// When an expression in it has no value.
    pub(crate) fn value(&self, scope: &Scope) -> Result<Value, EvalError> {
        match self {
            Recipe::Literal(value) => Ok(value.clone()),
            Recipe::Value(expression) => expression.value(scope),
            Recipe::Text(text) => text.render(scope).map(Value::String),
            Recipe::List(items) => items.iter().map(|item| item.value(scope)).collect(),
            Recipe::Map(fields) => fields
                .iter()
                .map(|(name, recipe)| Ok((name.clone(), recipe.value(scope)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            Recipe::Resource { path, text } => Ok(json!({"path": path, "text": text.as_ref()})),
        }
    }
}

impl Recipe {
    /// The texts of a list that is written out; empty where it is not.
    fn words(&self) -> Vec<&str> {
        let Recipe::List(items) = self else { return Vec::new() };
        let words = items.iter().map(|item| match item {
            Recipe::Literal(Value::String(word)) => Some(word.as_str()),
            _ => None,
        });
        words.collect::<Option<_>>().unwrap_or_default()
    }
}

impl CheckedStep {
    /// Whether it asks a person.
    pub(crate) fn asks(&self) -> bool {
        matches!(
            &self.body,
            CheckedBody::Use {
                module: Module::Question(_),
                ..
            }
        )
    }

    /// Whether it is a responder.
    pub(crate) fn proposes(&self) -> bool {
        matches!(
            &self.body,
            CheckedBody::Use {
                module: Module::Responder(_),
                ..
            }
        )
    }

    /// Where it stands, for people: ``phase `decide`, step `verdict` ``.
    pub(crate) fn place(&self) -> String {
        match &self.id {
            Some(id) => format!("phase `{}`, step `{id}`", self.phase),
            None => format!("phase `{}`, step {}", self.phase, self.name),
        }
    }
}

impl std::fmt::Debug for CheckedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place())
    }
}

impl CheckedPlaybook {
    pub(crate) fn steps(&self) -> &[CheckedStep] {
        &self.steps
    }

    pub(crate) fn frames(&self) -> &[CheckedFrame] {
        &self.frames
    }

    pub(crate) fn repeat(&self) -> Option<&CheckedRepeat> {
        self.repeat.as_ref()
    }

    /// Whether steps that are taken after the plan read secrets.
    pub fn reads_secrets_later(&self) -> bool {
        let refreshed = self.repeat.iter().flat_map(|repeat| &repeat.refresh);
        let refreshed: Vec<usize> = refreshed.copied().collect();
        let later = |(number, step): (usize, &CheckedStep)| {
            step.after_strike || step.phase >= Phase::Eradicate || refreshed.contains(&number)
        };
        let mut later = self
            .steps
            .iter()
            .enumerate()
            .filter(|(number, step)| later((*number, step)));
        later.any(|(_, step)| step.reads_secret)
    }

    /// The leaves under which it was checked.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The file that it was read from, as mistakes name it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file's content.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Of the file's own bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// The declared variables, in the order written.
    pub fn vars(&self) -> &IndexMap<String, Var> {
        &self.vars
    }

    /// The files beside it that its steps are given, then those that it includes, each once, in the order met.
    pub fn resources(&self) -> &[CheckedResource] {
        &self.resources
    }

    /// The steps, in order.
    pub fn outline(&self) -> impl Iterator<Item = StepOutline<'_>> {
        self.steps.iter().map(|step| StepOutline {
            phase: step.phase,
            step: &step.name,
            module: match &step.body {
                CheckedBody::Use { module, .. } => Some((module.about().name, module.about().effect)),
                _ => None,
            },
            is_conditional: step.when.is_some(),
            stops: matches!(step.body, CheckedBody::Stop { .. }),
            may_fail: step.on_failure == OnFailure::GoOn,
        })
    }

    /// The modules that it uses and that come from outside, by name, each with the digest of its file.
    pub fn externals(&self) -> BTreeMap<&'static str, Digest> {
        let modules = self.steps.iter().filter_map(|step| match &step.body {
            CheckedBody::Use { module, .. } => Some((module.about().name, module.erased().comes_from()?)),
            _ => None,
        });
        modules.collect()
    }

    /// The questions that it may ask a person, in order.
    pub fn questions(&self) -> impl Iterator<Item = Asked<'_>> {
        self.steps.iter().filter_map(|step| {
            let CheckedBody::Use {
                module: Module::Question(_),
                with,
            } = &step.body
            else {
                return None;
            };
            let answers = with.iter().find(|(name, _)| name == "answers");
            let words = answers.map(|(_, recipe)| recipe.words()).unwrap_or_default();
            Some(Asked {
                step: &step.name,
                answers: words,
            })
        })
    }

    /// How many rounds of strikes it may take; 1 where it does not repeat.
    pub fn max_rounds(&self) -> u32 {
        self.repeat.as_ref().map_or(1, |repeat| repeat.max_rounds)
    }
}
