//! Measures a table: rounds over cases over contenders, so that whatever changes on the machine meanwhile changes for all of them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Pace;
use super::contender::{Contender, Program, RAW};
use super::machine::{self, Machine};
use super::record::{Figures, Record, Run};
use super::server::Server;
use super::table::{Case, Rate, Table};
use crate::run::typed;

/// How often what was disturbed is measured again.
const AGAIN: usize = 3;

pub(crate) fn measure(table: &Table, pace: Pace) -> Result<Record, String> {
    let rate = match table.rate {
        Rate::AsFastAsPossible => None,
        Rate::HalfOfTheBest(options) => Some(half_of_the_best(table, options, pace)?),
    };
    let mut measuring = Measuring { table, pace, rate, runs: Vec::new(), left: 0, began: Instant::now() };
    if table.cases.iter().all(|case| case.mode == "itself") {
        measuring.by_themselves()?;
    } else {
        measuring.rounds()?;
    }
    Ok(Record {
        table: table.name.to_owned(),
        date: machine::today()?,
        commit: machine::commit()?,
        quick: pace == Pace::Quick,
        machine: Machine::here()?,
        rate,
        runs: measuring.runs,
    })
}

struct Measuring<'a> {
    table: &'a Table,
    pace: Pace,
    rate: Option<f64>,
    runs: Vec<Run>,
    left: usize,
    began: Instant,
}

impl Measuring<'_> {
    fn rounds(&mut self) -> Result<(), String> {
        let rounds = if self.pace == Pace::Quick { 1 } else { self.table.rounds };
        let seldom = if self.pace == Pace::Quick { 0 } else { 1 };
        let wanted = |contender: &Contender| if contender.in_every_round { rounds } else { seldom };
        self.left = self.table.contenders.iter().map(wanted).sum::<usize>() * self.table.cases.len();
        println!("{} runs, about {:.0} s", self.left, self.left as f64 * (self.seconds() + 1.0));
        for round in 0..rounds {
            self.round(round, |contender, _| round < wanted(contender))?;
        }
        if self.pace == Pace::Quick {
            return Ok(());
        }
        for again in 0..AGAIN {
            let mut quiet: BTreeMap<(String, String), usize> = BTreeMap::new();
            for run in self.runs.iter().filter(|run| run.is_quiet()) {
                *quiet.entry((run.contender.clone(), run.case.clone())).or_default() += 1;
            }
            let lacks = |contender: &Contender, case: &Case| {
                quiet.get(&(contender.name.to_owned(), case.name.to_owned())).copied().unwrap_or(0) < wanted(contender)
            };
            let cases = self.table.cases.iter();
            self.left = cases.map(|case| self.table.contenders.iter().filter(|contender| lacks(contender, case)).count()).sum();
            if self.left == 0 {
                break;
            }
            println!("{} were disturbed, and are measured again", self.left);
            self.round(rounds + again, lacks)?;
        }
        Ok(())
    }

    fn round(&mut self, round: usize, wanted: impl Fn(&Contender, &Case) -> bool) -> Result<(), String> {
        for case in &self.table.cases {
            let count = self.table.contenders.len();
            for turn in 0..count {
                let contender = &self.table.contenders[(turn + round * 5) % count]; // nobody is always the first
                if wanted(contender, case) {
                    let run = self.run(case, contender, round).or_else(|failure| {
                        println!("{failure}\nonce more:"); // a busy machine may let a deadline pass
                        self.run(case, contender, round)
                    })?;
                    self.left = self.left.saturating_sub(1);
                    self.say(&run);
                    self.runs.push(run);
                }
            }
        }
        Ok(())
    }

    fn run(&self, case: &Case, contender: &Contender, round: usize) -> Result<Run, String> {
        let mut options: Vec<String> = case.options.iter().map(ToString::to_string).collect();
        if case.takes_a_time() {
            options.extend(times(contender, self.seconds()));
        }
        options.extend(self.rate.map(|rate| format!("--rate={rate:.0}")));
        let server = Server::start(contender)?;
        if contender.warms_up_slowly && !case.takes_a_time() {
            let echo = ["--connections=32", "--depth=4", "--seconds=1", "--warm-up=0"].map(String::from);
            server.load("echo", &echo)?;
        }
        let figures = server.load(case.mode, &options).map_err(|failure| format!("{}: {failure}", case.name))?;
        Ok(Run { case: case.name.to_owned(), contender: contender.name.to_owned(), round, figures })
    }

    /// Programs that measure themselves print a case and its figures on each line.
    fn by_themselves(&mut self) -> Result<(), String> {
        let rounds = if self.pace == Pace::Quick { 1 } else { self.table.rounds };
        for round in 0..rounds {
            for contender in &self.table.contenders {
                for (case, figures) in printed(contender, self.pace)? {
                    let run = Run { case, contender: contender.name.to_owned(), round, figures };
                    self.say(&run);
                    self.runs.push(run);
                }
            }
        }
        Ok(())
    }

    fn seconds(&self) -> f64 {
        if self.pace == Pace::Quick { Table::SECONDS / 3.0 } else { Table::SECONDS }
    }

    fn say(&self, run: &Run) {
        let figures: Vec<String> =
            self.table.metrics.iter().filter_map(|metric| Some(format!("{} {:.2}", metric.figure, run.figure(metric.figure)?))).collect();
        let disturbed = if run.is_quiet() { "" } else { "  DISTURBED" };
        let (left, so_far) = (self.left, Duration::from_secs(self.began.elapsed().as_secs()));
        println!(
            "{so_far:>5.0?} {left:>4} left  {:22} {:28} {}  foreign {:.0} %{disturbed}",
            run.case,
            run.contender,
            figures.join("  "),
            run.foreign()
        );
    }
}

fn times(contender: &Contender, seconds: f64) -> [String; 2] {
    let warm_up = if contender.warms_up_slowly { Table::SLOW_WARM_UP } else { Table::WARM_UP };
    [format!("--seconds={seconds}"), format!("--warm-up={warm_up}")]
}

fn half_of_the_best(table: &Table, options: &[&str], pace: Pace) -> Result<f64, String> {
    let seconds = if pace == Pace::Quick { 0.5 } else { 1.0 };
    let mut best = 0.0_f64;
    for contender in table.contenders.iter().filter(|contender| contender.name != RAW).take(3) {
        let options: Vec<String> = options.iter().map(ToString::to_string).chain(times(contender, seconds)).collect();
        let figures = Server::start(contender)?.load("echo", &options)?;
        best = best.max(figures.get("per_second").and_then(Value::as_f64).unwrap_or(0.0));
    }
    println!("the best manages {best:.0} messages a second; half of it is the rate");
    Ok((best / 2.0).round())
}

fn printed(contender: &Contender, pace: Pace) -> Result<Vec<(String, Figures)>, String> {
    let mut words = contender.command(0)?.into_iter();
    let Program::Example(_, name) = contender.program() else { return Err(format!("{} does not measure itself", contender.name)) };
    let mut command = Command::new(words.next().ok_or("no command")?);
    command.args(words).args((pace == Pace::Quick).then_some("--quick")).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("`{}` did not start: {error}", typed(&command)))?;
    if !output.status.success() {
        return Err(format!("`{}` ended with {}", typed(&command), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{name} printed {line:?}: {error}"))).collect()
}
