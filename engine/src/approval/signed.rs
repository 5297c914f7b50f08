//! Approvals that other people signed on other machines: each file is held against its signature, its signer against the
//! site's lists, and what enough of them said becomes the one approval that is carried out.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use deminer_worker::order::Approval;
use deminer_worker::text::{Digest, HostBytes, Wide};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::keygen::{Said, ask};
use super::policy::{Approvals, Requirement};
use super::signature::{self, NAMESPACE, namespace};
use super::{APPROVAL_BYTES, ApprovalError, ApprovedPlan, KeygenError, Needed, bounded, read_approval, unite};
use crate::base64_text;
use crate::plan::Plan;

/// What the signature's file is called behind the approval's name, as ssh-keygen calls it.
pub(super) const SUFFIX: &str = ".sig";

/// Names of one signer that are looked at.
const PRINCIPALS: usize = 64;

/// An approval whose signature is true and whose signer may sign. Made by [`Signed::check`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    name: String,
    approval: Approval,
    by: Signer,
    sha256: Digest,
    bytes: Vec<u8>,
    signature: Vec<u8>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// All names that the list gives the key, the one that was checked first; escaped.
    pub principals: Vec<String>,
    /// The key's fingerprint, `SHA256:...`; of a certificate, that of its key.
    pub key: String,
}

/// A signature, as a run's journal tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBy {
    /// Who, by the list of allowed signers.
    pub signer: String,
    /// The key's fingerprint.
    pub key: String,
    /// When the approval was made, in milliseconds since 1970 by the signer's own clock.
    pub at_ms: Wide,
    /// The sha256 of the approval's file.
    pub sha256: Digest,
    /// The sha256 of its signature's file.
    pub signature: Digest,
}

/// A file of approval and its signature, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFile {
    /// What messages call it.
    pub name: String,
    /// The approval's bytes.
    pub bytes: Vec<u8>,
    /// The signature's.
    pub signature: Vec<u8>,
}

