//! `silverback doctor`: goes the whole way to a WebSocket, and says what is wrong and how to mend it.
//!
//! ```text
//!   arguments ─▶ subject ─▶ examination ─▶ observed ─▶ finding (a line a stage) ─┬─▶ draw
//!                           network, tls,              verdict (one cause)       └─▶ json
//!                           talk, arrived              lines (for which proxy)
//! ```
//!
//! What is observed is data; judging it needs no network, and both ways of showing it come from the same.

mod arguments;
mod arrived;
mod draw;
mod examination;
mod finding;
mod json;
mod lines;
mod network;
mod observed;
mod proxy;
mod stage;
mod subject;
mod talk;
mod tls;
mod verdict;

use std::error::Error;
use std::io::{IsTerminal as _, Write as _, stdout};

pub(crate) use arguments::Doctor;
use tokio::time::Instant;

use self::arguments::Color;
use self::draw::Drawing;
use self::examination::{Examination, Step};
use self::finding::{finding, findings};
use self::proxy::Proxy;
use self::stage::Stage;
use self::subject::Subject;
use self::tls::Trusts;
use self::verdict::verdict;
use crate::target::Target;

/// Examines, and prints what was found. `true` when all is well.
pub(crate) async fn doctor(arguments: Doctor) -> Result<bool, Box<dyn Error>> {
    let subject = Subject::new(&arguments.target)?;
    let idle = arguments.idle.unwrap_or_default();
    let blind = Target::blind_trust()?.client_config().await?;
    // The system's certificates take a while to read.
    let given = if subject.is_secure() { arguments.target.trust()?.client_config().await? } else { blind.clone() };
    let examination = Examination {
        trusts: Trusts { given, blind, is_insecure: arguments.target.insecure },
        within: arguments.timeout,
        idle,
        message: usize::try_from(arguments.message.as_u64())?,
        subject: subject.clone(),
    };
    let is_terminal = stdout().is_terminal();
    let drawing = Drawing { has_colours: has_colours(arguments.color, is_terminal) };
    let began = Instant::now();

    let show = |text: &str| {
        if !arguments.json {
            let mut out = stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush()); // whoever has gone away needs no line
        }
    };
    let mut beyond_reach = Vec::new();
    show(&drawing.head(&subject.shown()));
    let observed = examination
        .run(|step| match step {
            Step::Begins(stage) if is_terminal => show(&drawing.waiting(stage)),
            Step::Begins(_) => {}
            Step::Done(stage, observed) => {
                let finding = finding(stage, observed, &subject);
                let line = if finding.is_beyond_reach() {
                    beyond_reach.push(stage);
                    String::new()
                } else {
                    drawing.finding(&finding)
                };
                show(&if is_terminal { format!("\r\u{1b}[2K{line}") } else { line });
            }
        })
        .await;
    show(&drawing.beyond_reach(&beyond_reach));

    let findings = findings(&observed, &subject);
    let verdict = verdict(&observed, &findings, &subject);
    let shown: Vec<Proxy> = arguments.proxy.or(verdict.proxy).into_iter().collect();
    if arguments.json {
        let shown = if shown.is_empty() { Proxy::ALL.to_vec() } else { shown };
        let bound = Stage::bound_of_all(arguments.timeout, idle);
        let json = json::json(&subject, &observed, &findings, &verdict, &shown, began.elapsed(), bound);
        writeln!(stdout(), "{}", json::written(&json))?;
    } else {
        show(&drawing.verdict(&verdict, &shown, arguments.proxy.is_some()));
    }
    Ok(verdict.is_well())
}

fn has_colours(color: Color, is_terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}
