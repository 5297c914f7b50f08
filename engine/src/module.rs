//! What a module is: three traits by power, their erased twins, and the registry that owns them.
//!
//! A [`Collector`] gets a host to look at, an [`Analyzer`] gets no host, a [`Responder`] looks and proposes. No module can
//! act. Authors write the typed trait; parameters are decoded and results encoded in one place, here.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use deminer_worker::action::{Act, Effect};
use deminer_worker::query::{Coverage, HostError};
use deminer_worker::text::Digest;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ask::AskTwin;
use crate::external::ExternalError;
use crate::finding::{Artifact, Finding, FindingId, Verdict};
use crate::host::HostView;
use crate::playbook::{Library, Phase};
use crate::policy::{Leave, Policy};

/// What a module tells about itself; with its parameters' schema it is the manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// `noun.verb`, as a playbook names it.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// What it can do at most.
    pub effect: Effect,
    /// Where it may stand.
    pub phases: &'static [Phase],
    /// The handbook's section.
    pub handbook: &'static str,
    /// What it cannot see; for the operator.
    pub not_seen: &'static str,
    /// A step that uses it, as YAML.
    pub example: &'static str,
}

/// What parameters must be.
pub trait Params: DeserializeOwned + JsonSchema + Send + Sync + 'static {}
impl<T: DeserializeOwned + JsonSchema + Send + Sync + 'static> Params for T {}

/// What an output must be.
pub trait Output: Serialize + JsonSchema + Send + 'static {}
impl<T: Serialize + JsonSchema + Send + 'static> Output for T {}

/// What every module returns.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<T> {
    /// Becomes `steps.ID`.
    pub output: T,
    /// What it states.
    pub findings: Vec<Finding>,
    /// What it could not see.
    pub coverage: Coverage,
}

impl<T> Outcome<T> {
    /// An output without findings or gaps.
    pub fn of(output: T) -> Self {
        Self {
            output,
            findings: Vec::new(),
            coverage: Coverage::whole(),
        }
    }

    /// With what could not be seen.
    #[must_use]
    pub fn seen_with(mut self, coverage: Coverage) -> Self {
        self.coverage = coverage;
        self
    }
}

/// One change that a responder proposes; its id, order and evidence are the engine's.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The component it belongs to.
    pub component: u32,
    /// What is to be done.
    pub act: Act,
    /// The findings that justify it; the engine refuses unknown ones.
    pub because: Vec<FindingId>,
}

/// Looks at a host.
#[async_trait]
pub trait Collector: Send + Sync + 'static {
    /// The manual.
    const ABOUT: About;
    /// Its parameters.
    type Params: Params;
    /// Its output.
    type Output: Output;
    /// What it does that needs a leave of its own; `None` for what only asks the kernel.
    const NEEDS: Option<Leave> = None;

    /// The programs of the host that it runs with these parameters, each with its arguments; for the plan to state.
    fn runs(_: &Self::Params) -> Vec<Vec<String>> {
        Vec::new()
    }

    /// What must not come back, by these parameters; in `verify` the engine holds it against what was struck.
    fn seeks(_: Self::Params) -> Vec<Artifact> {
        Vec::new()
    }

    /// Whether a file that a parameter names can be read; `None` where this module reads none. `check` asks, before any
    /// host is reached.
    fn reads(_: &Resource) -> Option<Result<(), Misread>> {
        None
    }

    /// Looks.
    ///
    /// # Errors
    /// When it has no output at all; what is missing stands in the coverage.
    async fn collect(&self, host: &dyn HostView, params: Self::Params) -> Result<Outcome<Self::Output>, ModuleError>;
}

/// Judges what others found.
#[async_trait]
pub trait Analyzer: Send + Sync + 'static {
    /// The manual.
    const ABOUT: About;
    /// Its parameters.
    type Params: Params;
    /// Its output.
    type Output: Output;

    /// Whether a file that a parameter names can be read; `None` where this module reads none. `check` asks, before any
    /// host is reached.
    fn reads(_: &Resource) -> Option<Result<(), Misread>> {
        None
    }

    /// Judges. A verdict `clean` over a material gap becomes `cannot_say` by the engine.
    ///
    /// # Errors
    /// When its parameters contradict each other.
    async fn judge(&self, params: Self::Params) -> Result<(Outcome<Self::Output>, Option<Verdict>), ModuleError>;
}

