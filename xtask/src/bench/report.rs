//! Puts `RESULTS.md` together from the records, and what the README quotes of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use super::Pace;
use super::chart;
use super::contender::{OURS, RAW};
use super::machine;
use super::record::{Measured, Record, Run};
use super::table::{Better, Case, Metric, Table};
use super::tables;
use crate::run::root;

/// What stands around the part of the results that the README quotes.
const QUOTE: [&str; 2] = ["<!-- quoted by README.md -->\n", "<!-- end of the quote -->\n"];

/// Writes the results and the charts; of a full measurement, the README's quote too.
pub(crate) fn write(pace: Pace) -> Result<(), String> {
    let place = pace.place()?;
    let charts = place.join("charts");
    fs::create_dir_all(&charts).map_err(|error| format!("{}: {error}", charts.display()))?;
    let mut records = Vec::new();
    for table in tables::all() {
        if let Some(record) = Record::load(table.name, pace)? {
            for (metric, svg) in chart::charts(&table, &record) {
                write_file(&charts.join(chart::file(&table, metric)), &svg)?;
            }
            records.push((table, record));
        }
    }
    let results = results(&records)?;
    write_file(&place.join("RESULTS.md"), &results)?;
    println!("{}", place.join("RESULTS.md").display());
    if pace == Pace::Full {
        let file = root().join("README.md");
        let readme = fs::read_to_string(&file).map_err(|error| format!("README.md: {error}"))?;
        if let Some(quote) = quoted(&results) {
            write_file(&file, &with_quote(&readme, quote).ok_or("README.md has no marks for a quote")?)?;
        }
    }
    Ok(())
}

fn write_file(file: &std::path::Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// What stands between the marks.
fn quoted(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(QUOTE[0])?;
    Some(rest.split_once(QUOTE[1])?.0)
}

/// The text with something else between the marks.
fn with_quote(text: &str, quote: &str) -> Option<String> {
    let (before, rest) = text.split_once(QUOTE[0])?;
    let (_, after) = rest.split_once(QUOTE[1])?;
    Some([before, QUOTE[0], quote, QUOTE[1], after].concat())
}

fn results(records: &[(Table, Record)]) -> Result<String, String> {
    let mut text =
        "# Results\n\nWritten by `cargo xtask bench`, from `records/`. How it is measured, and what we learnt: [NOTES.md](NOTES.md).\n"
            .to_owned();
    let mut machines: Vec<&machine::Machine> = Vec::new();
    for (_, record) in records {
        if !machines.contains(&&record.machine) {
            machines.push(&record.machine);
        }
    }
    for machine::Machine { processor, cores, memory_gib, kernel, rustc } in machines {
        let _ = writeln!(text, "\n{processor}, {cores} cores, {memory_gib} GiB, {kernel}, {rustc}.");
    }
    let _ = writeln!(text, "Peers: {}.\n", machine::peers()?.join(", "));
    if let Some((table, record)) = records.iter().find(|(table, _)| table.name == "echo") {
        let _ = writeln!(text, "## In short\n\n{}{}{}", QUOTE[0], in_short(table, record), QUOTE[1]);
    }
    for (table, record) in records {
        let quiet = record.runs.iter().filter(|run| run.is_quiet()).count();
        let _ = writeln!(text, "## {}\n\n{}\n", table.title, table.about);
        let quickly = if record.quick { " quickly, for a look," } else { "" };
        let _ = write!(
            text,
            "Measured{quickly} on {} at commit {}: {quiet} of {} runs were quiet.",
            record.date,
            record.commit,
            record.runs.len()
        );
        if let Some(rate) = record.rate {
            let _ = write!(text, " The rate: {rate:.0} messages a second.");
        }
        text += "\n";
        for metric in table.metrics.iter().filter(|metric| metric.drawn) {
            let _ = writeln!(text, "\n![{}](charts/{})", metric.title, chart::file(table, metric));
        }
        text += &matrices(table, record);
        text += "\n";
    }
    Ok(text)
}

/// One line for each row of the echo table: ours, the floor, and the best of the others.
fn in_short(table: &Table, record: &Record) -> String {
    let mut text = format!(
        "Echo on one core of an {} ({}): the server's processor time for each message in µs, the kernel's included,\n\
         and in brackets messages a second.\n\n\
         | connections : payload : in flight | raw TCP | silverback | × raw | best peer | × best |\n\
         | --- | --: | --: | --: | --: | --: |\n",
        record.machine.processor, record.date
    );
    for case in &table.cases {
        let [cpu, rate] = ["cpu_us", "per_second"].map(|figure| record.measured(case.name, figure));
        let shown = |name: &str| match (cpu.get(name), rate.get(name)) {
            (Some(cpu), Some(rate)) => format!("{} ({}){}", number(cpu.median), per_second(rate.median), star(*cpu)),
            _ => "–".to_owned(),
        };
        let times = |other: Option<f64>| match (cpu.get(OURS), other) {
            (Some(ours), Some(other)) => format!("{:.2}", ours.median / other),
            _ => "–".to_owned(),
        };
        let best = best_peer(table, &cpu, Better::Lower);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            case.name,
            shown(RAW),
            shown(OURS),
            times(cpu.get(RAW).map(|raw| raw.median)),
            best.map_or("–".to_owned(), |(name, _)| format!("{} {name}", shown(name))),
            times(best.map(|(_, best)| best.median)),
        );
    }
    with_footnote(text)
}

