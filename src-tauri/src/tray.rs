//! Draws a [`TrayMenu`] with the system's tray.

use std::path::PathBuf;

use tauri::AppHandle;
use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuId, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon as SystemTray, TrayIconBuilder};
use tidegate_desktop_core::tray_menu::{MenuEntry, TrayCommand, TrayIcon, TrayMenu};

use crate::display;

const QUIT: &str = "quit";

/// The tray, and what it shows.
pub(crate) struct Tray {
    system: SystemTray,
    shown: TrayMenu,
    /// For each entry of the menu its item; separators have none.
    items: Items,
}

type Items = Vec<Option<MenuItem<tauri::Wry>>>;

/// Why there is no tray.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTray {
    /// The library is missing.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Library(#[from] display::NoTrayLibrary),
    /// The system refused.
    #[error("there is no tray icon: {0}; Tidegate runs without it")]
    System(#[from] tauri::Error),
}

impl Tray {
    /// Puts the icon into the tray. On the main thread.
    ///
    /// # Errors
    /// When this system has no trays. A desktop that shows none at the moment is not an error.
    pub(crate) fn build(app: &AppHandle, menu: &TrayMenu) -> Result<Self, NoTray> {
        #[cfg(target_os = "linux")]
        display::find_tray_library()?;
        let (system_menu, items) = build_menu(app, menu)?;
        let mut builder = TrayIconBuilder::with_id("tidegate")
            .icon(image(menu.icon))
            .tooltip(&menu.tooltip)
            .menu(&system_menu);
        if let Some(directory) = icon_directory() {
            builder = builder.temp_dir_path(directory);
        }
        Ok(Self { system: builder.build(app)?, shown: menu.clone(), items })
    }

    /// Changes what is shown into `menu`. A menu that only changes its words stays open.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn show(&mut self, app: &AppHandle, menu: TrayMenu) -> tauri::Result<()> {
        if menu.icon != self.shown.icon {
            self.system.set_icon(Some(image(menu.icon)))?;
        }
        if menu.tooltip != self.shown.tooltip {
            self.system.set_tooltip(Some(&menu.tooltip))?;
        }
        if is_same_shape(&menu, &self.shown) {
            for (entry, item) in menu.entries.iter().zip(&self.items) {
                if let Some(item) = item {
                    item.set_text(label(entry))?;
                    item.set_enabled(is_enabled(entry))?;
                }
            }
        } else {
            let (system_menu, items) = build_menu(app, &menu)?;
            self.system.set_menu(Some(system_menu))?;
            self.items = items;
        }
        self.shown = menu;
        Ok(())
    }
}

/// Removes what the tray has left in the file system.
pub(crate) fn remove_files() {
    if let Some(directory) = icon_directory() {
        // Nothing depends on it, and it lies where the system clears up at log-out.
        let _ = std::fs::remove_dir_all(directory);
    }
}

/// What a chosen item means.
pub(crate) fn command(id: &MenuId) -> Option<TrayCommand> {
    (id == QUIT).then_some(TrayCommand::Quit)
}

fn image(icon: TrayIcon) -> Image<'static> {
    match icon {
        TrayIcon::Ok => tauri::include_image!("./icons/tray/ok@2x.png"),
        TrayIcon::Working => tauri::include_image!("./icons/tray/working@2x.png"),
        TrayIcon::Attention => tauri::include_image!("./icons/tray/attention@2x.png"),
        TrayIcon::Error => tauri::include_image!("./icons/tray/error@2x.png"),
    }
}

/// Whether two menus differ in words at most.
fn is_same_shape(one: &TrayMenu, other: &TrayMenu) -> bool {
    let id = |menu: &TrayMenu| menu.entries.iter().map(item_id).collect::<Vec<_>>();
    id(one) == id(other)
}

fn build_menu(app: &AppHandle, menu: &TrayMenu) -> tauri::Result<(Menu<tauri::Wry>, Items)> {
    let system = Menu::new(app)?;
    let mut items = Vec::new();
    for entry in &menu.entries {
        let item = match item_id(entry) {
            Some(id) => Some(MenuItem::with_id(app, id, label(entry), is_enabled(entry), None::<&str>)?),
            None => None,
        };
        let separator = PredefinedMenuItem::separator(app)?;
        let drawn: &dyn IsMenuItem<_> = match &item {
            Some(item) => item,
            None => &separator,
        };
        system.append(drawn)?;
        items.push(item);
    }
    Ok((system, items))
}

/// What an item is known by; a separator has nothing.
fn item_id(entry: &MenuEntry) -> Option<&'static str> {
    match entry {
        MenuEntry::Text(_) => Some("text"),
        MenuEntry::Separator => None,
        MenuEntry::Command { command: TrayCommand::Quit, .. } => Some(QUIT),
    }
}

/// An entry's words. A single `&` would mark the next letter as a key to press.
fn label(entry: &MenuEntry) -> String {
    match entry {
        MenuEntry::Text(text) => text.replace('&', "&&"),
        MenuEntry::Separator => String::new(),
        MenuEntry::Command { label, .. } => (*label).to_owned(),
    }
}

fn is_enabled(entry: &MenuEntry) -> bool {
    matches!(entry, MenuEntry::Command { is_enabled: true, .. })
}

/// Where the icon's file is written for the tray to read: private, and not shared with another
/// Tidegate of this user. The library's own choice can be a directory that every user may write.
#[cfg(target_os = "linux")]
fn icon_directory() -> Option<PathBuf> {
    Some(gtk::glib::user_runtime_dir().join("tidegate").join(format!("tray-{}", std::process::id())))
}

/// Where the icon's file is written: no file is needed on this system.
#[cfg(not(target_os = "linux"))]
fn icon_directory() -> Option<PathBuf> {
    None
}
