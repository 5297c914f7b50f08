//! Carrying one step out: once, or again until something holds, and no longer than it may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deminer_worker::query::GapReason;

use super::Clock;
use super::job::Job;
use crate::host::HostView;
use crate::module::Ran;
use crate::playbook::{CheckedPlaybook, CheckedUntil};
use crate::template::{Held, Scope};

/// A module's panic is a defect of ours, and its step's failure.
pub(super) const BROKE_OFF: &str = "the module broke off: a defect of this program";

/// A step on its way.
pub(super) struct Drive {
    pub(super) job: Job,
    pub(super) host: Arc<dyn HostView>,
    pub(super) clock: Clock,
    pub(super) checked: Arc<CheckedPlaybook>,
    /// The step's number.
    pub(super) number: usize,
    /// What its `until` sees beside its own result.
    pub(super) scope: Scope,
}

/// How a step came out, and how long that took.
pub(super) struct DriveEnd {
    pub(super) result: Result<Ran, Broken>,
    pub(super) took_ms: u64,
    /// How often it looked.
    pub(super) tries: u32,
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: String,
    pub(super) gap: GapReason,
    /// What the last look gave, where only `until` did not hold.
    pub(super) last: Option<Box<Ran>>,
}

impl From<String> for Broken {
    fn from(why: String) -> Broken {
        Broken {
            why,
            gap: GapReason::Failed,
            last: None,
        }
    }
}

impl Broken {
    /// The time was over.
    pub(super) fn timed_out(limit: Duration) -> Broken {
        Broken {
            why: format!("it took longer than its timeout of {}", written(limit)),
            gap: GapReason::TimedOut,
            last: None,
        }
    }
}

impl Drive {
    /// Carries it out.
    pub(super) async fn run(self) -> DriveEnd {
        let (clock, begun) = (Arc::clone(&self.clock), (self.clock)());
        let timeout = self.checked.steps()[self.number].timeout;
        let given_up = Arc::new(AtomicBool::new(false));
        let mut tries = 0;
        let result = match timeout {
            None => self.looks(&given_up, &mut tries).await,
            Some(limit) => match tokio::time::timeout(limit, self.looks(&given_up, &mut tries)).await {
                Ok(result) => result,
                Err(_) => {
                    given_up.store(true, Ordering::Relaxed);
                    Err(Broken::timed_out(limit))
                }
            },
        };
        DriveEnd {
            result,
            took_ms: clock().saturating_sub(begun),
            tries,
        }
    }

    async fn looks(self, given_up: &Arc<AtomicBool>, tries: &mut u32) -> Result<Ran, Broken> {
        let checked = Arc::clone(&self.checked);
        let step = &checked.steps()[self.number];
        let Some(until) = &step.until else {
            *tries = 1;
            return Ok(once(self.job, self.host, given_up, step.timeout.is_some()).await?);
        };
        let id = step.id.as_deref().unwrap_or_default();
        loop {
            *tries += 1;
            let ran = once(
                self.job.clone(),
                Arc::clone(&self.host),
                given_up,
                step.timeout.is_some(),
            )
            .await;
            let broken = match ran {
                Ok(mut ran) => match held(until, &self.scope, id, &mut ran) {
                    Ok(true) => return Ok(ran),
                    Ok(false) => Broken {
                        last: Some(Box::new(ran)),
                        ..Broken::from(never(until, *tries, None))
                    },
                    Err(why) => Broken {
                        last: Some(Box::new(ran)),
                        ..Broken::from(never(until, *tries, Some(&why)))
                    },
                },
                Err(why) => Broken::from(why),
            };
            if *tries > until.retries {
                return Err(broken);
            }
            tokio::time::sleep(until.delay).await;
        }
    }
}

/// One look. One that may be given up is not broken off in the middle, where it could leave half a question on the link:
/// it goes on by itself, and what it gives is dropped.
async fn once(job: Job, host: Arc<dyn HostView>, given_up: &Arc<AtomicBool>, apart: bool) -> Result<Ran, String> {
    if !apart {
        return job.all(host, given_up).await;
    }
    let given_up = Arc::clone(given_up);
    let look = tokio::spawn(async move { job.all(host, &given_up).await });
    look.await.unwrap_or_else(|_| Err(BROKE_OFF.to_owned()))
}

/// Whether `until` holds over what the step gave.
fn held(until: &CheckedUntil, scope: &Scope, id: &str, ran: &mut Ran) -> Result<bool, String> {
    let output = Held::new(std::mem::take(&mut ran.output));
    let mut scope = scope.clone();
    scope.steps.insert(id.to_owned(), Arc::clone(&output));
    let holds = until.holds.holds(&scope).map_err(|error| error.to_string());
    drop(scope);
    ran.output = Held::into_json(output).map_err(|error| error.to_string())?;
    holds
}

fn never(until: &CheckedUntil, tries: u32, why: Option<&str>) -> String {
    let looks = match tries {
        1 => "1 look".to_owned(),
        n => format!("{n} looks"),
    };
    match why {
        None => format!("`until` did not hold after {looks}: `{}`", until.holds.text()),
        Some(why) => format!("`until` did not hold after {looks}: {why}"),
    }
}

/// `90s`, `1500ms`.
fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}
