//! A host that can be left and come back to.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use deminer_worker::frame::ToWorker;
use deminer_worker::query::{Answer, HostError, Observed, Query};

use super::{Arrival, HostView, Link, Transport};

/// A host with the way to it: the link can be taken down for a while, and made anew.
pub struct Visit {
    name: String,
    transport: Arc<dyn Transport>,
    /// `None` while nobody is there.
    link: RwLock<Option<Arc<Link>>>,
    /// How the first worker came.
    arrival: OnceLock<Arrival>,
}

impl Visit {
    /// Reaches the host.
    ///
    /// # Errors
    /// As [`Transport::connect`].
    pub async fn begin(name: &str, transport: &Arc<dyn Transport>) -> Result<Arc<Visit>, HostError> {
        let link = transport.connect(name).await?;
        let arrival = link.arrival().cloned().map_or_else(OnceLock::new, OnceLock::from);
        Ok(Arc::new(Visit {
            name: name.to_owned(),
            transport: Arc::clone(transport),
            link: RwLock::new(Some(link)),
            arrival,
        }))
    }

    /// The way to it.
    pub fn transport(&self) -> &dyn Transport {
        self.transport.as_ref()
    }

    /// The link that stands. Who keeps it keeps the connection.
    ///
    /// # Errors
    /// When nobody is there.
    pub fn link(&self) -> Result<Arc<Link>, HostError> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner).clone();
        link.ok_or_else(|| HostError::Lost {
            why: "the host was left, and not come back to".to_owned(),
        })
    }

    /// Ends the worker and the connection.
    pub async fn end(&self) {
        let link = self.link.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(link) = link {
            // A worker that is gone by itself needs no good-bye.
            let _ = link.say(&ToWorker::Bye).await;
        }
    }
}

#[async_trait]
impl HostView for Visit {
    fn name(&self) -> &str {
        &self.name
    }

    async fn observe(&self, query: Query) -> Result<Observed<Answer>, HostError> {
        self.link()?.observe(query).await
    }

    fn arrival(&self) -> Option<&Arrival> {
        self.arrival.get()
    }

    fn beside(&self, now_ms: u64) -> Option<u64> {
        self.link().ok()?.beside(now_ms)
    }

    async fn leave(&self, time: Duration) -> Result<bool, HostError> {
        if !self.transport.is_login() {
            return Ok(false);
        }
        self.end().await;
        tokio::time::sleep(time).await;
        let link = self.transport.connect(&self.name).await?;
        let key = |arrival: Option<&Arrival>| arrival.and_then(|arrival| arrival.host_key.clone());
        if key(link.arrival()) != key(self.arrival()) {
            return Err(HostError::Protocol {
                why: "another host key answers than before it was left".to_owned(),
            });
        }
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Some(link);
        Ok(true)
    }
}
