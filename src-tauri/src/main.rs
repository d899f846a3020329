//! The binary of the desktop shell; its code is in the library beside it.

fn main() -> anyhow::Result<()> {
    tidegate_desktop::run()
}
