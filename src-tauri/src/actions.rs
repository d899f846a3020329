//! Carries out what the controller says: what is seen goes to the main thread in order, what asks
//! the gateway or the system goes beside it, and its end comes back as an input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tauri::AppHandle;
use tidegate_desktop_core::dialog::{DialogId, Secret};
use tidegate_desktop_core::shell::{Effect, Input, TaskId};
use tidegate_protocol::payload::files::SharedFolder;
use tidegate_trust::token::Token;

use crate::autostart::Autostart;
use crate::host::Host;
use crate::inputs::Inputs;
use crate::surfaces::Surfaces;
use crate::{log_viewer, surfaces, windows};

/// When the process is ended although stopping in order has not: something blocks it. Much longer than stopping takes,
/// which is three seconds and what a slow disk and a busy machine add: an end that is cut off counts as a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the controller's words become. A cheap handle.
#[derive(Clone)]
pub(crate) struct Actions {
    app: AppHandle,
    inputs: Inputs,
    host: Host,
    autostart: Arc<Autostart>,
    is_quitting: Arc<AtomicBool>,
}

impl Actions {
    /// Acts for this application.
    pub(crate) fn new(app: AppHandle, inputs: Inputs, host: Host, autostart: Autostart) -> Self {
        Self { app, inputs, host, autostart: Arc::new(autostart), is_quitting: Arc::default() }
    }

    /// The person has ended a dialog.
    pub(crate) fn dialog_ended(&self, id: DialogId) {
        self.show(move |surfaces| surfaces.dialog_ended(id));
    }

