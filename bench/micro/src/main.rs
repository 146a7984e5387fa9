//! What each hot part costs, in instructions and in time. `cargo xtask bench micro` and `cargo xtask instructions` run it.
//!
//! | command | what it does |
//! | --- | --- |
//! | `times` | measures the hot parts beside their floors, and prints a table |
//! | `cases` | lists the cases, each with the number of messages in one round |
//! | `rounds CASE N` | does so many rounds of a case, and nothing that depends on the machine's speed; for callgrind to count |

mod echo;
mod fan_out;
mod measure;
mod queue;
mod registry;
mod script;
mod times;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use workload::Workload;

const USAGE: &str = "usage: silverback-micro times
       silverback-micro cases
       silverback-micro rounds CASE N";

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["times"] => runtime().and_then(|runtime| times::table(&runtime)).map(|table| print!("{table}")),
        ["cases"] => {
            cases().iter().for_each(|case| println!("{}\t{}", case.name, case.messages));
            Ok(())
        }
        ["rounds", name, rounds] => do_rounds(name, rounds),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Act = dyn Fn(&Runtime, usize) -> Outcome;

/// Something of which rounds can be done.
struct Case {
    name: String,
    /// Messages in one round; of a fan-out, deliveries.
    messages: usize,
    act: Box<Act>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for workload in &workload::ALL {
        let mut add = |way: &str, act: fn(&Runtime, &Workload, usize) -> Outcome| {
            let name = format!("{way}, {}", workload.name);
            cases.push(Case { name, messages: workload.messages, act: Box::new(move |runtime, rounds| act(runtime, workload, rounds)) });
        };
        add("raw", echo::raw);
        add("wire", |_, workload, rounds| echo::wire(workload, rounds));
        add("bare", echo::bare);
        add("run", echo::run);
    }
    let mut add = |name: &str, act: fn(&Runtime, usize) -> Outcome| {
        cases.push(Case { name: name.to_owned(), messages: fan_out::RECEIVERS, act: Box::new(act) });
    };
    add("fan-out by senders, 125 B to 100", fan_out::by_senders);
    add("fan-out by the hub, 125 B to 100", fan_out::by_hub);
    cases
}

fn do_rounds(name: &str, rounds: &str) -> Outcome {
    let rounds = rounds.parse().map_err(|_| format!("{rounds}: a number of rounds is wanted"))?;
    let case = cases().into_iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("there is no case {name:?}; `silverback-micro cases` lists them"))?;
    (case.act)(&runtime()?, rounds)
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
