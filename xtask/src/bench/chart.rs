//! Charts: bars for each case, the shortest first or the longest, ours in colour. They are readable on light and on dark pages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::contender::{OURS, RAW};
use super::record::{Measured, Record};
use super::report::number;
use super::table::{Better, Metric, Table};

const WIDTH: usize = 860;
const COLUMN: usize = 430;
const LINE: usize = 20;
const LABEL: usize = 176;
const BAR: f64 = 170.0;

/// Longer bars than this many times ours are cut off: what is far behind shall not make the rest unreadable.
const LONGEST: f64 = 3.0;

/// Ours has a colour, the floor is grey; both keep their contrast on either page.
const STYLE: &str = "<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.case { font-weight: 600 }
.page { fill: #ffffff }
.other { fill: #8c959f }
.ours { fill: #0969da }
.floor { fill: #d0d7de }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117 }
.other { fill: #6e7681 }
.ours { fill: #4493f8 }
.floor { fill: #484f58 }
}
</style>\n";

/// The chart's file.
pub(crate) fn file(table: &Table, metric: &Metric) -> String {
    format!("{}-{}.svg", table.name, metric.figure.replace('_', "-"))
}

/// The charts of a table.
pub(crate) fn charts<'a>(table: &'a Table, record: &Record) -> Vec<(&'a Metric, String)> {
    table.metrics.iter().filter(|metric| metric.drawn).map(|metric| (metric, chart(table, metric, record))).collect()
}

fn chart(table: &Table, metric: &Metric, record: &Record) -> String {
    let cases: Vec<(&str, BTreeMap<&str, Measured>)> = table
        .cases
        .iter()
        .map(|case| (case.name, record.measured(case.name, metric.figure)))
        .filter(|(_, measured)| !measured.is_empty())
        .collect();
    let mut columns = [56, 56];
    let mut body = String::new();
    for (name, measured) in cases {
        let column = usize::from(columns[1] < columns[0]);
        panel(&mut body, (column * COLUMN + 16, columns[column]), name, &bars(table, &measured, metric.better));
        columns[column] += (measured.len() + 2) * LINE;
    }
    let height = columns[0].max(columns[1]);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{title}\">\n{STYLE}<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"16\" y=\"28\">{}: {title}</text>\n{body}</svg>\n",
        table.title,
        title = escaped(metric.title),
    )
}

struct Bar<'a> {
    name: &'a str,
    class: &'static str,
    value: f64,
}

fn bars<'a>(table: &Table, measured: &BTreeMap<&'a str, Measured>, better: Better) -> Vec<Bar<'a>> {
    let class = |name: &str| match name {
        RAW => "floor",
        name if table.is_ours(name) => "ours",
        _ => "other",
    };
    let mut bars: Vec<Bar<'_>> = measured.iter().map(|(name, one)| Bar { name, class: class(name), value: one.median }).collect();
    bars.sort_by(|a, b| if better == Better::Lower { a.value.total_cmp(&b.value) } else { b.value.total_cmp(&a.value) });
    bars
}

fn panel(body: &mut String, (x, y): (usize, usize), name: &str, bars: &[Bar<'_>]) {
    let ours = bars.iter().find(|bar| bar.name == OURS).map(|bar| bar.value);
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let longest = ours.map_or(most, |ours| most.min(ours * LONGEST)).max(f64::MIN_POSITIVE);
    let _ = writeln!(body, "<text class=\"case\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(name));
    for (at, Bar { name, class, value }) in bars.iter().enumerate() {
        let (line, start) = (y + (at + 1) * LINE, x + LABEL);
        let length = (value / longest).clamp(0.004, 1.0) * BAR;
        let cut = if *value > longest { " »" } else { "" };
        let _ = writeln!(body, "<text x=\"{}\" y=\"{line}\" text-anchor=\"end\">{}</text>", start - 8, escaped(name));
        let _ = writeln!(body, "<rect class=\"{class}\" x=\"{start}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" rx=\"2\"/>", line - 11);
        let _ = writeln!(body, "<text x=\"{:.1}\" y=\"{line}\">{}{cut}</text>", start as f64 + length + 6.0, number(*value));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_far_behind_is_cut_off_and_marked() {
        let mut body = String::new();
        panel(
            &mut body,
            (0, 0),
            "a < b",
            &[(OURS, 1.0), ("near", 2.0), ("far", 30.0)].map(|(name, value)| Bar { name, class: "other", value }),
        );
        assert!(body.contains("a &lt; b"), "{body}");
        assert!(body.contains("width=\"56.7\"") && body.contains("width=\"113.3\"") && body.contains("width=\"170.0\""), "{body}");
        assert!(body.contains(">30.0 »<") && !body.contains("2.00 »"), "{body}");
    }
}
