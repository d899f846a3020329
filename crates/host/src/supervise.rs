//! Keeps a gateway running: builds it, watches its parts, and rebuilds it when one fails. The trust
//! service, the bound port, the lock of the state directory and the log stay; runs stay where the gateway
//! alone failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::boot::{self, BootError};
use crate::conditions::Conditions;
use crate::options::ServeOptions;
use crate::process_context::ProcessContext;
use crate::restart_policy::{Next, RestartPolicy};
use crate::running::{Failed, RunningHost};
use crate::services::{DRAIN, Services};

/// Beyond what stopping in order may take, in case it hangs. Closing the store alone has 0.3 s beyond
/// [`DRAIN`], and a busy machine is slow at each step.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisedState {
    /// It is being built.
    Starting,
    /// It serves.
    Ready {
        /// How many times it was built so far, this time included.
        generation: u64,
        /// Its port on this computer.
        port: u16,
        /// What is missing, each a sentence for a person.
        degraded: Vec<String>,
    },
    /// It failed and is built again.
    BackingOff {
        /// After so long.
        pause: Duration,
        /// Why it failed, a sentence.
        reason: String,
    },
    /// It failed, and trying again by itself would not help. A person can ask for it.
    Failed {
        /// Why, a sentence.
        reason: String,
    },
    /// It was told to stop.
    Stopping,
    /// It has stopped. Nothing follows.
    Stopped,
}

/// A gateway that is kept running. A cheap handle; when the last one is dropped it stops.
#[derive(Clone)]
pub struct Supervised {
    states: watch::Receiver<SupervisedState>,
    present: watch::Receiver<Option<Arc<RunningHost>>>,
    free_port: watch::Receiver<Option<u16>>,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
}

/// What a person asked for.
#[derive(Debug, Clone, Copy)]
enum Order {
    Restart { port: Option<u16> },
}

/// Starts the log, and then a gateway beside the caller, and keeps it running. To be called within
/// a runtime. What goes wrong is a state, not an error.
#[must_use]
pub fn supervise(options: ServeOptions) -> Supervised {
    let context = Arc::new(ProcessContext::new(options));
    let (states, states_seen) = watch::channel(SupervisedState::Starting);
    let (present, present_seen) = watch::channel(None);
    let (free_port, free_port_seen) = watch::channel(None);
    // One order at a time: a second one, given before the first is seen, asks for the same.
    let (orders, received) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let supervisor = Supervisor {
        context,
        states,
        present,
        free_port,
        orders: received,
        stop: stop.clone(),
        policy: RestartPolicy::default(),
        origin: Instant::now(),
        generation: 0,
        kept: None,
    };
    #[cfg(target_os = "linux")]
    let reaping = tokio::spawn(crate::orphans::reap());
    tokio::spawn(async move {
        supervisor.run().await;
        #[cfg(target_os = "linux")]
        reaping.abort();
    });
    Supervised { states: states_seen, present: present_seen, free_port: free_port_seen, orders, stop }
}

impl Supervised {
    /// Follows how the gateway is.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<SupervisedState> {
        self.states.clone()
    }

    /// The gateway that serves now; `None` while there is none. Another one takes its place after
    /// a restart, so it is not to be kept.
    #[must_use]
    pub fn host(&self) -> Option<Arc<RunningHost>> {
        self.present.borrow().clone()
    }

    /// A port to offer when it failed because its own is taken.
    #[must_use]
    pub fn free_port(&self) -> Option<u16> {
        *self.free_port.borrow()
    }

    /// Rebuilds it because a person asked: what serves is stopped in order, what failed is tried
    /// again at once, and earlier failures are forgotten.
    pub fn restart(&self) {
        // When an order waits already, that one does it.
        let _ = self.orders.try_send(Order::Restart { port: None });
    }

    /// As [`Self::restart`], on another port until the process ends.
    pub fn restart_on(&self, port: u16) {
        let _ = self.orders.try_send(Order::Restart { port: Some(port) });
    }

    /// Stops in order, within three seconds, and gives up port and state directory.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut states = self.states.clone();
        // A supervisor that is gone has stopped, too.
        let _ = states.wait_for(|state| *state == SupervisedState::Stopped).await;
    }
}