/// Looks at a host and proposes changes; carries none out.
#[async_trait]
pub trait Responder: Send + Sync + 'static {
    /// The manual.
    const ABOUT: About;
    /// Its parameters.
    type Params: Params;
    /// Its output.
    type Output: Output;
    /// What its acts do that needs a leave of its own; `None` for acts that say all of it by their kind.
    const NEEDS: Option<Leave> = None;

    /// Why these parameters are refused on every host; `check` asks where all of them are written out.
    fn refuses(_: &Self::Params) -> Option<String> {
        None
    }

    /// Proposes.
    ///
    /// # Errors
    /// When an object cannot be named by its identity.
    async fn propose(
        &self,
        host: &dyn HostView,
        params: Self::Params,
    ) -> Result<(Outcome<Self::Output>, Vec<Proposal>), ModuleError>;
}

/// Why a module has no outcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModuleError {
    /// The host did not answer.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The worker answered another question.
    #[error("the host answered another question than `{asked}`")]
    WrongAnswer {
        /// What was asked.
        asked: String,
    },
    /// A parameter has a value that it may not have.
    #[error("parameter `{name}`: {why}")]
    Parameter {
        /// Its name; empty where the whole is meant.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the playbook (rules) cannot be read.
    #[error(transparent)]
    Resource(#[from] Misread),
    /// A module from outside gave nothing.
    #[error("external module `{module}`: {why}")]
    External {
        /// Its name.
        module: String,
        /// What became of it.
        why: ExternalError,
    },
}

/// What is wrong with a [`Resource`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}: {why}", at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
pub struct Misread {
    /// As the playbook names it.
    pub path: String,
    /// Line and column (of characters), both from 1; `None` where it is the whole.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub why: String,
}

/// A file beside the playbook, handed to a module by content: modules open nothing themselves.
///
/// In YAML it is a path, relative to the playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// As the playbook names it.
    pub path: String,
    /// The content.
    pub text: String,
}

/// The `format` in a schema by which the engine knows a [`Resource`].
pub const RESOURCE_FORMAT: &str = "deminer-resource";

impl JsonSchema for Resource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Resource".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "format": RESOURCE_FORMAT})
    }
}

/// Text that the playbook itself must write, or that its variables hold: never a value of a host.
///
/// `check` refuses a parameter of this type that refers to a step, to the host or to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlaybookText(pub String);

/// The `format` in a schema by which the engine knows a [`PlaybookText`].
pub const PLAYBOOK_TEXT_FORMAT: &str = "deminer-playbook-text";

impl JsonSchema for PlaybookText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PlaybookText".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "string", "format": PLAYBOOK_TEXT_FORMAT})
    }
}

/// What a run of a module gives, types erased.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// Becomes `steps.ID`.
    pub output: Value,
    /// What it states.
    pub findings: Vec<Finding>,
    /// What it could not see.
    pub coverage: Coverage,
    /// An analyzer's word.
    pub verdict: Option<Verdict>,
    /// A responder's proposals.
    pub proposals: Vec<Proposal>,
}

/// The erased twin of the three traits.
#[async_trait]
pub trait Erased: Send + Sync {
    /// The manual. A method, since modules that come from outside have no constant.
    fn about(&self) -> &About;
    /// The schema of its parameters.
    fn params_schema(&self) -> Schema;
    /// The schema of its output.
    fn output_schema(&self) -> Schema;
    /// What it does that needs a leave of its own.
    fn needs(&self) -> Option<Leave> {
        None
    }
    /// The digest of its file, where it comes from outside.
    fn comes_from(&self) -> Option<Digest> {
        None
    }
    /// The programs of the host that it runs with these parameters; none where they do not decode.
    fn runs(&self, _params: &Value) -> Vec<Vec<String>> {
        Vec::new()
    }
    /// What must not come back, by these parameters; none where they do not decode.
    fn seeks(&self, _params: Value) -> Vec<Artifact> {
        Vec::new()
    }
    /// Whether a file that a parameter names can be read; `None` where it reads none.
    fn reads(&self, _file: &Resource) -> Option<Result<(), Misread>> {
        None
    }
    /// Why these parameters are none of this module; `None` where they decode.
    fn undecodable(&self, _params: &Value) -> Option<String> {
        None
    }
    /// Why these parameters are refused on every host; `None` where they are not, or do not decode.
    fn refuses(&self, _params: &Value) -> Option<String> {
        None
    }
    /// Runs it. An analyzer is given no host.
    ///
    /// # Errors
    /// As the typed traits say; parameters that do not decode are `Parameter`.
    async fn run(&self, host: Option<&dyn HostView>, params: Value) -> Result<Ran, ModuleError>;
}

