//! A Tauri application that has an icon with a menu in the tray, and a window that the menu opens, with
//! our pages and nothing behind them: what memory figures of the shell are compared to
//! (`tests/desktop/figures`). It prints `loaded` when a page is there.

#![allow(clippy::print_stdout, reason = "it tells who measures it")]

use std::sync::atomic::{AtomicU64, Ordering};

use tauri::menu::MenuBuilder;
use tauri::tray::TrayIconBuilder;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, RunEvent, WebviewUrl, WebviewWindowBuilder};

static WINDOWS: AtomicU64 = AtomicU64::new(0);

fn main() -> tauri::Result<()> {
    let app = tauri::Builder::default()
        .setup(|app| {
            let menu = MenuBuilder::new(app).text("open", "Open").separator().text("quit", "Quit").build()?;
            TrayIconBuilder::with_id("bare")
                .icon(tauri::include_image!("./icons/tray/ok@2x.png"))
                .menu(&menu)
                .build(app)?;
            Ok(())
        })
        .on_menu_event(|app, event| {
            if event.id() == "open"
                && let Err(error) = open(app)
            {
                println!("{error}");
            }
        })
        .build(tauri::generate_context!())?;
    app.run_return(|_, event| {
        // There is no window whose end could end it.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    Ok(())
}

/// Opens a window as the shell's are.
fn open(app: &AppHandle) -> tauri::Result<()> {
    let label = format!("window-{}", WINDOWS.fetch_add(1, Ordering::Relaxed));
    WebviewWindowBuilder::new(app, label, WebviewUrl::App("index.html#/overview".into()))
        .title("Tidegate")
        .inner_size(1040.0, 720.0)
        .disable_drag_drop_handler()
        .on_page_load(|_, page| {
            if page.event() == PageLoadEvent::Finished {
                println!("loaded");
            }
        })
        .build()?;
    Ok(())
}
