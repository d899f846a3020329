//! The menu of the right mouse button: what edits text. A browser's own has more (Back, Reload, Open Link in
//! New Window, Download Linked File), which would throw away what is written or does nothing here.

use tauri::WebviewWindow;

/// Leaves in the menus of this window only what belongs there.
#[cfg(target_os = "linux")]
pub(crate) fn limit(window: &WebviewWindow) -> tauri::Result<()> {
    use webkit2gtk::{ContextMenuExt, ContextMenuItemExt, WebViewExt};

    window.with_webview(|webview| {
        webview.inner().connect_context_menu(|_, menu, _, _| {
            let items = menu.items();
            let entries: Vec<_> =
                items
                    .iter()
                    .map(|item| {
                        if item.is_separator() {
                            Entry::Separator
                        } else {
                            Entry::Action(item.stock_action())
                        }
                    })
                    .collect();
            let kept = kept(&entries);
            for (item, _) in items.iter().zip(&kept).filter(|(_, is_kept)| !**is_kept) {
                menu.remove(item);
            }
            // True: no menu.
            !kept.contains(&true)
        });
    })
}

/// Nothing to limit: on this system it was not tried yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn limit(_window: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}

/// One line of a menu.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
enum Entry {
    Separator,
    Action(webkit2gtk::ContextMenuAction),
}

/// Which lines stay: actions on text, and a separator between two of them.
#[cfg(target_os = "linux")]
fn kept(entries: &[Entry]) -> Vec<bool> {
    use webkit2gtk::ContextMenuAction as Action;

    let belongs = |entry: &Entry| match entry {
        Entry::Separator => false,
        Entry::Action(Action::InspectElement) => cfg!(debug_assertions),
        Entry::Action(action) => matches!(
            action,
            Action::Cut
                | Action::Copy
                | Action::Paste
                | Action::PasteAsPlainText
                | Action::Delete
                | Action::SelectAll
                | Action::InputMethods
                | Action::Unicode
        ),
    };
    let mut kept: Vec<bool> = entries.iter().map(belongs).collect();
    let mut separator = None;
    let mut has_before = false;
    for (at, entry) in entries.iter().enumerate() {
        if matches!(entry, Entry::Separator) {
            separator = has_before.then_some(at);
        } else if kept[at] {
            if let Some(between) = separator.take() {
                kept[between] = true;
            }
            has_before = true;
        }
    }
    kept
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use webkit2gtk::ContextMenuAction as Action;

    use super::*;

    fn shown(entries: &[Entry]) -> Vec<String> {
        let lines = entries.iter().zip(kept(entries)).filter(|(_, is_kept)| *is_kept);
        lines.map(|(entry, _)| format!("{entry:?}")).collect()
    }

    #[test]
    fn a_page_and_a_link_have_no_menu_of_a_browser() {
        let page = [Action::GoBack, Action::GoForward, Action::Stop, Action::Reload].map(Entry::Action);
        let link = [
            Action::OpenLink,
            Action::OpenLinkInNewWindow,
            Action::DownloadLinkToDisk,
            Action::CopyLinkToClipboard,
        ]
        .map(Entry::Action);

        assert_eq!(shown(&page), Vec::<String>::new());
        assert_eq!(shown(&link), Vec::<String>::new());
    }

    #[test]
    fn text_is_cut_copied_and_pasted() {
        let entries = [
            Entry::Separator,
            Entry::Action(Action::Cut),
            Entry::Action(Action::Copy),
            Entry::Separator,
            Entry::Action(Action::Reload),
            Entry::Separator,
            Entry::Action(Action::SelectAll),
            Entry::Separator,
            Entry::Action(Action::OpenLink),
        ];

        assert_eq!(shown(&entries), ["Action(Cut)", "Action(Copy)", "Separator", "Action(SelectAll)"]);
    }
}
