//! `silverback config …`.

use std::error::Error;
use std::io::Write as _;

use super::load::Layers;
use super::{example as example_text, print as print_text};
use crate::listening::{Inherited, exposed};
use crate::serve;

/// Everything that would keep a server from starting with it.
pub(crate) fn check(layers: &Layers) -> Result<(), Box<dyn Error>> {
    let loaded = layers.load()?;
    if !loaded.config.is_local() {
        loaded.strength()?;
    }
    let exposed = exposed(&loaded.config, &Inherited::default());
    serve::check(&loaded.config, exposed.as_deref())?;
    writeln!(std::io::stdout(), "the configuration is good")?;
    Ok(())
}

/// What is in effect.
pub(crate) fn print(layers: &Layers) -> Result<(), Box<dyn Error>> {
    std::io::stdout().write_all(print_text::printed(&layers.load()?).as_bytes())?;
    Ok(())
}

/// A file to begin with.
pub(crate) fn example() -> Result<(), Box<dyn Error>> {
    std::io::stdout().write_all(example_text::text().as_bytes())?;
    Ok(())
}
