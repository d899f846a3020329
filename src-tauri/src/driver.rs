//! Drives the controller: tells it what happens, and has done what it says, in that order. The rules
//! are all in `tidegate-desktop-core`.

use std::future::pending;

use tauri::AppHandle;
use tidegate_clock as now;
use tidegate_desktop_core::controller::Controller;
use tidegate_desktop_core::shell::{Effect, Input, Surface};
use tidegate_gateway::{ClientDecisions, DesktopAuthority, DialogRequest};
use tidegate_host::SupervisedState;
use tidegate_protocol::payload::surfaces::{DesktopStatus, DesktopSurface, SurfaceState};
use tidegate_protocol::text::sentence;
use tokio::sync::{mpsc, watch};

use crate::actions::Actions;
use crate::dialog::Ended;
use crate::host::{self, Host};
use crate::inputs::Received;
use crate::surfaces;

/// What drives the controller.
pub(crate) struct Driver {
    pub(crate) controller: Controller,
    pub(crate) actions: Actions,
    pub(crate) inputs: Received,
    /// How dialogs ended.
    pub(crate) outcomes: mpsc::UnboundedReceiver<Ended>,
    pub(crate) host: Host,
    /// What clients decided, as far as the controller was told of it.
    pub(crate) told_decisions: ClientDecisions,
}

/// The gateway that serves now.
struct Served {
    generation: u64,
    desktop: DesktopAuthority,
    changes: watch::Receiver<u64>,
    dialog_requests: Option<mpsc::Receiver<DialogRequest>>,
    decisions: watch::Receiver<ClientDecisions>,
}

impl Served {
    fn of(generation: u64, desktop: DesktopAuthority) -> Self {
        let (changes, dialog_requests, mut decisions) =
            (desktop.changes(), desktop.dialog_requests(), desktop.client_decisions());
        // What was decided before anybody listened is sent as well.
        decisions.mark_changed();
        Self { generation, desktop, changes, dialog_requests, decisions }
    }

    /// What clients decided since `told`, which is brought up to date: the counts outlive a gateway.
    fn new_decisions(&mut self, told: &mut ClientDecisions) -> Vec<Input> {
        let now = *self.decisions.borrow_and_update();
        let ClientDecisions { let_in, refused, approved, approved_for_task, denied } =
            now.since(std::mem::replace(told, now));
        let about_others = (let_in > 0 || refused > 0).then_some(Input::DecidedByClients { let_in, refused });
        let for_agents = (approved > 0 || denied > 0).then_some(Input::AgentRequestsDecidedByClients {
            approved,
            approved_for_task,
            denied,
        });
        about_others.into_iter().chain(for_agents).collect()
    }
}

/// What the driver waits for.
enum Event {
    Host,
    Input(Input),
    Change,
    ClientDecisions,
    DialogRequest(DialogRequest),
    Wake,
    /// Nothing follows any more.
    End,
}

/// Runs the driver in a task of its own. When that panics, the gateway goes on, and the person sees
/// it.
pub(crate) fn run(app: &AppHandle, driver: Driver, first: Vec<Effect>) {
    let app = app.clone();
    #[cfg(feature = "fault-injection")]
    let log_file = driver.host.log_file().to_owned();
    let driving = driver.drive(first);
    #[cfg(feature = "fault-injection")]
    let driving = {
        let state_dir = log_file.ancestors().nth(2).unwrap_or(&log_file).to_owned();
        tidegate_host::fault::may_strike(state_dir, "desktop driver", driving)
    };
    let driving = tauri::async_runtime::spawn(driving);
    tauri::async_runtime::spawn(async move {
        if driving.await.is_err() {
            tracing::error!("desktop controller panicked");
            surfaces::show_defect(&app);
        }
    });
}

impl Driver {
    async fn drive(mut self, first: Vec<Effect>) {
        let mut states = self.host.supervised().states();
        let mut served = None;
        let mut published = PublishedStatus::default();
        // The first state is sent like a change.
        states.mark_changed();
        self.act(first, &mut served);
        loop {
            let event = self.next(&mut states, served.as_mut()).await;
            match event {
                Event::Host => {
                    // Those of a gateway that is gone are sent as well.
                    self.tell_decisions(&mut served);
                    let state = states.borrow_and_update().clone();
                    served = self.follow(&state, served);
                    match host::state(&state, self.host.supervised().free_port()) {
                        Some(state) => self.tell(Input::Host(state), &mut served),
                        None => return self.actions.exit().await,
                    }
                    published.to(served.as_ref());
                }
                Event::Input(input) => {
                    published.hear(&input, served.as_ref());
                    if let Input::Dialog { id, .. } = input {
                        self.actions.dialog_ended(id);
                        // Whether a program's press counts depends on what runs at this moment.
                        self.tell(Input::Work(self.host.work()), &mut served);
                    }
                    self.tell(input, &mut served);
                }
                Event::Change => self.read(&mut served).await,
                Event::ClientDecisions => self.tell_decisions(&mut served),
                Event::DialogRequest(request) => {
                    self.tell(Input::DialogRequest(host::dialog_request(request)), &mut served)
                }
                Event::Wake => self.tell(Input::Wake, &mut served),
                Event::End => return,
            }
        }
    }