    /// Carries out one effect.
    pub(crate) fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Tray(menu) => self.show(|surfaces| surfaces.draw_tray(menu)),
            Effect::Notify(notification) => self.show(|surfaces| surfaces.notify(notification)),
            Effect::CloseNotification => self.show(|surfaces| surfaces.close_notification()),
            Effect::OpenDialog { id, dialog, attention } => {
                self.show(move |surfaces| surfaces.open_dialog(id, dialog, attention));
            }
            Effect::UpdateDialog { id, dialog } => {
                self.show(move |surfaces| surfaces.update_dialog(id, dialog));
            }
            Effect::RefreshDialog { id, behind, expires_at } => {
                self.show(move |surfaces| surfaces.refresh_dialog(id, behind, expires_at));
            }
            Effect::PresentDialog(id) => self.show(move |surfaces| surfaces.present_dialog(id)),
            Effect::CloseDialog(id) => self.show(move |surfaces| surfaces.close_dialog(id)),
            Effect::OpenWindow(page) => self.show(move |surfaces| surfaces.open_window(Some(page))),
            Effect::RaiseWindow => self.show(|surfaces| surfaces.open_window(None)),
            Effect::Decide { task, request, digest, verdict } => self.answer(task, |host| async move {
                host.desktop()?.decide(&request, &digest, &verdict).await.map_err(|error| error.to_string())?;
                Ok(None)
            }),
            Effect::GiveToken { task, request, digest, name, level, pairing } => {
                self.answer(task, |host| async move {
                    let given = host.desktop()?.give_token(&request, &digest, &name, level, pairing).await;
                    given.map(secret).map_err(|error| error.to_string())
                });
            }
            Effect::Resolve { task, approval, digest, verdict } => self.answer(task, |host| async move {
                let decided = host.desktop()?.decide_approval(&approval, &digest, &verdict).await;
                decided.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::AskEverything { task } => self.answer(task, |host| async move {
                match host.desktop()?.ask_everything().await {
                    Ok(true) => Ok(None),
                    Ok(false) => Err("You are asked about everything until Tidegate restarts: this could not be \
                                      saved."
                        .to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }),
            Effect::UsePermissions { task } => self.answer(task, |host| async move {
                let used = host.desktop()?.use_permissions().await;
                used.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::ConfirmSetting { task, setting, digest } => self.answer(task, |host| async move {
                let confirmed = host.desktop()?.confirm_setting(setting, &digest).await;
                confirmed.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::RejectSetting { task, setting, digest } => self.answer(task, |host| async move {
                let rejected = host.desktop()?.reject_setting(setting, &digest).await;
                rejected.map(|_| None).map_err(|error| error.to_string())
            }),
            Effect::NewToken { task, name, level, pairing } => self.answer(task, |host| async move {
                let made = host.desktop()?.new_token(&name, level, pairing).await;
                made.map(secret).map_err(|error| error.to_string())
            }),
            Effect::KeepModelKey { task, id, base_url, key } => self.answer(task, |host| async move {
                host.keep_model_key(&id, &base_url, &key).await?;
                Ok(None)
            }),
            Effect::AuditSyntheticPress { about, by, is_allowed } => {
                // Without a gateway nothing is approved either.
                if let Ok(desktop) = self.host.desktop() {
                    desktop.audit_synthetic_press(&about, by.name(), is_allowed);
                }
            }
            Effect::Unblock { task, id } => self.answer(task, |host| async move {
                match host.desktop()?.unblock(&id).await {
                    Ok(true) => Ok(None),
                    Ok(false) => {
                        Err("It is unblocked until Tidegate restarts: this could not be saved.".to_owned())
                    }
                    Err(error) => Err(error.to_string()),
                }
            }),
            Effect::TakeServer { task, model, owner } => self.answer(task, |host| async move {
                let taken = host.desktop()?.take_server(&model, &owner).await;
                taken.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::KeepFile { task, id, digest } => self.answer(task, |host| async move {
                let kept = host.desktop()?.keep_file(&id, &digest).await;
                kept.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::Unshare { task, folder } => self.answer(task, |host| async move {
                match host.desktop()?.unshare(&folder).await {
                    Ok(SharedFolder { left: 0, .. }) => Ok(None),
                    Ok(SharedFolder { files, left, left_files, .. }) => Err(format!(
                        "{files} files are unshared, and {left} are not, because they cannot be read, belong to \
                         another user or changed meanwhile: {}",
                        left_files.join(", ")
                    )),
                    Err(error) => Err(error.to_string()),
                }
            }),
            Effect::ChooseWorkspace { task, session, folder, digest } => {
                self.answer(task, |host| async move {
                    let chosen = host.desktop()?.choose_workspace(session, folder.as_deref(), &digest).await;
                    chosen.map(|()| None).map_err(|error| error.to_string())
                });
            }
            Effect::PickWorkspace { task, session, folder } => self.answer(task, |host| async move {
                let chosen = host.desktop()?.pick_workspace(session, &folder).await;
                chosen.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::CopyConnectionLines { task } => {
                let app = self.app.clone();
                self.answer(task, |host| async move {
                    let lines = host.connection_lines().await?;
                    surfaces::with(&app, move |surfaces| surfaces.copy(&lines));
                    Ok(None)
                });
            }
            Effect::SetPaused(paused) => self.attempt(move |host| async move {
                host.desktop()?.set_paused(paused).await.map_err(|error| error.to_string())
            }),
            Effect::SetAutostart(is_on) => self.set_autostart(is_on),
            Effect::RestartGateway => self.host.supervised().restart(),
            Effect::StartOnPort(port) => self.host.supervised().restart_on(port),
            Effect::OpenLogs { task } => self.answer(task, |host| async move {
                log_viewer::open(host.log_file()).await.map(|()| None).map_err(|error| error.to_string())
            }),
            Effect::CopyLogPath => {
                let path = self.host.log_file().display().to_string();
                self.show(move |surfaces| surfaces.copy(&path));
            }
            Effect::Quit => self.quit(),
            // The driver reads it, which has it at hand.
            Effect::ReadQueue => {}
        }
    }

    fn show(&self, act: impl FnOnce(&mut Surfaces) + Send + 'static) {
        surfaces::with(&self.app, act);
    }

    /// Stops the gateway in order and ends the process, however often it is said.
    pub(crate) fn quit(&self) {
        if self.is_quitting.swap(true, Ordering::Relaxed) {
            return;
        }
        end_process_after(PATIENCE);
        // The driver hears when it has stopped. Where there is none any more, nobody else ends the process.
        let actions = self.clone();
        tauri::async_runtime::spawn(async move {
            actions.host.supervised().stop().await;
            if !actions.inputs.are_heard() {
                actions.exit().await;
            }
        });
        self.show(|surfaces| surfaces.close_window());
    }

    /// Ends the process: the gateway has stopped, because the person quit or because it was told to.
    pub(crate) async fn exit(&self) {
        end_process_after(PATIENCE);
        self.show(|surfaces| surfaces.close_window());
        windows::processes_ended(&self.app).await;
        tracing::info!("Tidegate has stopped");
        self.app.exit(0);
    }

    /// Has something done at the gateway; the controller hears how it ended.
    fn answer<F>(&self, task: TaskId, act: impl FnOnce(Host) -> F)
    where
        F: Future<Output = Result<Option<Secret>, String>> + Send + 'static,
    {
        let inputs = self.inputs.clone();
        let acting = tauri::async_runtime::spawn(act(self.host.clone()));
        tauri::async_runtime::spawn(async move {
            // A panic is an answer too: nobody is left waiting.
            let result = acting.await.unwrap_or_else(|_| {
                Err("Tidegate failed while it did this, which is a defect; the log says more.".to_owned())
            });
            inputs.tell(Input::Done { task, result });
        });
    }

    /// Does something that the person chose in the tray, and says so when it does not work.
    fn attempt<F>(&self, act: impl FnOnce(Host) -> F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (app, acting) = (self.app.clone(), act(self.host.clone()));
        tauri::async_runtime::spawn(async move {
            if let Err(sentence) = acting.await {
                tracing::warn!(%sentence, "what was chosen in the tray did not work");
                surfaces::say_problem(&app, sentence);
            }
        });
    }

    /// Looks whether Tidegate starts at login, and corrects what starts it when it was moved.
    pub(crate) fn check_autostart(&self) {
        let (inputs, autostart) = (self.inputs.clone(), self.autostart.clone());
        tauri::async_runtime::spawn_blocking(move || inputs.tell(Input::Autostart(autostart.check())));
    }

    fn set_autostart(&self, is_on: bool) {
        let (app, inputs, autostart) = (self.app.clone(), self.inputs.clone(), self.autostart.clone());
        tauri::async_runtime::spawn_blocking(move || {
            if let Err(error) = autostart.set(is_on) {
                tracing::error!(%error, "the choice was not kept");
                surfaces::say_problem(&app, error.to_string());
            }
            // What is true now, whatever was asked for.
            inputs.tell(Input::Autostart(autostart.check()));
        });
    }
}

fn secret(token: Token) -> Option<Secret> {
    Some(Secret::new(token.reveal().to_owned()))
}

/// Ends the process even when its runtime hangs: a person who quits is never left with a process.
fn end_process_after(patience: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        std::process::exit(1);
    });
}
