//! Tidegate's desktop shell. Tauri's loop and the tray come first; the gateway is built beside them
//! in the same process. What the tray says is decided in `tidegate-desktop-core`; this package only
//! draws it and carries out what a person chose.

mod arguments;
mod display;
mod gateway;
mod tray;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use clap::Parser;
use tauri::{AppHandle, Manager, RunEvent};
use tidegate_desktop_core::tray_menu::{HostState, TrayCommand, TrayMenu};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::display::Visibility;
use crate::tray::Tray;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    display::connect()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    tauri::async_runtime::set(runtime.handle().clone());

    let quit = CancellationToken::new();
    let failure = Arc::new(Mutex::new(None));
    let app = tauri::Builder::default()
        .setup({
            let (quit, failure) = (quit.clone(), failure.clone());
            move |app| {
                start(app.handle(), arguments, quit, failure);
                Ok(())
            }
        })
        .on_menu_event(move |_, event| match tray::command(event.id()) {
            Some(TrayCommand::Quit) => quit.cancel(),
            None => {}
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
    tray::remove_files();
    match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(sentence) => Err(anyhow::Error::msg::<String>(sentence)),
        None => Ok(()),
    }
}

/// Shows the tray and starts the gateway. `failure` becomes the sentence of a failure that nobody
/// could see in a tray.
fn start(
    app: &AppHandle,
    arguments: Arguments,
    quit: CancellationToken,
    failure: Arc<Mutex<Option<String>>>,
) {
    let (states, changes) = watch::channel(HostState::Starting);
    let (visibility, seen) = watch::channel(Visibility::Unknown);
    match Tray::build(app, &TrayMenu::of(&HostState::Starting)) {
        Ok(tray) => {
            display::watch_tray_host(visibility);
            tauri::async_runtime::spawn(draw(app.clone(), tray, changes));
        }
        Err(reason) => {
            // The receiver lives in this function, and the value is kept without one.
            visibility.send_replace(Visibility::NoTray(reason.to_string()));
        }
    }
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let outcome = gateway::run(arguments.into(), states, seen, quit).await;
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
        app.exit(0);
    });
}

/// Draws each state of the gateway in the tray.
async fn draw(app: AppHandle, tray: Tray, mut changes: watch::Receiver<HostState>) {
    app.manage(Mutex::new(tray));
    loop {
        let menu = TrayMenu::of(&changes.borrow_and_update());
        let drawn = app.run_on_main_thread({
            let app = app.clone();
            move || {
                let tray = app.state::<Mutex<Tray>>();
                let shown = tray.lock().unwrap_or_else(PoisonError::into_inner).show(&app, menu);
                if let Err(error) = shown {
                    tracing::warn!(%error, "the tray could not be changed");
                }
            }
        });
        // Without a main thread or a sender there is nothing left to draw.
        if drawn.is_err() || changes.changed().await.is_err() {
            return;
        }
    }
}