    /// Waits for what happens next.
    async fn next(
        &mut self,
        states: &mut watch::Receiver<SupervisedState>,
        served: Option<&mut Served>,
    ) -> Event {
        let remaining = self.controller.wake_at().map(|deadline| deadline.remaining(now::timestamp()));
        let wake = async {
            match remaining {
                Some(remaining) => tokio::time::sleep(remaining).await,
                None => pending().await,
            }
        };
        let gateway = async {
            let Some(served) = served else { return pending().await };
            tokio::select! {
                changed = served.changes.changed() => match changed {
                    Ok(()) => Event::Change,
                    // A gateway that is gone; the next state says so.
                    Err(_) => pending().await,
                },
                decided = served.decisions.changed() => match decided {
                    Ok(()) => Event::ClientDecisions,
                    Err(_) => pending().await,
                },
                request = next_dialog_request(&mut served.dialog_requests) => Event::DialogRequest(request),
            }
        };
        tokio::select! {
            changed = states.changed() => if changed.is_ok() { Event::Host } else { Event::End },
            input = self.inputs.next() => input.map_or(Event::End, Event::Input),
            Some((id, outcome, press)) = self.outcomes.recv() => {
                Event::Input(Input::Dialog { id, outcome, press })
            }
            event = gateway => event,
            () = wake => Event::Wake,
        }
    }

    /// Takes up the gateway that serves now, when it is another than before.
    fn follow(&self, state: &SupervisedState, served: Option<Served>) -> Option<Served> {
        let SupervisedState::Ready { generation, .. } = *state else { return None };
        if let Some(served) = served
            && served.generation == generation
        {
            return Some(served);
        }
        let desktop = self.host.desktop().ok()?;
        Some(Served::of(generation, desktop))
    }

    /// Reads what waits and what runs, and tells it.
    async fn read(&mut self, served: &mut Option<Served>) {
        let Some(present) = served else { return };
        // Changes from here on are read again.
        present.changes.mark_unchanged();
        let queue = self.host.queue(&present.desktop).await;
        let work = self.host.work();
        self.tell(Input::Work(work), served);
        self.tell(Input::Queue(queue), served);
    }

    /// Tells what clients decided and was not told yet.
    fn tell_decisions(&mut self, served: &mut Option<Served>) {
        let told = &mut self.told_decisions;
        let new = served.as_mut().map(|served| served.new_decisions(told)).unwrap_or_default();
        for decided in new {
            self.tell(decided, served);
        }
    }

    fn tell(&mut self, input: Input, served: &mut Option<Served>) {
        let effects = self.controller.on(input, now::timestamp());
        self.act(effects, served);
    }

    fn act(&mut self, effects: Vec<Effect>, served: &mut Option<Served>) {
        for effect in effects {
            match effect {
                // Seen as a change, which is read in its turn.
                Effect::ReadQueue => {
                    if let Some(served) = served {
                        served.changes.mark_changed();
                    }
                }
                effect => self.actions.carry_out(effect),
            }
        }
    }
}

/// What windows and the command line can read of the desktop (`desktop` in `tidegate.status`).
struct PublishedStatus {
    tray: Surface,
    notifications: Surface,
    starts_at_login: bool,
}

impl Default for PublishedStatus {
    fn default() -> Self {
        Self { tray: Surface::Unknown, notifications: Surface::Unknown, starts_at_login: false }
    }
}

impl PublishedStatus {
    /// Keeps what an input says, and tells the gateway that serves.
    fn hear(&mut self, input: &Input, served: Option<&Served>) {
        match input {
            Input::TrayHost(surface) => {
                log("the desktop shows the tray icon", surface);
                self.tray = surface.clone();
            }
            Input::NotificationService(surface) => {
                log("the desktop shows notifications", surface);
                self.notifications = surface.clone();
            }
            Input::Autostart(is_on) => self.starts_at_login = *is_on,
            _ => return,
        }
        self.to(served);
    }

    fn to(&self, served: Option<&Served>) {
        let Some(served) = served else { return };
        served.desktop.set_surfaces(DesktopStatus {
            tray: described(&self.tray),
            notifications: described(&self.notifications),
            autostart: self.starts_at_login,
        });
    }
}

fn log(works: &str, surface: &Surface) {
    match surface {
        Surface::Unknown => {}
        Surface::Works => tracing::info!("{works}"),
        Surface::Missing(reason) => tracing::warn!("{reason}"),
    }
}

fn described(surface: &Surface) -> DesktopSurface {
    let (state, sentence) = match surface {
        Surface::Unknown => (SurfaceState::Unknown, String::new()),
        Surface::Works => (SurfaceState::Ok, String::new()),
        Surface::Missing(reason) => (SurfaceState::Missing, sentence(reason)),
    };
    DesktopSurface { state, sentence }
}

async fn next_dialog_request(dialog_requests: &mut Option<mpsc::Receiver<DialogRequest>>) -> DialogRequest {
    match dialog_requests {
        Some(receiver) => match receiver.recv().await {
            Some(request) => request,
            // Nothing can be requested until the next gateway serves.
            None => pending().await,
        },
        None => pending().await,
    }
}
