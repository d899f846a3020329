//! A Tauri application that has an icon with a menu in the tray and nothing else: what memory figures
//! of the shell are compared to (`tests/desktop/figures`).

use tauri::RunEvent;
use tauri::menu::MenuBuilder;
use tauri::tray::TrayIconBuilder;

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
        .build(tauri::generate_context!())?;
    app.run_return(|_, event| {
        // There is no window whose end could end it.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    Ok(())
}