/// Why a signed approval is none.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// The file, or its signature, cannot be read.
    #[error("cannot read {file}")]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// No signature lies beside it.
    #[error("the approval {file} is not signed: there is no {file}{SUFFIX}")]
    NoSignature {
        /// The approval.
        file: String,
    },
    /// What lies beside it is no signature.
    #[error("{file}{SUFFIX} is no signature of ssh-keygen")]
    NotASignature {
        /// The approval.
        file: String,
    },
    /// It was signed as something else.
    #[error("the approval {file} was signed as `{found}`, not as `{NAMESPACE}`")]
    OtherNamespace {
        /// The approval.
        file: String,
        /// As what.
        found: String,
    },
    /// The signature is of other bytes.
    #[error("the approval {file} is not what was signed: {why}")]
    Changed {
        /// The approval.
        file: String,
        /// ssh-keygen's word.
        why: String,
    },
    /// The key is on no line of the list that counts now.
    #[error("the approval {file} is signed with {key}, which {list} does not allow: {why}")]
    UnknownSigner {
        /// The approval.
        file: String,
        /// The key's fingerprint.
        key: String,
        /// The list.
        list: String,
        /// ssh-keygen's word.
        why: String,
    },
    /// The list has the key, but not for this.
    #[error("the approval {file} is signed by `{signer}`, whom {list} does not let sign this: {why}")]
    NotPermitted {
        /// The approval.
        file: String,
        /// Who signed.
        signer: String,
        /// The list.
        list: String,
        /// ssh-keygen's word.
        why: String,
    },
    /// The key counts no more.
    #[error("the approval {file} is signed by `{signer}` with {key}, a key that was revoked")]
    RevokedKey {
        /// The approval.
        file: String,
        /// Who signed.
        signer: String,
        /// The key's fingerprint.
        key: String,
    },
    /// The approval was taken back.
    #[error("the approval {file}, sha256 {sha256}, was revoked")]
    RevokedApproval {
        /// The approval.
        file: String,
        /// Its digest.
        sha256: Digest,
    },
    /// Nobody is named who may sign.
    #[error("no list says who may sign approvals")]
    NoSigners,
    /// The plan was made under another list of signers.
    #[error("the plan wants signers of the list with sha256 {stated}, {path} is {found}")]
    OtherSigners {
        /// The list at hand.
        path: String,
        /// Its digest.
        found: Digest,
        /// The plan's word.
        stated: Digest,
    },
    /// The approval does not fit the plan, or its time is over.
    #[error("the approval {file}: {why}")]
    Unfit {
        /// The approval.
        file: String,
        /// Why.
        #[source]
        why: Box<ApprovalError>,
    },
    /// Fewer people than are needed.
    #[error("{needed} different signers are needed, {} signed: {}", who.len(), names(who))]
    TooFew {
        /// How many are needed.
        needed: u32,
        /// Who signed, each person once.
        who: Vec<String>,
    },
    /// Enough people signed, but for nothing together.
    #[error(
        "{needed} different signers are needed, and no action has so many of: {}",
        names(who)
    )]
    NothingTogether {
        /// How many are needed.
        needed: u32,
        /// Who signed.
        who: Vec<String>,
    },
    /// What they said together does not hold together.
    #[error(transparent)]
    Together(#[from] ApprovalError),
    /// ssh-keygen cannot be asked.
    #[error(transparent)]
    Keygen(#[from] KeygenError),
}

fn names(who: &[String]) -> String {
    match who.is_empty() {
        true => "nobody".to_owned(),
        false => who.join(", "),
    }
}

impl SignedError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SignedError::Unreadable { .. } => "give the file of an approval; its signature lies beside it, as FILE.sig",
            SignedError::NoSignature { file } => {
                return Some(format!("sign it: `ssh-keygen -Y sign -n {NAMESPACE} -f KEY {file}`"));
            }
            SignedError::NotASignature { .. } | SignedError::Changed { .. } => {
                "get both files again from the signer; where they are as he sent them, do not trust the way between"
            }
            SignedError::OtherNamespace { file, .. } => {
                return Some(format!(
                    "it is to be signed again: `ssh-keygen -Y sign -n {NAMESPACE} -f KEY {file}`"
                ));
            }
            SignedError::UnknownSigner { .. } | SignedError::NotPermitted { .. } => {
                "who may sign, for what and when is said by the list of allowed signers, see ssh-keygen(1)"
            }
            SignedError::RevokedKey { .. } => "have it signed with a key that still counts",
            SignedError::RevokedApproval { .. } => "it counts no more: approve anew what is still meant",
            SignedError::NoSigners => {
                "name one in a policy, `approvals: {signers: allowed_signers}`, and that by --policy; a plan, also one that was made \
                 under an environment, holds only the digest of its list"
            }
            SignedError::OtherSigners { .. } => "apply it with the list that it was made under, or plan again",
            SignedError::Unfit { why, .. } => return why.hint(),
            SignedError::TooFew { .. } => {
                "another person must sign, with a key of their own: one counts once, by name and by key; then give each approval with \
                 --approval"
            }
            SignedError::NothingTogether { .. } => "they must approve the same hosts and the same effects",
            SignedError::Together(error) => return error.hint(),
            SignedError::Keygen(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

impl SignedFile {
    /// Reads an approval and the signature beside it.
    ///
    /// # Errors
    /// When one of them cannot be read, or there is no signature.
    pub fn read(path: &Path) -> Result<SignedFile, SignedError> {
        let name = path.display().to_string();
        let beside = beside(path);
        let read = |path: &Path, limit: usize| {
            let unreadable = |source| SignedError::Unreadable {
                file: path.display().to_string(),
                source,
            };
            let bytes = bounded(path, limit as u64).map_err(unreadable)?;
            bytes.ok_or_else(|| unreadable(std::io::ErrorKind::FileTooLarge.into()))
        };
        let bytes = read(path, APPROVAL_BYTES)?;
        match read(&beside, signature::BYTES) {
            Ok(signature) => Ok(SignedFile { name, bytes, signature }),
            Err(SignedError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(SignedError::NoSignature { file: name })
            }
            Err(error) => Err(error),
        }
    }
}

/// The file of the signature of a file.
pub fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(SUFFIX);
    beside.into()
}

/// The lists as they were read and the signature, as files for ssh-keygen: nobody can change them in between.
struct Lists {
    _folder: TempDir,
    signers: PathBuf,
    revoked: Option<PathBuf>,
    signature: PathBuf,
}

impl Lists {
    fn lay(file: &SignedFile, signers: &[u8], revoked: Option<&[u8]>, place: &Path) -> Result<Lists, SignedError> {
        let unreadable = |source| SignedError::Unreadable {
            file: place.display().to_string(),
            source,
        };
        // Only its owner may enter it.
        let folder = tempfile::Builder::new()
            .prefix("deminer-approval-")
            .tempdir_in(place)
            .map_err(unreadable)?;
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).map(|()| path).map_err(unreadable)
        };
        Ok(Lists {
            signers: put("signers", signers)?,
            revoked: revoked.map(|revoked| put("revoked", revoked)).transpose()?,
            signature: put("signature", &file.signature)?,
            _folder: folder,
        })
    }

    async fn ask(&self, question: &str, more: &[&OsStr], bytes: &[u8]) -> Result<Said, SignedError> {
        let signature = [OsStr::new("-s"), self.signature.as_os_str()];
        let words: Vec<&OsStr> = signature.iter().chain(more).copied().collect();
        Ok(ask(question, &words, bytes).await?)
    }

    async fn verify(&self, signer: &str, revoked: Option<&Path>, bytes: &[u8]) -> Result<Said, SignedError> {
        let mut words = vec![OsStr::new("-n"), NAMESPACE.as_ref(), "-I".as_ref(), signer.as_ref()];
        words.extend([OsStr::new("-f"), self.signers.as_os_str()]);
        if let Some(revoked) = revoked {
            words.extend([OsStr::new("-r"), revoked.as_os_str()]);
        }
        self.ask("verify", &words, bytes).await
    }
}

