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
    menu: Menu<tauri::Wry>,
    shown: TrayMenu,
    /// For each entry of the menu its item.
    items: Vec<(Shape, Item)>,
}

/// What an entry is known by, a separator by nothing, and whether it has a check mark.
type Shape = (Option<&'static str>, bool);

/// A line of the system's menu.
enum Item {
    Plain(MenuItem<tauri::Wry>),
    Check(CheckMenuItem<tauri::Wry>),
    Separator(PredefinedMenuItem<tauri::Wry>),
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
        let system_menu = Menu::new(app)?;
        let mut builder = TrayIconBuilder::with_id("tidegate")
            .icon(image(menu.icon))
            .tooltip(&menu.tooltip)
            .menu(&system_menu);
        // The library's own choice can be a directory that every user may write.
        if let Some(directory) = runtime_directory::of("tray") {
            builder = builder.temp_dir_path(directory);
        }
        let mut tray =
            Self { system: builder.build(app)?, menu: system_menu, shown: menu, items: Vec::new() };
        tray.reshape(app)?;
        Ok(tray)
    }

    /// Changes what is shown into `menu`. What is in both stays the same item: the menu stays open, and a click that
    /// is on its way finds it.
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
        self.shown = menu;
        self.reshape(app)?;
        self.redraw()
    }

    /// Takes out the items that are not shown any more, and puts in those that are new.
    fn reshape(&mut self, app: &AppHandle) -> tauri::Result<()> {
        let wanted: Vec<Shape> = self.shown.entries.iter().map(shape).collect();
        for at in (0..self.items.len()).rev() {
            let known = self.items[at].0;
            if known.0.is_some() && !wanted.contains(&known) {
                self.take_out(at)?;
            }
        }
        for (at, shape) in wanted.iter().enumerate() {
            let later = self.items[at..].iter().position(|(known, _)| known == shape);
            match later {
                Some(0) => {}
                // Only separators stand between: the order of the rest does not change.
                Some(distance) if shape.0.is_some() => {
                    for _ in 0..distance {
                        self.take_out(at)?;
                    }
                }
                _ => {
                    let item = Item::new(app, &self.shown.entries[at])?;
                    item.insert_into(&self.menu, at)?;
                    self.items.insert(at, (*shape, item));
                }
            }
        }
        while self.items.len() > wanted.len() {
            self.take_out(wanted.len())?;
        }
        Ok(())
    }

    fn take_out(&mut self, at: usize) -> tauri::Result<()> {
        self.menu.remove_at(at)?;
        self.items.remove(at);
        Ok(())
    }

    /// Sets every line to what is to be shown. A click has moved a check mark, though nothing may
    /// have changed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn redraw(&self) -> tauri::Result<()> {
        for (entry, (_, item)) in self.shown.entries.iter().zip(&self.items) {
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
                Item::Separator(_) => {}
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

impl Item {
    fn new(app: &AppHandle, entry: &MenuEntry) -> tauri::Result<Self> {
        let (text, is_enabled) = (label(entry), is_enabled(entry));
        Ok(match shape(entry).0 {
            Some(id) => match is_checked(entry) {
                Some(is_checked) => {
                    Self::Check(CheckMenuItem::with_id(app, id, text, is_enabled, is_checked, None::<&str>)?)
                }
                None => Self::Plain(MenuItem::with_id(app, id, text, is_enabled, None::<&str>)?),
            },
            None => Self::Separator(PredefinedMenuItem::separator(app)?),
        })
    }

    fn insert_into(&self, menu: &Menu<tauri::Wry>, at: usize) -> tauri::Result<()> {
        match self {
            Self::Plain(item) => menu.insert(item, at),
            Self::Check(item) => menu.insert(item, at),
            Self::Separator(item) => menu.insert(item, at),
        }
    }
}

fn shape(entry: &MenuEntry) -> Shape {
    match entry {
        MenuEntry::Text(_) => (Some("text"), false),
        MenuEntry::Separator => (None, false),
        MenuEntry::Command { command, is_checked, .. } => (Some(command.id()), is_checked.is_some()),
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
