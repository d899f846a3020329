//! The window: a web view that is made when a person opens it and ended when they close it. Without
//! one, no browser engine runs.

pub(crate) mod backend;
mod context_menu;
mod page_process;

use std::time::Duration;

#[cfg(target_os = "linux")]
use gtk::prelude::Cast;
use tauri::webview::{DownloadEvent, NewWindowResponse};
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent};
use tidegate_desktop_core::shell::{Input, Page};

use self::backend::Backends;
use crate::inputs::Inputs;

/// What every window's label begins with; the capabilities are for such windows.
const LABEL: &str = "window-";

/// Opens the window at a page, or brings the open one to the front and turns to the page. Without a
/// page the open one stays where it is. On the main thread.
///
/// # Errors
/// When the browser engine cannot be started.
pub(crate) fn open(app: &AppHandle, inputs: &Inputs, page: Option<Page>) -> tauri::Result<()> {
    if let Some(window) = existing(app) {
        if let Some(page) = page {
            let mut url = window.url()?;
            url.set_fragment(Some(fragment(page)));
            // The same document with another fragment: the page hears `hashchange` and is not loaded again.
            window.navigate(url)?;
        }
        window.unminimize()?;
        window.show()?;
        return window.set_focus();
    }
    let window = build(app, page.unwrap_or(Page::Overview))?;
    page_process::watch(&window)?;
    context_menu::limit(&window)?;
    #[cfg(target_os = "linux")]
    crate::focus::follow(window.gtk_window()?.upcast_ref());
    let (app, inputs, label) = (app.clone(), inputs.clone(), window.label().to_owned());
    inputs.tell(Input::Windows { is_open: true });
    window.on_window_event(move |event| {
        #[cfg(not(target_os = "linux"))]
        if let WindowEvent::Focused(has_focus) = event {
            inputs.tell(Input::WindowFocus { has_focus: *has_focus });
        }
        if matches!(event, WindowEvent::Destroyed) {
            app.state::<Backends>().close(&label);
            if existing(&app).is_none_or(|other| other.label() == label) {
                inputs.tell(Input::Windows { is_open: false });
            }
        }
    });
    Ok(())
}

/// Ends the window, if one is open.
pub(crate) fn close(app: &AppHandle) {
    if let Some(window) = existing(app)
        && let Err(error) = window.destroy()
    {
        tracing::warn!(%error, "the window could not be closed");
    }
}

/// Waits a moment until the window is gone and with it the processes that drew it: without us, nobody
/// would end them at once.
pub(crate) async fn processes_ended(app: &AppHandle) {
    const PATIENCE: Duration = Duration::from_millis(200);
    const LOOK_EVERY: Duration = Duration::from_millis(10);

    let looks = async {
        while existing(app).is_some() || page_process::is_left() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(PATIENCE, looks).await.is_err() {
        page_process::end_what_is_left();
    }
}

fn existing(app: &AppHandle) -> Option<WebviewWindow> {
    app.webview_windows().into_iter().find(|(label, _)| label.starts_with(LABEL)).map(|(_, window)| window)
}

fn build(app: &AppHandle, page: Page) -> tauri::Result<WebviewWindow> {
    let url = WebviewUrl::App(format!("index.html#{}", fragment(page)).into());
    // A label is not used again: what a page that is gone left behind cannot reach the next.
    let label = format!("{LABEL}{}", next_number());
    let mut builder = WebviewWindowBuilder::new(app, label, url)
        .title("Tidegate")
        .inner_size(1040.0, 720.0)
        .min_inner_size(480.0, 360.0)
        // Only our own pages, in this window, and nothing lands on the disk by itself.
        .on_navigation(is_own_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, event| !matches!(event, DownloadEvent::Requested { .. }))
        .disable_drag_drop_handler()
        .devtools(cfg!(debug_assertions));
    if let Some(directory) = crate::runtime_directory::of("pages") {
        builder = builder.data_directory(directory);
    }
    builder.build()
}

fn next_number() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    static NUMBER: AtomicU64 = AtomicU64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Whether a page of ours is asked for: the bundled ones, and with `tauri dev` those of its server.
fn is_own_page(url: &Url) -> bool {
    let is_bundled = match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        _ => false,
    };
    is_bundled && url.port().is_none() && url.username().is_empty() && url.password().is_none()
}

/// The page's name in the address, after `#`.
fn fragment(page: Page) -> &'static str {
    match page {
        Page::Overview => "/overview",
        Page::Requests => "/requests",
        Page::Devices => "/devices",
        Page::Chat => "/chat",
        // The page gives it a key of its own.
        Page::NewChat => "/chat/new",
        Page::Activity => "/activity",
        Page::Permissions => "/permissions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bundled_pages_are_gone_to() {
        let own = ["tauri://localhost", "tauri://localhost/index.html#/chat", "http://tauri.localhost/"];
        let foreign = [
            "https://example.com/",
            "http://localhost/",
            "http://tauri.localhost:8080/",
            "https://tauri.localhost@example.com/",
            "https://user@tauri.localhost/",
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
            "about:blank",
            "tauri://example.com/",
            "blob:tauri://localhost/1",
        ];

        for url in own {
            assert!(is_own_page(&Url::parse(url).unwrap()), "{url}");
        }
        for url in foreign {
            assert!(!is_own_page(&Url::parse(url).unwrap()), "{url}");
        }
    }
}