/// A module, by its power.
#[derive(Clone)]
pub enum Module {
    /// Looks.
    Collector(Arc<dyn Erased>),
    /// Judges.
    Analyzer(Arc<dyn Erased>),
    /// Proposes.
    Responder(Arc<dyn Erased>),
    /// Asks a person; it is given no host, and the session carries it out.
    Question(Arc<dyn Erased>),
}

/// The schemas of a module, made when they are first asked for.
#[derive(Default)]
struct Schemas {
    params: OnceLock<Schema>,
    output: OnceLock<Schema>,
}

struct CollectorTwin<T>(T, Schemas);
struct AnalyzerTwin<T>(T, Schemas);
struct ResponderTwin<T>(T, Schemas);

fn decode<P: Params>(params: Value) -> Result<P, ModuleError> {
    serde_json::from_value(params).map_err(|error| ModuleError::Parameter {
        name: String::new(),
        why: error.to_string(),
    })
}

fn undecodable<P: Params>(params: &Value) -> Option<String> {
    serde_json::from_value::<P>(params.clone())
        .err()
        .map(|error| error.to_string())
}

fn encode<T: Output>(outcome: Outcome<T>) -> Result<Ran, ModuleError> {
    let output = serde_json::to_value(outcome.output).map_err(|error| ModuleError::Parameter {
        name: "output".to_owned(),
        why: error.to_string(),
    })?;
    Ok(Ran {
        output,
        findings: outcome.findings,
        coverage: outcome.coverage,
        verdict: None,
        proposals: Vec::new(),
    })
}

fn given(host: Option<&dyn HostView>) -> Result<&dyn HostView, ModuleError> {
    host.ok_or_else(|| ModuleError::Parameter {
        name: String::new(),
        why: "no host to look at".to_owned(),
    })
}

#[async_trait]
impl<T: Collector> Erased for CollectorTwin<T> {
    fn about(&self) -> &About {
        &T::ABOUT
    }
    fn reads(&self, file: &Resource) -> Option<Result<(), Misread>> {
        T::reads(file)
    }
    fn undecodable(&self, params: &Value) -> Option<String> {
        undecodable::<T::Params>(params)
    }
    fn params_schema(&self) -> Schema {
        self.1.params.get_or_init(|| schema_for!(T::Params)).clone()
    }
    fn output_schema(&self) -> Schema {
        self.1.output.get_or_init(|| schema_for!(T::Output)).clone()
    }
    fn needs(&self) -> Option<Leave> {
        T::NEEDS
    }
    fn runs(&self, params: &Value) -> Vec<Vec<String>> {
        let params = decode(params.clone());
        params.map(|params| T::runs(&params)).unwrap_or_default()
    }
    fn seeks(&self, params: Value) -> Vec<Artifact> {
        decode(params).map(T::seeks).unwrap_or_default()
    }
    async fn run(&self, host: Option<&dyn HostView>, params: Value) -> Result<Ran, ModuleError> {
        encode(self.0.collect(given(host)?, decode(params)?).await?)
    }
}

