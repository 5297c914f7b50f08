//! What the site wants of approvals, and the signed ones that were given.

use std::path::{Path, PathBuf};

use deminer_engine::approval::{
    ApprovalError, Approvals, ApprovedPlan, KeyList, KeygenError, Requirement, SIGNATURE, Signed, SignedError,
    SignedFile,
};
use deminer_engine::plan::Plan;
use deminer_engine::policy::SitePolicy;
use deminer_engine::run::RunDir;
use deminer_worker::order::Approval;

use super::{Desk, Trouble};
use crate::exit::Exit;

/// The variable that names a policy where the command line does not.
const POLICY: &str = "DEMINER_POLICY";

/// The policy of the whole machine.
const SITE: &str = "/etc/deminer/policy.yml";

/// Signed approvals that fit a plan together.
pub(crate) struct Given {
    pub(crate) approved: ApprovedPlan,
    pub(crate) signed: Vec<Signed>,
    /// What they were held against.
    pub(crate) under: Approvals,
}

impl Desk {
    /// What the site wants of approvals.
    ///
    /// # Errors
    /// As [`Desk::policy`].
    pub(crate) fn approvals(&self) -> anyhow::Result<Approvals> {
        Ok(self.policy()?.approvals)
    }

    /// What the site decides about every plan.
    ///
    /// # Errors
    /// When the policy that was named is not there, or none.
    pub(crate) fn policy(&self) -> anyhow::Result<SitePolicy> {
        let file = match self.said.alone {
            true => self.said.policy.clone(),
            false => policy_file(self.said.policy.as_deref()),
        };
        let Some(file) = file else {
            return Ok(SitePolicy::default());
        };
        SitePolicy::read(&file).map_err(|error| {
            let why = std::error::Error::source(&error).map(|why| format!(": {why}"));
            Trouble::new(Exit::Usage, format!("{error}{}", why.unwrap_or_default()), error.hint()).into()
        })
    }
}

/// The policy that was named, or else the first that there is.
fn policy_file(named: Option<&Path>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let by_name = || {
        std::env::var_os(POLICY)
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
    };
    if let Some(file) = named.map(Path::to_path_buf).or_else(by_name) {
        return Some(file);
    }
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let own = config.map(|config| config.join("deminer/policy.yml"));
    // What cannot be looked at is not passed over: reading it says why.
    let is_there = |file: &PathBuf| file.try_exists().unwrap_or(true);
    own.into_iter().chain([PathBuf::from(SITE)]).find(is_there)
}

/// Whether the policy here has the list of signers that a plan wants, or the plan wants none of its own. A policy that cannot be
/// read is said where it is needed.
pub(crate) fn knows_signers(desk: &Desk, plan: &Plan) -> bool {
    let Some(wanted) = plan.header().requirement().signers else {
        return true;
    };
    let here = desk.approvals().ok();
    here.and_then(|here| here.listed().map(KeyList::digest)) == Some(wanted)
}

/// Whether the yes of whoever sits here does for a plan.
///
/// # Errors
/// When the policy is none.
pub(crate) fn unsigned_does(desk: &Desk, plan: &Plan) -> anyhow::Result<bool> {
    Ok(wants_signatures(desk, &plan.header().requirement())?.is_none())
}

/// Why a yes that is not signed does not do, where the plan or the policy here wants signatures.
///
/// # Errors
/// When the policy is none.
pub(crate) fn wants_signatures(desk: &Desk, stated: &Requirement) -> anyhow::Result<Option<ApprovalError>> {
    let needs = desk.approvals()?.over(stated);
    Ok((!needs.unsigned).then(|| ApprovalError::Unsigned {
        needed: needs.needed.most(),
    }))
}

/// Refuses a yes that is not signed where the plan or the policy here wants signatures.
///
/// # Errors
/// Then.
pub(crate) fn allow_unsigned(desk: &Desk, stated: &Requirement) -> anyhow::Result<()> {
    match wants_signatures(desk, stated)? {
        Some(error) => Err(Trouble::new(Exit::Refused, &error, error.hint()).into()),
        None => Ok(()),
    }
}

/// Reads signed approvals and holds each against its signature and the lists here; not yet against what it approves.
///
/// # Errors
/// When one of them is none.
pub(crate) async fn signed(
    desk: &Desk,
    stated: &Requirement,
    files: &[PathBuf],
) -> anyhow::Result<(Vec<Signed>, Approvals)> {
    let files: Result<Vec<SignedFile>, SignedError> = files.iter().map(|file| SignedFile::read(file)).collect();
    let under = desk.approvals()?;
    let signed = checked(files.map_err(refused)?, &under, stated)
        .await
        .map_err(refused)?;
    Ok((signed, under))
}

async fn checked(files: Vec<SignedFile>, under: &Approvals, stated: &Requirement) -> Result<Vec<Signed>, SignedError> {
    let mut signed = Vec::new();
    for file in files {
        signed.push(Signed::check(file, under, stated, &std::env::temp_dir()).await?);
    }
    Ok(signed)
}

/// Reads signed approvals and holds them against the plan, as its header and the policy here want it; `None` where the plan
/// changes nothing.
///
/// # Errors
/// When one of them is none, or they are too few.
pub(crate) async fn given(desk: &Desk, plan: &Plan, files: &[PathBuf]) -> anyhow::Result<Option<Given>> {
    let files: Result<Vec<SignedFile>, SignedError> = files.iter().map(|file| SignedFile::read(file)).collect();
    let under = desk.approvals()?;
    match held(plan, files.map_err(refused)?, under, desk.now_ms()).await {
        Ok(given) => Ok(Some(given)),
        Err(SignedError::Together(ApprovalError::NothingToDo)) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

/// Holds the signed approvals that a run rests on against its plan and the policy once more, before more is begun: they
/// must still say what the run carries out. Of a run that nobody signed for, nothing is asked.
///
/// # Errors
/// When one of them counts no more, or the run's approval says something else.
pub(crate) async fn again(desk: &Desk, run: &RunDir, plan: &Plan, approval: &Approval) -> anyhow::Result<()> {
    let files = run.signed()?;
    let under = desk.approvals()?;
    let is_unsigned = files.is_empty() && approval.means != SIGNATURE;
    if is_unsigned && under.over(&plan.header().requirement()).unsigned {
        return Ok(());
    }
    let under = under.or_signers(run.signers()?);
    let given = held(plan, files, under, desk.now_ms()).await.map_err(refused)?;
    if given.approved.approval() != approval {
        let what = format!("run {}: its approval is not what was signed", run.id());
        let hint = "somebody changed the run's files: apply the plan anew with the signed approvals".to_owned();
        return Err(Trouble::new(Exit::Refused, what, Some(hint)).into());
    }
    Ok(())
}

async fn held(plan: &Plan, files: Vec<SignedFile>, under: Approvals, now_ms: u64) -> Result<Given, SignedError> {
    let stated = plan.header().requirement();
    let signed = checked(files, &under, &stated).await?;
    let approved = ApprovedPlan::signed(plan, &signed, under.over(&stated).needed, now_ms)?;
    Ok(Given {
        approved,
        signed,
        under,
    })
}

fn refused(error: SignedError) -> anyhow::Error {
    let (exit, why) = match &error {
        SignedError::Unreadable { source, .. } => (Exit::Usage, format!(": {source}")),
        SignedError::Keygen(KeygenError::NotStarted { source }) => (Exit::Failed, format!(": {source}")),
        SignedError::Keygen(_) => (Exit::Failed, String::new()),
        _ => (Exit::Refused, String::new()),
    };
    Trouble::new(exit, format!("{error}{why}"), error.hint()).into()
}
