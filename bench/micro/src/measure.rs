//! Times, each beside the time of its floor: what has to be done at least. The two are measured in turns, so that what disturbs the machine
//! disturbs both, and by the thread's processor time, so that waiting for a turn on the processor does not count.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const SAMPLES: usize = 41;

/// So long takes one sample.
const SAMPLE: Duration = Duration::from_millis(1);

/// A part and its floor.
pub(crate) struct Row {
    pub(crate) part: &'static str,
    pub(crate) size: String,
    /// Of what is moved, where bytes are moved.
    pub(crate) bytes: Option<usize>,
    pub(crate) floor: &'static str,
    pub(crate) times: Times,
}

/// Medians, in nanoseconds for one time, and the median of the ratios of samples that were taken together.
pub(crate) struct Times {
    pub(crate) part: f64,
    pub(crate) floor: f64,
    pub(crate) ratio: f64,
}

/// Measures what can be done over and over.
pub(crate) fn compare(mut part: impl FnMut(), mut floor: impl FnMut()) -> Times {
    let (of_part, of_floor) = (times_in_a_sample(&mut part), times_in_a_sample(&mut floor));
    samples(|| [each(&mut part, of_part), each(&mut floor, of_floor)])
}

/// Takes samples: each tells how many nanoseconds the part and its floor took for one time.
pub(crate) fn samples(mut sample: impl FnMut() -> [f64; 2]) -> Times {
    let samples: Vec<_> = (0..SAMPLES).map(|_| sample()).collect();
    let median_of = |of: fn(&[f64; 2]) -> f64| median(samples.iter().map(of).collect());
    Times { part: median_of(|[part, _]| *part), floor: median_of(|[_, floor]| *floor), ratio: median_of(|[part, floor]| part / floor) }
}

/// How long one time takes, of so many.
pub(crate) fn each(act: &mut impl FnMut(), times: usize) -> f64 {
    let began = processor_time();
    for _ in 0..times {
        act();
    }
    (processor_time() - began).as_nanos() as f64 / times as f64
}

fn times_in_a_sample(act: &mut impl FnMut()) -> usize {
    let mut times = 1;
    while each(act, times) * (times as f64) < SAMPLE.as_nanos() as f64 {
        times *= 2;
    }
    times
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
