//! Handshakes: batches of connections are opened and reset, again and again.

use std::time::{Duration, Instant};

use clap::Args;

use crate::Figures;
use crate::failure::Result;
use crate::open::{open, reset};
use crate::target::{Common, Times};
use crate::window::Window;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    times: Times,
    /// How many are open before they are reset
    #[arg(long, default_value_t = 256)]
    batch: usize,
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    for_a_while(options, options.times.warm_up)?;
    let window = Window::begin(&options.common)?;
    let opened = for_a_while(options, options.times.seconds)?;
    window.end(&options.common, opened as f64)
}

fn for_a_while(options: &Options, seconds: f64) -> Result<usize> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut opened = 0;
    while Instant::now() < end {
        reset(open(&options.common, 0, options.batch)?);
        opened += options.batch;
    }
    Ok(opened)
}