impl Signed {
    /// Holds an approval against its signature and the signature against the site's lists, now. `place` is a directory for
    /// a private one that is gone afterwards. Whether the approval fits a plan is not asked here.
    ///
    /// # Errors
    /// When it is not what was signed, or not by somebody who may.
    pub async fn check(
        file: SignedFile,
        approvals: &Approvals,
        plan: &Requirement,
        place: &Path,
    ) -> Result<Signed, SignedError> {
        let SignedFile { name, bytes, .. } = &file;
        let list = approvals.signers(plan)?;
        let sha256 = Digest::of(bytes);
        if approvals.is_withdrawn(sha256) {
            let file = name.clone();
            return Err(SignedError::RevokedApproval { file, sha256 });
        }
        match namespace(&file.signature) {
            None => return Err(SignedError::NotASignature { file: name.clone() }),
            Some(found) if found != NAMESPACE.as_bytes() => {
                return Err(SignedError::OtherNamespace {
                    file: name.clone(),
                    found: HostBytes::new(found).to_string(),
                });
            }
            Some(_) => {}
        }
        let revoked = approvals.revoked().map(|list| list.bytes.as_slice());
        let lists = Lists::lay(&file, &list.bytes, revoked, place)?;
        let true_to = lists
            .ask("check-novalidate", &["-n".as_ref(), NAMESPACE.as_ref()], bytes)
            .await?;
        let Some(key) = fingerprint(&true_to) else {
            return Err(SignedError::Changed {
                file: name.clone(),
                why: true_to.why,
            });
        };
        let found = lists
            .ask("find-principals", &["-f".as_ref(), lists.signers.as_os_str()], &[])
            .await?;
        let found_names = found.out.lines().filter(|line| !line.is_empty()).take(PRINCIPALS);
        let principals: Vec<&str> = found_names.filter(|_| found.yes).collect();
        let Some(first) = principals.first() else {
            return Err(SignedError::UnknownSigner {
                file: name.clone(),
                key,
                list: list.path.display().to_string(),
                why: found.why,
            });
        };
        let verified = lists.verify(first, lists.revoked.as_deref(), bytes).await?;
        if fingerprint(&verified).as_ref() != Some(&key) {
            let signer = HostBytes::from(*first).to_string();
            let counted_before = lists.revoked.is_some() && lists.verify(first, None, bytes).await?.yes;
            let file = name.clone();
            return Err(match counted_before {
                true => SignedError::RevokedKey { file, signer, key },
                false => SignedError::NotPermitted {
                    file,
                    signer,
                    list: list.path.display().to_string(),
                    why: verified.why,
                },
            });
        }
        // ssh-keygen names the first line of a key only; who stands in another line too is the same person.
        let mut names: Vec<String> = principals
            .iter()
            .map(|name| HostBytes::from(*name).to_string())
            .collect();
        for name in names_of(&list.bytes, &key) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let approval = read_approval(bytes).map_err(|why| SignedError::Unfit {
            file: name.clone(),
            why: Box::new(why),
        })?;
        Ok(Signed {
            name: file.name,
            approval,
            by: Signer { principals: names, key },
            sha256,
            bytes: file.bytes,
            signature: file.signature,
        })
    }

