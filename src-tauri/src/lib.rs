//! Tidegate's desktop shell. Tauri's loop and the tray come first; the gateway is built beside them
//! in the same process. What is shown and done is decided in `tidegate-desktop-core`; this package
//! only draws it and carries it out.
//!
//! - `driver` tells the controller what happens, and `actions` carry out what it says.
//! - `surfaces` hold what is seen: `tray`, `notifications`, `dialog`, `windows`.
//! - `host` is the gateway in this process.

mod actions;
mod arguments;
mod autostart;
mod clipboard;
#[cfg(target_os = "linux")]
mod colour_scheme;
pub mod dialog;
mod display;
mod driver;
#[cfg(target_os = "linux")]
mod focus;
mod host;
mod inputs;
mod log_viewer;
mod notifications;
mod runtime_directory;
#[cfg(target_os = "linux")]
mod screen_lock;
#[cfg(target_os = "linux")]
mod session_bus;
mod session_names;
mod single_instance;
mod surfaces;
mod tray;
mod tray_host;
mod windows;

use std::path::Path;

use anyhow::Context;
use clap::Parser;
use tauri::{AppHandle, Manager, RunEvent};
use tidegate_clock as now;
use tidegate_desktop_core::controller::{Controller, Launch};
use tidegate_desktop_core::shell::Input;
use tidegate_desktop_core::tray_menu::TrayCommand;
use tidegate_gateway::ClientDecisions;
use tokio::sync::mpsc;

use crate::actions::Actions;
use crate::arguments::Arguments;
use crate::autostart::Autostart;
use crate::driver::Driver;
use crate::host::Host;
use crate::inputs::{Inputs, Received, inputs};
use crate::windows::backend;

/// The whole program: shows the tray and runs the gateway until it ends.
///
/// # Errors
/// When there is no desktop to run on. Whatever fails after that is shown there.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    display::leave_opengl_out();
    display::connect()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    tauri::async_runtime::set(runtime.handle().clone());

    let state_dir = tidegate_host::state_dir(arguments.state_dir.clone()).ok();
    let (inputs, received) = inputs();
    let app = tauri::Builder::default()
        .plugin(single_instance::plugin(state_dir.as_deref(), inputs.clone()))
        .invoke_handler(tauri::generate_handler![backend::backend_open, backend::backend_send])
        .manage(backend::Backends::default())
        .setup({
            let inputs = inputs.clone();
            move |app| {
                start(app.handle(), arguments, state_dir.as_deref(), inputs, received);
                Ok(())
            }
        })
        .on_menu_event(move |app, event| {
            surfaces::redraw_tray(app);
            if let Some(command) = tray::command(event.id()) {
                chosen(app, command, &inputs);
            }
        })
        .build(tauri::generate_context!())
        .context("the desktop shell could not be built")?;
    app.run_return(|_, event| {
        // The last window that closes does not end Tidegate; only we do, with a code.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    // What still runs, such as a call that hangs in the keyring, must not keep the process.
    runtime.shutdown_background();
    runtime_directory::remove();
    Ok(())
}

/// Something was chosen in the tray.
fn chosen(app: &AppHandle, command: TrayCommand, inputs: &Inputs) {
    // Where nobody decides any more, the process can still be ended in order.
    if command == TrayCommand::Quit
        && !inputs.are_heard()
        && let Some(actions) = app.try_state::<Actions>()
    {
        actions.quit();
    }
    inputs.click(Input::Tray(command));
}

/// Shows the tray, starts the gateway beside it, and lets the controller decide. On the main thread.
fn start(
    app: &AppHandle,
    arguments: Arguments,
    state_dir: Option<&Path>,
    inputs: Inputs,
    received: Received,
) {
    let autostart = Autostart::new(arguments.at_login());
    let launch = Launch {
        // Looked at before the gateway makes the directory.
        is_first_start: state_dir.is_some_and(|directory| !directory.exists()),
        starts_at_login: autostart.is_on(),
    };
    let (controller, first) = Controller::new(launch, now::timestamp());
    let (outcomes, ended) = mpsc::unbounded_channel();
    let directory = runtime_directory::make();
    surfaces::prepare(app, &inputs, outcomes, launch.starts_at_login);

    let prepared = tidegate_host::process::prepare();
    let log_file = state_dir.map(tidegate_host::log_file).unwrap_or_default();
    let supervised = tauri::async_runtime::block_on(async { tidegate_host::supervise(arguments.into()) });
    // Only now is the log open.
    prepared.log();
    if let Err(error) = directory {
        tracing::warn!(%error, "there is no private directory for pictures and pages");
    }
    let host = Host::new(supervised, log_file);
    let actions = Actions::new(app.clone(), inputs, host.clone(), autostart);
    actions.check_autostart();
    app.manage(host.clone());
    app.manage(actions.clone());
    tauri::async_runtime::spawn({
        let actions = actions.clone();
        async move {
            tidegate_host::process::told_to_end().await;
            actions.quit();
        }
    });
    driver::run(
        app,
        Driver {
            controller,
            actions,
            inputs: received,
            outcomes: ended,
            host,
            told_decisions: ClientDecisions::default(),
        },
        first,
    );
}