/// The best of those that are neither ours nor the floor.
fn best_peer<'a>(table: &Table, all: &BTreeMap<&'a str, Measured>, better: Better) -> Option<(&'a str, Measured)> {
    let peers = all.iter().filter(|(name, _)| **name != RAW && !table.is_ours(name)).map(|(name, measured)| (*name, *measured));
    match better {
        Better::Lower => peers.min_by(|a, b| a.1.median.total_cmp(&b.1.median)),
        Better::Higher => peers.max_by(|a, b| a.1.median.total_cmp(&b.1.median)),
    }
}

/// A matrix for each metric: contenders down, cases across.
pub(crate) fn matrices(table: &Table, record: &Record) -> String {
    let mut text = String::new();
    for metric in &table.metrics {
        let cases: Vec<(&Case, BTreeMap<&str, Measured>)> = table
            .cases
            .iter()
            .map(|case| (case, record.measured(case.name, metric.figure)))
            .filter(|(_, measured)| measured.values().any(|one| one.most > 0.0))
            .collect();
        if !cases.is_empty() {
            matrix(&mut text, table, metric, &cases);
        }
    }
    with_footnote(text)
}

fn star(one: Measured) -> &'static str {
    if one.disturbed { " *" } else { "" }
}

fn with_footnote(mut text: String) -> String {
    if text.contains(" * ") {
        let _ = writeln!(text, "\n\\* each of its runs was disturbed: others used more than {} % of a core.", Run::FOREIGN);
    }
    text
}

fn matrix(text: &mut String, table: &Table, metric: &Metric, cases: &[(&Case, BTreeMap<&str, Measured>)]) {
    let better = if metric.better == Better::Lower { "less is better" } else { "more is better" };
    let names: Vec<&str> = cases.iter().map(|(case, _)| case.name).collect();
    let _ = writeln!(text, "\n{}; {better}:\n\n| | {} |\n| --- |{}", metric.title, names.join(" | "), " --: |".repeat(names.len()));
    let row = |text: &mut String, name: &str, cells: Vec<String>| {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    for contender in &table.contenders {
        let cells: Vec<String> =
            cases.iter().map(|(_, all)| all.get(contender.name).map_or("–".to_owned(), |one| cell(*one, metric))).collect();
        if cells.iter().any(|cell| cell != "–") {
            let name = if contender.name == OURS { format!("**{OURS}**") } else { contender.name.to_owned() };
            row(text, &name, cells);
        }
    }
    let against = |other: &dyn Fn(&BTreeMap<&str, Measured>) -> Option<f64>| -> Vec<String> {
        let ratio = |all: &BTreeMap<&str, Measured>| Some(all.get(OURS)?.median / other(all).filter(|value| *value > 0.0)?);
        cases.iter().map(|(_, all)| ratio(all).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))).collect()
    };
    let raw = against(&|all| Some(all.get(RAW)?.median));
    let best = against(&|all| Some(best_peer(table, all, metric.better)?.1.median));
    for (name, cells) in [("silverback / raw TCP", raw), ("silverback / best peer", best)] {
        if cells.iter().any(|cell| cell != "–") {
            row(text, name, cells);
        }
    }
}

