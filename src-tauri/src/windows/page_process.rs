//! The processes that draw a page. One can end by itself: it crashed, or used up its memory. The window
//! is loaded again then, and Tidegate lives on. And none of them outlives Tidegate.

use tauri::WebviewWindow;

/// Draws the page again when its process has ended; a page that does not last is closed.
#[cfg(target_os = "linux")]
pub(crate) fn watch(window: &WebviewWindow) -> tauri::Result<()> {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::time::{Duration, Instant};

    use webkit2gtk::{BackForwardListExt, WebViewExt};

    /// A page whose process ends more often than this within [`WINDOW`] is not drawn again.
    const MAX_ENDS: usize = 3;
    const WINDOW: Duration = Duration::from_mins(1);

    let app_window = window.clone();
    window.with_webview(move |webview| {
        let ends = RefCell::new(VecDeque::new());
        let view = webview.inner();
        // What is being loaded. A process that ends before anything was loaded leaves nothing to reload.
        let first = view.uri();
        view.connect_web_process_terminated(move |view, reason| {
            let now = Instant::now();
            let mut ends = ends.borrow_mut();
            ends.push_back(now);
            while ends.front().is_some_and(|&end| now.duration_since(end) > WINDOW) {
                ends.pop_front();
            }
            if ends.len() <= MAX_ENDS {
                tracing::error!(
                    ?reason,
                    "the process that draws the window has ended; the window is drawn again"
                );
                let is_empty = view.back_forward_list().is_none_or(|pages| pages.current_item().is_none());
                match &first {
                    Some(first) if is_empty => view.load_uri(first),
                    _ => view.reload(),
                }
            } else {
                tracing::error!(
                    ?reason,
                    "the process that draws the window ends again and again; it is closed"
                );
                if let Err(error) = app_window.destroy() {
                    tracing::error!(%error, "the window could not be closed");
                }
            }
        });
    })
}

/// Nothing to watch: on this system the engine does it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn watch(_window: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// Whether a process of the browser engine is left.
#[cfg(target_os = "linux")]
pub(crate) fn is_left() -> bool {
    children().next().is_some()
}

/// Ends the processes of the browser engine that are left.
#[cfg(target_os = "linux")]
pub(crate) fn end_what_is_left() {
    for process in children() {
        // One that has ended by now is as good.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
}

/// Our children that belong to the browser engine. Their names are the kernel's, for the program that
/// was started; children of other kinds are ended by their parents.
#[cfg(target_os = "linux")]
fn children() -> impl Iterator<Item = rustix::process::Pid> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let numbers = lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let ours = numbers.filter(|number| {
        let name = std::fs::read_to_string(format!("/proc/{number}/comm"));
        let is_over = || {
            let state = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            state.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('Z'))
        };
        name.is_ok_and(|name| name.starts_with("WebKit")) && !is_over()
    });
    ours.filter_map(|number| rustix::process::Pid::from_raw(number.parse().ok()?))
}

/// Whether a process of the browser engine is left: on this system it ends them itself.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_left() -> bool {
    false
}

/// Ends what is left: nothing is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end_what_is_left() {}
