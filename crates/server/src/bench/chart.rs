//! Charts as SVG, which stand in the page itself.

use std::fmt::Write as _;

use super::html::escaped;
use super::report::Bin;
use super::units::time;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// A line of a chart.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// A class of the page's style: `a` or `b`.
    pub(super) class: &'a str,
    /// Seconds and values, where there are some.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Lines over time.
pub(super) fn lines(title: &str, series: &[Series<'_>], written: impl Fn(f64) -> String) -> String {
    let values = || series.iter().flat_map(|series| &series.points);
    let seconds = values().map(|(at, _)| *at).fold(0.0, f64::max).max(0.001);
    let most = values().filter_map(|(_, value)| *value).fold(0.0, f64::max);
    let step = nice(most / 4.0);
    let top = (most / step).ceil().max(1.0) * step;
    let x = |at: f64| LEFT + at / seconds * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = begin(title, series);
    let mut value = 0.0;
    while value <= top * 1.001 {
        grid(&mut svg, y(value), &written(value));
        value += step;
    }
    let (step, mut at) = (nice(seconds / 6.0), 0.0);
    while at <= seconds * 1.001 {
        below(&mut svg, x(at), &format!("{} s", (at * 1000.0).round() / 1000.0));
        at += step;
    }
    for series in series {
        let mut path = String::new();
        let mut is_down = false;
        for (at, value) in &series.points {
            match value {
                Some(value) => {
                    let _ = write!(path, "{}{:.1} {:.1}", if is_down { "L" } else { "M" }, x(*at), y(*value));
                    is_down = true;
                }
                None => is_down = false,
            }
        }
        let _ = writeln!(svg, r#"<path class="line {}" d="{path}"/>"#, series.class);
    }
    svg + "</svg>"
}

/// How often each time was met, on a scale that grows as the bins do, with marks.
pub(super) fn bars(title: &str, bins: &[Bin], marks: &[(&str, u64)]) -> String {
    let all: u64 = bins.iter().map(|bin| bin.count).sum();
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or_default() as f64 * 100.0 / all.max(1) as f64;
    let step = nice(most / 4.0);
    let top = (most / step).ceil().max(1.0) * step;
    let each = (WIDTH - LEFT - RIGHT) / bins.len().max(1) as f64;
    let y = |share: f64| HEIGHT - BOTTOM - share / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = begin(title, &[]);
    let mut value = 0.0;
    while value <= top * 1.001 {
        grid(&mut svg, y(value), &format!("{} %", (value * 100.0).round() / 100.0));
        value += step;
    }
    let every = bins.len().div_ceil(6).max(1);
    for (at, bin) in bins.iter().enumerate() {
        let (left, share) = (LEFT + at as f64 * each, bin.count as f64 * 100.0 / all.max(1) as f64);
        if bin.count > 0 {
            let height = (HEIGHT - BOTTOM - y(share)).max(1.0); // what was met once is seen
            let _ = writeln!(
                svg,
                r#"<rect class="bar" x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{} to {}: {} ({share:.3} %)</title></rect>"#,
                left + 0.5,
                HEIGHT - BOTTOM - height,
                (each - 1.0).max(0.5),
                time(bin.from_us),
                time(bin.to_us),
                bin.count
            );
        }
        if at % every == 0 {
            below(&mut svg, left, &time(bin.from_us));
        }
    }
    let mut names = String::new(); // above all lines
    for (level, (name, microseconds)) in marks.iter().enumerate() {
        let Some((at, bin)) = bins.iter().enumerate().find(|(_, bin)| *microseconds <= bin.to_us) else { continue };
        let within = microseconds.saturating_sub(bin.from_us) as f64 / (bin.to_us - bin.from_us).max(1) as f64;
        let x = LEFT + (at as f64 + within) * each;
        let (anchor, aside) = if x > WIDTH - 120.0 { ("end", -5.0) } else { ("start", 5.0) };
        let (aside, y, foot) = (x + aside, TOP + 10.0 + 17.0 * level as f64, HEIGHT - BOTTOM);
        let _ = writeln!(svg, r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{foot}"/>"#);
        let _ =
            writeln!(names, r#"<text class="note" x="{aside:.1}" y="{y:.1}" text-anchor="{anchor}">{name} {}</text>"#, time(*microseconds));
    }
    svg + &names + "</svg>"
}

fn begin(title: &str, series: &[Series<'_>]) -> String {
    let names: Vec<_> = series.iter().map(|series| series.name).collect();
    let label = escaped(&if names.is_empty() { title.to_owned() } else { format!("{title}: {}", names.join(", ")) });
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n")
}

fn grid(svg: &mut String, y: f64, label: &str) {
    let _ = writeln!(
        svg,
        r#"<line class="grid" x1="{LEFT}" x2="{}" y1="{y:.1}" y2="{y:.1}"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
        WIDTH - RIGHT,
        LEFT - 6.0,
        y + 4.0,
        escaped(label)
    );
}

fn below(svg: &mut String, x: f64, label: &str) {
    let anchor = if x > WIDTH - 30.0 { "end" } else { "middle" };
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{}" text-anchor="{anchor}">{}</text>"#, HEIGHT - 9.0, escaped(label));
}

/// The next larger of 1, 2 and 5 in their decade.
fn nice(step: f64) -> f64 {
    if step <= 0.0 || !step.is_finite() {
        return 1.0;
    }
    let decade = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * decade).find(|nice| *nice >= step * 0.999).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        assert_eq!([0.0, 0.7, 1.0, 3.0, 60.0, 120.0].map(nice), [1.0, 1.0, 1.0, 5.0, 100.0, 200.0]);
    }

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        assert!(lines("nothing", &[], |value| value.to_string()).ends_with("</svg>"));
        assert!(bars("nothing", &[], &[("p50", 3)]).ends_with("</svg>"));
    }
}