    /// As a run's journal tells it.
    pub fn told(&self) -> SignedBy {
        SignedBy {
            signer: self.by.name().to_owned(),
            key: self.by.key.clone(),
            at_ms: self.approval.at_ms,
            sha256: self.sha256,
            signature: Digest::of(&self.signature),
        }
    }

    /// What messages call its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was signed.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// Who signed it.
    pub fn by(&self) -> &Signer {
        &self.by
    }

    /// The approval's bytes and the signature's, as they were signed.
    pub fn files(&self) -> (&[u8], &[u8]) {
        (&self.bytes, &self.signature)
    }
}

impl Signer {
    /// The first of its names.
    pub fn name(&self) -> &str {
        self.principals.first().map_or("", String::as_str)
    }
}

/// The key of a signature that ssh-keygen calls good: the last word of `Good "..." signature with ED25519 key SHA256:...`.
fn fingerprint(said: &Said) -> Option<String> {
    let last = said.out.split_ascii_whitespace().last()?;
    (said.yes && last.starts_with("SHA256:")).then(|| last.to_owned())
}

/// The principals of every line of an allowed-signers list (ssh-keygen(1), ALLOWED SIGNERS) that has this key, by its
/// fingerprint; at most [`PRINCIPALS`].
fn names_of(list: &[u8], key: &str) -> Vec<String> {
    let is_key = |word: &[u8]| {
        let blob = base64_text::decoded(word);
        blob.is_some_and(|blob| key.strip_prefix("SHA256:") == Some(&base64_text::unpadded(&Digest::of(&blob).0)))
    };
    let names = list.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let principals = words.next().filter(|word| !word.starts_with(b"#"))?;
        words.any(is_key).then_some(principals)
    });
    let names = names.flat_map(|principals| principals.split(|byte| *byte == b','));
    let names = names.map(|name| {
        HostBytes::new(name.trim_ascii())
            .to_string()
            .trim_matches('"')
            .to_owned()
    });
    names.filter(|name| !name.is_empty()).take(PRINCIPALS).collect()
}

impl ApprovedPlan {
    /// Holds what enough people signed against a plan, now.
    ///
    /// # Errors
    /// When one of the approvals is for another plan or its time is over, too few people signed, or what they said together
    /// does not fit.
    pub fn signed(plan: &Plan, signed: &[Signed], needed: Needed, now_ms: u64) -> Result<ApprovedPlan, SignedError> {
        for one in signed {
            let fits = ApprovedPlan::new(plan.clone(), one.approval.clone(), now_ms);
            fits.map_err(|why| match why {
                ApprovalError::NothingToDo => SignedError::Together(why),
                why => SignedError::Unfit {
                    file: one.name.clone(),
                    why: Box::new(why),
                },
            })?;
        }
        let given: Vec<(&Signer, &Approval)> = signed.iter().map(|one| (&one.by, &one.approval)).collect();
        Ok(ApprovedPlan::new(
            plan.clone(),
            unite::unite(plan, &given, needed)?,
            now_ms,
        )?)
    }
}

#[cfg(test)]
mod tests;
