//! What a table is made of.

use super::contender::Contender;

/// One table of the results.
pub(crate) struct Table {
    /// What it is called on the command line, and its record's file.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is measured, in a sentence or two.
    pub(crate) about: &'static str,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) cases: Vec<Case>,
    pub(crate) metrics: Vec<Metric>,
    /// How often each case is measured with each contender.
    pub(crate) rounds: usize,
    pub(crate) rate: Rate,
}

/// One column: what the load generator does.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) options: &'static [&'static str],
}

impl Case {
    pub(crate) const fn new(name: &'static str, mode: &'static str, options: &'static [&'static str]) -> Self {
        Self { name, mode, options }
    }

    /// Whether there is a time to measure for: other modes end by themselves.
    pub(crate) fn takes_a_time(&self) -> bool {
        matches!(self.mode, "echo" | "fan-out" | "churn")
    }
}

/// One figure of the load generator's.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) figure: &'static str,
    pub(crate) title: &'static str,
    pub(crate) better: Better,
    /// Has a chart.
    pub(crate) drawn: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
}

impl Metric {
    pub(crate) const fn lower(figure: &'static str, title: &'static str) -> Self {
        Self { figure, title, better: Better::Lower, drawn: false }
    }

    pub(crate) const fn higher(figure: &'static str, title: &'static str) -> Self {
        Self { figure, title, better: Better::Higher, drawn: false }
    }

    pub(crate) const fn drawn(mut self) -> Self {
        self.drawn = true;
        self
    }
}

/// Whether messages come at set times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As fast as they are answered.
    AsFastAsPossible,
    /// At half of what the fastest contender of all manages in this case of one connection count and size.
    HalfOfTheBest(&'static [&'static str]),
}

impl Table {
    /// How long each run measures, in seconds.
    pub(crate) const SECONDS: f64 = 1.5;
    pub(crate) const WARM_UP: f64 = 0.4;
    pub(crate) const SLOW_WARM_UP: f64 = 1.5;

    /// Neither a peer nor the floor.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        self.contenders.iter().any(|contender| contender.name == name && contender.is_ours())
    }
}
