//! This machine: a program that contains the worker, started again over a socket pair.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use deminer_worker::PROGRAM_WORKER;
use deminer_worker::query::HostError;
use tokio::net::UnixStream;

use super::{Link, Transport};

/// Reaches this machine.
#[derive(Debug, Clone)]
pub struct Local {
    program: PathBuf,
}

impl Local {
    /// Starts `program` with the argument `worker`; the command names itself.
    pub fn new(program: impl Into<PathBuf>) -> Local {
        Local {
            program: program.into(),
        }
    }
}

#[async_trait]
impl Transport for Local {
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError> {
        let failed = |why: std::io::Error| HostError::Failed {
            doing: "start the worker".to_owned(),
            why: why.to_string(),
        };
        let (ours, theirs) = StdStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        tokio::process::Command::new(&self.program)
            .arg(PROGRAM_WORKER)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(failed)?;
        let (input, output) = UnixStream::from_std(ours).map_err(failed)?.into_split();
        Link::begin(name, input, output).await
    }
}