#[async_trait]
impl<T: Analyzer> Erased for AnalyzerTwin<T> {
    fn about(&self) -> &About {
        &T::ABOUT
    }
    fn reads(&self, file: &Resource) -> Option<Result<(), Misread>> {
        T::reads(file)
    }
    fn undecodable(&self, params: &Value) -> Option<String> {
        undecodable::<T::Params>(params)
    }
    fn params_schema(&self) -> Schema {
        self.1.params.get_or_init(|| schema_for!(T::Params)).clone()
    }
    fn output_schema(&self) -> Schema {
        self.1.output.get_or_init(|| schema_for!(T::Output)).clone()
    }
    async fn run(&self, _: Option<&dyn HostView>, params: Value) -> Result<Ran, ModuleError> {
        let (outcome, verdict) = self.0.judge(decode(params)?).await?;
        Ok(Ran {
            verdict,
            ..encode(outcome)?
        })
    }
}

#[async_trait]
impl<T: Responder> Erased for ResponderTwin<T> {
    fn refuses(&self, params: &Value) -> Option<String> {
        decode(params.clone()).ok().and_then(|params| T::refuses(&params))
    }
    fn about(&self) -> &About {
        &T::ABOUT
    }
    fn needs(&self) -> Option<Leave> {
        T::NEEDS
    }
    fn undecodable(&self, params: &Value) -> Option<String> {
        undecodable::<T::Params>(params)
    }
    fn params_schema(&self) -> Schema {
        self.1.params.get_or_init(|| schema_for!(T::Params)).clone()
    }
    fn output_schema(&self) -> Schema {
        self.1.output.get_or_init(|| schema_for!(T::Output)).clone()
    }
    async fn run(&self, host: Option<&dyn HostView>, params: Value) -> Result<Ran, ModuleError> {
        let (outcome, proposals) = self.0.propose(given(host)?, decode(params)?).await?;
        Ok(Ran {
            proposals,
            ..encode(outcome)?
        })
    }
}

impl Module {
    /// A module that looks.
    pub fn collector<T: Collector>(module: T) -> Module {
        Module::Collector(Arc::new(CollectorTwin(module, Schemas::default())))
    }

    /// A module that judges.
    pub fn analyzer<T: Analyzer>(module: T) -> Module {
        Module::Analyzer(Arc::new(AnalyzerTwin(module, Schemas::default())))
    }

    /// A module that proposes.
    pub fn responder<T: Responder>(module: T) -> Module {
        Module::Responder(Arc::new(ResponderTwin(module, Schemas::default())))
    }

    /// Its erased twin.
    pub fn erased(&self) -> &dyn Erased {
        match self {
            Module::Collector(m) | Module::Analyzer(m) | Module::Responder(m) | Module::Question(m) => m.as_ref(),
        }
    }

    /// Its manual.
    pub fn about(&self) -> &About {
        self.erased().about()
    }
}

/// The modules that playbooks may name. Several crates can add to it.
#[derive(Clone, Default)]
pub struct Registry {
    modules: IndexMap<&'static str, Module>,
    policy: Policy,
    shelf: Library,
}

impl Registry {
    /// Holds these, and [`crate::ask`], which is of the language; a later one replaces an earlier of the same name.
    pub fn new(modules: impl IntoIterator<Item = Module>) -> Registry {
        let ask = Module::Question(Arc::new(AskTwin));
        let named = modules.into_iter().chain([ask]).map(|m| (m.about().name, m));
        Registry {
            modules: named.collect(),
            policy: Policy::default(),
            shelf: Library::default(),
        }
    }

    /// With what playbooks may include and name by itself.
    #[must_use]
    pub fn with_library(mut self, shelf: Library) -> Registry {
        self.shelf = shelf;
        self
    }

    /// What playbooks may include and name by itself.
    pub fn shelf(&self) -> Library {
        self.shelf
    }

    /// The same modules, to be used under this policy.
    #[must_use]
    pub fn under(mut self, policy: Policy) -> Registry {
        self.policy = policy;
        self
    }

    /// With one more.
    ///
    /// # Errors
    /// When there is one of that name: its name.
    pub fn with(mut self, module: Module) -> Result<Registry, &'static str> {
        let name = module.about().name;
        match self.modules.contains_key(name) {
            true => Err(name),
            false => {
                self.modules.insert(name, module);
                Ok(self)
            }
        }
    }

    /// The leaves that were given.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The module of that name.
    pub fn find(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// All, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.values()
    }
}