/// The median, and by how much runs differ from it.
fn cell(one: Measured, metric: &Metric) -> String {
    let value = if metric.better == Better::Higher { per_second(one.median) } else { number(one.median) };
    let spread = (one.most - one.median).max(one.median - one.least) / one.median.abs().max(1e-9) * 100.0;
    let spread = if one.most > one.least { format!(" ±{spread:.0} %") } else { String::new() };
    format!("{value}{spread}{}", star(one))
}

/// Three digits, and whole numbers from a thousand on with a space between thousands.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 999.5 => thousands(value),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 || value == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// As in 1.24 M or 148 k.
fn per_second(value: f64) -> String {
    match value {
        millions if millions >= 1e6 => format!("{} M", number(millions / 1e6)),
        thousands if thousands >= 1e4 => format!("{} k", number(thousands / 1e3)),
        few => number(few),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 0.4414, 6.364, 24.56, 355.4, 999.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.00", "0.441", "6.36", "24.6", "355", "1,000", "1,234,567"]);
        assert_eq!([148_321.0, 2_412_000.0, 803.0].map(per_second), ["148 k", "2.41 M", "803"]);
    }

    #[test]
    fn a_matrix_says_what_a_ratio_is_to() {
        let table = tables::all().into_iter().next().unwrap();
        let run = |contender: &str, cpu: f64| Run {
            case: table.cases[0].name.into(),
            contender: contender.into(),
            round: 0,
            figures: json!({"cpu_us": cpu, "per_second": 10.0}).as_object().cloned().unwrap_or_default(),
        };
        let machine = machine::Machine { processor: "p".into(), cores: 2, memory_gib: 1, kernel: "k".into(), rustc: "r".into() };
        let runs = vec![run(RAW, 2.0), run(OURS, 3.0), run("uWebSockets", 4.0), run("gorilla", 6.0)];
        let record = Record { table: "echo".into(), date: "d".into(), commit: "c".into(), quick: false, machine, rate: None, runs };
        let text = matrices(&table, &record);
        assert!(text.contains("| silverback / raw TCP | 1.50 |\n| silverback / best peer | 0.75 |\n"), "{text}");
        let short = in_short(&table, &record);
        assert!(short.contains("| 2.00 (10.0) | 3.00 (10.0) | 1.50 | 4.00 (10.0) uWebSockets | 0.75 |"), "{short}");
    }

    #[test]
    fn a_quote_takes_the_place_of_what_was_between_the_marks() {
        for old in ["", "old\n"] {
            let text = format!("before\n{}{old}{}after\n", QUOTE[0], QUOTE[1]);
            assert_eq!(with_quote(&text, "new\n").unwrap(), format!("before\n{}new\n{}after\n", QUOTE[0], QUOTE[1]));
        }
        assert_eq!(with_quote("no marks", "new"), None);
    }

    #[test]
    fn the_readme_quotes_the_results() {
        let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
        let (readme, results) = (read("README.md"), read("bench/RESULTS.md"));
        assert_eq!(quoted(&readme).expect("the README has a quote"), quoted(&results).expect("the results have what is quoted"));
    }

    #[test]
    fn the_results_are_those_of_the_records() {
        let records = tables::all().into_iter().filter_map(|table| Some((Record::load(table.name, Pace::Full).unwrap()?, table)));
        let results = fs::read_to_string(root().join("bench/RESULTS.md")).unwrap();
        for (record, table) in records {
            assert!(
                results.contains(&matrices(&table, &record)),
                "bench/RESULTS.md is not from the record of {}: run `cargo xtask bench --report`",
                table.name
            );
        }
    }
}