impl std::fmt::Debug for Supervised {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Supervised").field("state", &*self.states.borrow()).finish_non_exhaustive()
    }
}

struct Supervisor {
    context: Arc<ProcessContext>,
    states: watch::Sender<SupervisedState>,
    present: watch::Sender<Option<Arc<RunningHost>>>,
    free_port: watch::Sender<Option<u16>>,
    orders: mpsc::Receiver<Order>,
    stop: CancellationToken,
    policy: RestartPolicy,
    /// What the policy counts time from.
    origin: Instant,
    generation: u64,
    /// What the gateway that failed served, for the next one.
    kept: Option<Arc<Services>>,
}

/// Why one gateway ended.
enum Ended {
    /// It was told to stop.
    Stop,
    /// A person wants another one.
    Order(Order),
    /// It failed.
    Failure {
        reason: String,
        /// Whether building it again may help.
        may_help: bool,
    },
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let started = self.origin.elapsed();
            self.say(SupervisedState::Starting);
            let ended = match self.build().await {
                Ok(host) => self.watch(host, started).await,
                Err(ended) => self.after(ended, started),
            };
            let order = match ended {
                Then::Stop => break,
                Then::Again(order) => order,
                Then::Wait(pause) => {
                    if pause.is_none() {
                        // Nobody could reach it.
                        self.end_kept().await;
                    }
                    match self.wait(pause).await {
                        Some(order) => order,
                        None => break,
                    }
                }
            };
            if let Some(order) = order {
                self.end_kept().await;
                self.obey(order);
            }
        }
        self.say(SupervisedState::Stopping);
        self.end_kept().await;
        if let Some(memory) = self.context.forget_memory() {
            memory.close().await;
        }
        self.context.release();
        self.say(SupervisedState::Stopped);
    }

    fn say(&self, state: SupervisedState) {
        self.states.send_if_modified(|said| {
            let is_new = *said != state;
            *said = state;
            is_new
        });
    }

    /// Builds a gateway. In a task of its own, so that a panic is a failure like any other.
    async fn build(&mut self) -> Result<Arc<RunningHost>, Ended> {
        let mut building = tokio::spawn(boot::build(self.context.clone(), self.kept.clone()));
        let built = tokio::select! {
            built = &mut building => built,
            () = self.stop.cancelled() => {
                // Half of one could not be stopped in order; the whole takes milliseconds.
                match tokio::time::timeout(DRAIN, &mut building).await {
                    Ok(Ok(Ok(host))) => self.shut_down(Arc::new(host), "shutdown").await,
                    Ok(_) => {}
                    Err(_) => building.abort(),
                }
                return Err(Ended::Stop);
            }
        };
        // What was asked before this gateway was there is done.
        while self.orders.try_recv().is_ok() {}
        match built {
            Ok(Ok(host)) => Ok(Arc::new(host)),
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => Err(Ended::Failure {
                reason: "Tidegate failed while it started, which is a defect; the log says more.".to_owned(),
                may_help: true,
            }),
        }
    }

    fn failure(&self, error: &BootError) -> Ended {
        // The port to offer stands beside the reason: each place offers it in its own way.
        let (reason, free) = match error {
            BootError::Bind { source, free } => (source.to_string(), *free),
            _ => (error.to_string(), None),
        };
        self.free_port.send_replace(free);
        // Once we have served, the one that holds the store is the gateway before, which did not end
        // in time.
        let is_ours = self.generation > 0 && matches!(error, BootError::AlreadyRunning { .. });
        Ended::Failure { reason, may_help: is_ours || error.may_pass() }
    }

    /// Watches a gateway until it has ended, and ends it in order. What it served is kept where the gateway
    /// alone failed.
    async fn watch(&mut self, host: Arc<RunningHost>, started: Duration) -> Then {
        self.kept = None;
        self.generation += 1;
        self.free_port.send_replace(None);
        self.present.send_replace(Some(host.clone()));
        let mut conditions = Conditions::of(host.clone());
        let ended = loop {
            self.say(SupervisedState::Ready {
                generation: self.generation,
                port: host.port(),
                degraded: conditions.sentences(),
            });
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break Ended::Stop,
                () = host.stop_requested() => break Ended::Stop,
                // Without any handle left, nobody could stop it.
                order = self.orders.recv() => break order.map_or(Ended::Stop, Ended::Order),
                failed = host.part_ended() => {
                    let (Failed::Gateway(part) | Failed::Services(part)) = failed;
                    if failed == Failed::Gateway(part) {
                        self.kept = Some(host.services.clone());
                    }
                    let reason = format!("A part of Tidegate failed (the {part}), which is a defect; the log says more.");
                    break Ended::Failure { reason, may_help: true };
                }
                () = conditions.changed() => {}
            }
        };
        drop(conditions);
        self.present.send_replace(None);
        let reason = if matches!(ended, Ended::Stop) { "shutdown" } else { "restart" };
        let then = self.after(ended, started);
        match self.kept {
            Some(_) => in_order(async move { host.shut_down_gateway(reason).await }).await,
            None => self.shut_down(host, reason).await,
        }
        then
    }

    /// Stops a gateway and what it serves.
    async fn shut_down(&self, host: Arc<RunningHost>, reason: &'static str) {
        in_order(async move { host.shut_down(reason).await }).await;
    }

    /// Stops what the gateway before served, if that was kept.
    async fn end_kept(&mut self) {
        if let Some(kept) = self.kept.take() {
            in_order(async move { kept.shut_down().await }).await;
        }
    }

    /// Decides what follows, and says it before the gateway is ended.
    fn after(&mut self, ended: Ended, started: Duration) -> Then {
        let (reason, may_help) = match ended {
            Ended::Stop => {
                self.say(SupervisedState::Stopping);
                return Then::Stop;
            }
            Ended::Order(order) => {
                self.say(SupervisedState::Starting);
                return Then::Again(Some(order));
            }
            Ended::Failure { reason, may_help } => (reason, may_help),
        };
        let next = match may_help {
            true => self.policy.failed(started, self.origin.elapsed(), jitter()),
            false => Next::GiveUp,
        };
        match next {
            Next::RestartAfter(pause) => {
                tracing::error!(%reason, pause_ms = pause.as_millis(), "the gateway failed and starts again");
                self.say(SupervisedState::BackingOff { pause, reason });
                Then::Wait(Some(pause))
            }
            Next::GiveUp => {
                tracing::error!(%reason, "the gateway failed and is not started again");
                self.say(SupervisedState::Failed { reason });
                Then::Wait(None)
            }
        }
    }

    /// Waits for the time to build again, or for a person; `None` to stop.
    async fn wait(&mut self, pause: Option<Duration>) -> Option<Option<Order>> {
        let paused = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            order = self.orders.recv() => order.map(Some),
            () = paused => Some(None),
        }
    }

    fn obey(&mut self, order: Order) {
        let Order::Restart { port } = order;
        self.policy = RestartPolicy::default();
        if let Some(port) = port {
            self.context.choose_port(port);
        }
        // A person restarts when the disk can be written again.
        if let Some(memory) = self.context.forget_memory() {
            tokio::spawn(memory.close());
        }
    }
}

/// Stops something. In a task of its own: whatever is wrong with it does not end us.
async fn in_order(stopping: impl Future<Output = ()> + Send + 'static) {
    if !matches!(tokio::time::timeout(DRAIN + PATIENCE, tokio::spawn(stopping)).await, Ok(Ok(()))) {
        tracing::warn!("the gateway could not be stopped in order");
    }
}

/// What follows on the end of a gateway.
enum Then {
    Stop,
    Again(Option<Order>),
    Wait(Option<Duration>),
}

/// From 0 to 1.
fn jitter() -> f64 {
    let mut byte = [0_u8];
    // Without random bytes there is no jitter, and nothing depends on it.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests;
