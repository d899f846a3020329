//! The display: connecting to it, and how it is drawn on.

/// Connects to the display.
///
/// # Errors
/// When there is none. Tauri would panic.
#[cfg(target_os = "linux")]
pub(crate) fn connect() -> anyhow::Result<()> {
    use anyhow::Context;
    gtk::init()
        .context("there is no display to show an icon on; `tidegate serve` runs Tidegate without a desktop")
}

/// Connects to the display: always there on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn connect() -> anyhow::Result<()> {
    Ok(())
}

/// Starts this program again in its own place with `GDK_GL=disable`, where that costs nothing: on
/// X11, GTK looks at OpenGL when it starts, though neither the tray nor dialogs draw with it. On a
/// display without a graphics card that look alone takes some 50 MB. Pages are then drawn without
/// OpenGL too, which they do not need.
///
/// Left as it is on Wayland, and when the person set `GDK_GL`. Comes back when there is nothing to
/// do, and when it does not work: then it is only the memory that is lost.
#[cfg(target_os = "linux")]
pub(crate) fn leave_opengl_out() {
    use std::os::unix::process::CommandExt;

    use tidegate_host::environment::lookup;

    let is_x11 = match lookup("GDK_BACKEND") {
        Some(backend) => backend == "x11",
        None => lookup("DISPLAY").is_some() && lookup("WAYLAND_DISPLAY").is_none(),
    };
    // Set already: by the person, or by this function the first time.
    if !is_x11 || lookup(GDK_GL).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let Some(name) = arguments.next() else { return };
    // An environment cannot be changed safely from within; the process keeps its number.
    let _failed =
        std::process::Command::new(program).arg0(name).args(arguments).env(GDK_GL, "disable").exec();
}

/// Nothing to do on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn leave_opengl_out() {}

/// What [`leave_opengl_out`] sets: not meant for programs that are started from here.
pub(crate) const GDK_GL: &str = "GDK_GL";
