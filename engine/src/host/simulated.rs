//! A host in memory, behind the same loop and the same frames as a real one.

use std::os::unix::net::UnixStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::HostError;
use deminer_worker::serve::{Controller, serve};
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{Link, Transport};
use crate::schema::{DRAFT, of_type};

/// The JSON Schema of the file of a simulated host, for editors. It does not know what contradicts itself, as two processes of
/// one pid.
pub fn simulated_schema() -> Value {
    let mut schema = of_type::<World>();
    schema["$schema"] = json!(DRAFT);
    schema
}

#[async_trait]
impl Transport for Simulated {
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError> {
        let failed = |why: std::io::Error| HostError::Failed {
            doing: "start the worker".to_owned(),
            why: why.to_string(),
        };
        let (ours, theirs) = StdStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let output = theirs.try_clone().map_err(failed)?;
        let closing = theirs.try_clone().map_err(failed)?;
        let platform = self.clone();
        std::thread::spawn(move || {
            let mut controller = Controller::new(theirs, output);
            // A worker that the script kills unwinds to here; what it held is then its keeper's.
            let _ = catch_unwind(AssertUnwindSafe(|| serve(&platform, &mut controller)));
            let _ = closing.shutdown(std::net::Shutdown::Both);
            platform.worker_gone();
        });
        let (input, output) = UnixStream::from_std(ours).map_err(failed)?.into_split();
        let link = Link::begin(name, input, output).await?;
        link.lives_at(self.time_ms());
        Ok(link)
    }
}
