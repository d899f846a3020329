//! Draws a [`TrayMenu`] with the system's tray.

use tauri::AppHandle;
use tauri::image::Image;
use tauri::menu::{CheckMenuItem, Menu, MenuId, MenuItem, PredefinedMenuItem};
use tauri::tray::{TrayIcon as SystemTray, TrayIconBuilder};
use tidegate_desktop_core::tray_menu::{MenuEntry, TrayCommand, TrayIcon, TrayMenu};

use crate::runtime_directory;
#[cfg(target_os = "linux")]
use crate::tray_host;

/// The tray, and what it shows.
pub(crate) struct Tray {
    system: SystemTray,
    shown: TrayMenu,
    /// For each entry of the menu its item.
    items: Vec<Item>,
}

/// A line of the system's menu.
enum Item {
    Plain(MenuItem<tauri::Wry>),
    Check(CheckMenuItem<tauri::Wry>),
    Separator,
}

/// Why there is no tray.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTray {
    /// The library is missing.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Library(#[from] tray_host::NoTrayLibrary),
    /// The system refused.
    #[error("there is no tray icon: {0}; Tidegate runs without it")]
    System(#[from] tauri::Error),
}

impl Tray {
    /// Puts the icon into the tray. On the main thread.
    ///
    /// # Errors
    /// When this system has no trays. A desktop that shows none at the moment is not an error.
    pub(crate) fn build(app: &AppHandle, menu: TrayMenu) -> Result<Self, NoTray> {
        #[cfg(target_os = "linux")]
        tray_host::find_library()?;
        let (system_menu, items) = build_menu(app, &menu)?;
        let mut builder = TrayIconBuilder::with_id("tidegate")
            .icon(image(menu.icon))
            .tooltip(&menu.tooltip)
            .menu(&system_menu);
        // The library's own choice can be a directory that every user may write.
        if let Some(directory) = runtime_directory::of("tray") {
            builder = builder.temp_dir_path(directory);
        }
        Ok(Self { system: builder.build(app)?, shown: menu, items })
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
            self.shown = menu;
            self.redraw()
        } else {
            let (system_menu, items) = build_menu(app, &menu)?;
            self.system.set_menu(Some(system_menu))?;
            self.items = items;
            self.shown = menu;
            Ok(())
        }
    }

    /// Sets every line to what is to be shown. A click has moved a check mark, though nothing may
    /// have changed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn redraw(&self) -> tauri::Result<()> {
        for (entry, item) in self.shown.entries.iter().zip(&self.items) {
            match item {
                Item::Plain(item) => {
                    item.set_text(label(entry))?;
                    item.set_enabled(is_enabled(entry))?;
                }
                Item::Check(item) => {
                    item.set_text(label(entry))?;
                    item.set_enabled(is_enabled(entry))?;
                    item.set_checked(is_checked(entry) == Some(true))?;
                }
                Item::Separator => {}
            }
        }
        Ok(())
    }
}

/// What a chosen item means.
pub(crate) fn command(id: &MenuId) -> Option<TrayCommand> {
    TrayCommand::from_id(&id.0)
}

fn image(icon: TrayIcon) -> Image<'static> {
    match icon {
        TrayIcon::Ok => tauri::include_image!("./icons/tray/ok@2x.png"),
        TrayIcon::Working => tauri::include_image!("./icons/tray/working@2x.png"),
        TrayIcon::Attention => tauri::include_image!("./icons/tray/attention@2x.png"),
        TrayIcon::Error => tauri::include_image!("./icons/tray/error@2x.png"),
    }
}

/// Whether two menus differ in words, and in what can be chosen, at most.
fn is_same_shape(one: &TrayMenu, other: &TrayMenu) -> bool {
    let shape = |menu: &TrayMenu| {
        menu.entries.iter().map(|entry| (item_id(entry), is_checked(entry).is_some())).collect::<Vec<_>>()
    };
    shape(one) == shape(other)
}

fn build_menu(app: &AppHandle, menu: &TrayMenu) -> tauri::Result<(Menu<tauri::Wry>, Vec<Item>)> {
    let system = Menu::new(app)?;
    let mut items = Vec::new();
    for entry in &menu.entries {
        let (text, is_enabled) = (label(entry), is_enabled(entry));
        let item = match (item_id(entry), is_checked(entry)) {
            (Some(id), Some(is_checked)) => {
                let item = CheckMenuItem::with_id(app, id, text, is_enabled, is_checked, None::<&str>)?;
                system.append(&item)?;
                Item::Check(item)
            }
            (Some(id), None) => {
                let item = MenuItem::with_id(app, id, text, is_enabled, None::<&str>)?;
                system.append(&item)?;
                Item::Plain(item)
            }
            (None, _) => {
                system.append(&PredefinedMenuItem::separator(app)?)?;
                Item::Separator
            }
        };
        items.push(item);
    }
    Ok((system, items))
}

/// What an item is known by; a separator has nothing.
fn item_id(entry: &MenuEntry) -> Option<&'static str> {
    match entry {
        MenuEntry::Text(_) => Some("text"),
        MenuEntry::Separator => None,
        MenuEntry::Command { command, .. } => Some(command.id()),
    }
}

/// An entry's words. A single `&` would mark the next letter as a key to press.
fn label(entry: &MenuEntry) -> String {
    match entry {
        MenuEntry::Text(text) | MenuEntry::Command { label: text, .. } => text.replace('&', "&&"),
        MenuEntry::Separator => String::new(),
    }
}

fn is_enabled(entry: &MenuEntry) -> bool {
    matches!(entry, MenuEntry::Command { is_enabled: true, .. })
}

fn is_checked(entry: &MenuEntry) -> Option<bool> {
    match entry {
        MenuEntry::Command { is_checked, .. } => *is_checked,
        MenuEntry::Text(_) | MenuEntry::Separator => None,
    }
}
