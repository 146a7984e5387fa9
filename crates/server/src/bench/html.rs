//! The report as a page that needs nothing else: no scripts, no fonts, no pictures from elsewhere.

use std::fmt::Write as _;

use super::arguments::Mode;
use super::chart::{self, Series};
use super::report::{Percentiles, Report};
use super::table;
use super::timeline::Point;
use super::units::{bytes, count, rate, time};

const STYLE: &str = include_str!("report.css");

/// One of the percentiles.
type Of = fn(&Percentiles) -> u64;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = escaped(&format!("silverback bench {}", report.url));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    head(&mut page, report);
    page += "<main>\n";
    tiles(&mut page, report);
    notes(&mut page, report);
    charts(&mut page, report);
    page += "<div class=\"columns\">\n";
    times(&mut page, report);
    counts(&mut page, report);
    causes(&mut page, report);
    circumstances(&mut page, report);
    page + "</div>\n</main>\n</body>\n</html>\n"
}

/// Text as it stands in the page.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn head(page: &mut String, report: &Report) {
    let (class, verdict) = if report.ok { ("good", "all fine") } else { ("bad", "not all was well") };
    let _ = writeln!(
        page,
        "<header><p class=\"brand\">silverback bench</p><h1>{}</h1>\n<p>{}</p>\n<p class=\"faint\">{}{} <span class=\"verdict {class}\">{verdict}</span></p></header>",
        escaped(&report.url),
        escaped(&table::plan(&report.parameters)),
        escaped(&report.began_at.replace('T', " ").replace('Z', " UTC")),
        if report.interrupted { ", interrupted" } else { "" },
    );
}

fn tiles(page: &mut String, report: &Report) {
    let failed: u64 = report.disconnects.iter().map(|end| end.count).sum::<u64>() + report.connects.failed;
    let latency = |of: Of| report.latency_us.as_ref().map_or("–".to_owned(), |times| time(of(times)));
    let tiles = [
        ("messages a second", rate(report.messages.received_per_second), ""),
        ("median latency", latency(|times| times.p50), ""),
        ("99th percentile", latency(|times| times.p99), ""),
        ("connected", count(report.connects.ok), ""),
        ("connections failed or ended", count(failed), if failed > 0 { "bad" } else { "" }),
        ("messages lost", count(report.messages.lost), if report.messages.lost > 0 { "bad" } else { "" }),
    ];
    *page += "<section class=\"tiles\">\n";
    for (name, value, class) in tiles {
        let _ = writeln!(page, "<div class=\"tile {class}\"><b>{}</b><span>{name}</span></div>", escaped(&value));
    }
    *page += "</section>\n";
}

fn notes(page: &mut String, report: &Report) {
    for problem in &report.problems {
        let _ = writeln!(page, "<p class=\"note bad\">{}</p>", escaped(problem));
    }
    for warning in &report.warnings {
        let _ = writeln!(page, "<p class=\"note warning\">{}</p>", escaped(warning));
    }
}

fn charts(page: &mut String, report: &Report) {
    let over_time = |of: fn(&Point) -> Option<f64>| -> Vec<_> { report.timeline.iter().map(|point| (point.at_s, of(point))).collect() };
    let p50 = Series { name: "p50", class: "a", points: over_time(|point| point.latency_p50_us.map(|time| time as f64)) };
    let p99 = Series { name: "p99", class: "b", points: over_time(|point| point.latency_p99_us.map(|time| time as f64)) };
    let received = Series { name: "received", class: "a", points: over_time(|point| Some(point.received_per_second)) };
    let sent = Series { name: "sent", class: "b", points: over_time(|point| Some(point.sent_per_second)) };
    let open = Series { name: "open", class: "a", points: over_time(|point| Some(point.connections as f64)) };
    let listens = report.parameters.mode == Mode::Push && !report.parameters.is_posting;
    let throughput = if listens { vec![received] } else { vec![sent, received] };
    let marks: Vec<_> =
        report.latency_us.iter().flat_map(|times| [("p50", times.p50), ("p99", times.p99), ("p99.9", times.p99_9)]).collect();

    *page += "<section class=\"charts\">\n";
    figure(page, "Latency over time", &[p50, p99], |value| time(value as u64));
    figure(page, "Messages a second", &throughput, short);
    figure(page, "Connections", &[open], short);
    let distribution = chart::bars("Latency, how often", &report.latency_histogram, &marks);
    let _ = writeln!(page, "<figure><figcaption>Latency, how often</figcaption>\n{distribution}</figure>\n</section>");
}

fn figure(page: &mut String, title: &str, series: &[Series<'_>], written: impl Fn(f64) -> String) {
    let _ = write!(page, "<figure><figcaption>{title}");
    for Series { name, class, .. } in series.iter().filter(|_| series.len() > 1) {
        let _ = write!(page, " <span class=\"key {class}\">{name}</span>");
    }
    let _ = writeln!(page, "</figcaption>\n{}</figure>", chart::lines(title, series, written));
}

/// A number for an axis.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", (value / 1e4).round() / 100.0),
        1e3.. => format!("{} k", (value / 10.0).round() / 100.0),
        _ => format!("{}", (value * 100.0).round() / 100.0),
    }
}

fn times(page: &mut String, report: &Report) {
    let rows = [("Latency", &report.latency_us), ("Connecting", &report.connects.time_us), ("Sent late", &report.generator.late_us)];
    let rows: Vec<_> = rows.into_iter().filter_map(|(name, times)| Some((name, times.as_ref()?))).collect();
    if rows.is_empty() {
        return;
    }
    *page += "<section><h2>Times</h2><table class=\"numbers\"><tr><td></td>";
    for (name, _) in &rows {
        let _ = write!(page, "<th>{name}</th>");
    }
    *page += "</tr>\n";
    let lines: [(&str, Of); 7] = [
        ("p50", |times| times.p50),
        ("p90", |times| times.p90),
        ("p99", |times| times.p99),
        ("p99.9", |times| times.p99_9),
        ("max", |times| times.max),
        ("mean", |times| times.mean.round() as u64),
        ("min", |times| times.min),
    ];
    for (name, of) in lines {
        let _ = write!(page, "<tr><th>{name}</th>");
        for (_, times) in &rows {
            let _ = write!(page, "<td>{}</td>", time(of(times)));
        }
        *page += "</tr>\n";
    }
    *page += "</table></section>\n";
}

fn counts(page: &mut String, report: &Report) {
    let messages = &report.messages;
    let rows = [
        ("Connections tried", count(report.connects.attempted)),
        ("made", count(report.connects.ok)),
        ("failed", count(report.connects.failed)),
        ("Messages sent", count(messages.sent)),
        ("received", count(messages.received)),
        ("lost", count(messages.lost)),
        ("could not be sent in time", count(messages.not_sent)),
        ("came and were no answers", count(messages.other)),
        ("Sent", bytes(messages.sent_bytes_per_second)),
        ("Received", bytes(messages.received_bytes_per_second)),
        ("Measured over", format!("{:.1} s", messages.seconds)),
    ];
    table(page, "Counts", &rows.map(|(name, value)| (name.to_owned(), value)));
}

fn causes(page: &mut String, report: &Report) {
    let failures = report.connects.failures.iter().map(|failure| (&failure.cause, "connecting", failure.count));
    let ends = report.disconnects.iter().map(|end| (&end.cause, "ended", end.count));
    let posts = report.posts.iter().flat_map(|posts| &posts.failures).map(|failure| (&failure.cause, "posting", failure.count));
    let rows: Vec<_> = failures.chain(ends).chain(posts).map(|(cause, what, times)| (format!("{what}: {cause}"), count(times))).collect();
    if !rows.is_empty() {
        table(page, "What went wrong", &rows);
    }
}

fn circumstances(page: &mut String, report: &Report) {
    let (parameters, machine) = (&report.parameters, &report.machine);
    let mut rows = vec![
        ("Mode", format!("{:?}", parameters.mode).to_lowercase()),
        ("Connections", count(parameters.connections.into())),
        ("Ramp", format!("{} s", parameters.ramp_s)),
        ("Duration", format!("{} s", parameters.duration_s)),
        ("Loop", parameters.r#loop.to_owned()),
        ("Payload", format!("{} bytes, {}", count(parameters.payload_bytes as u64), parameters.payload_type)),
        ("Time-out", format!("{} s", parameters.timeout_s)),
        ("Threads", parameters.threads.to_string()),
    ];
    rows.extend(parameters.in_flight.map(|in_flight| ("In flight", count(in_flight.into()))));
    rows.extend(parameters.rate_each.map(|rate| ("Rate of each", format!("{rate}/s"))));
    rows.extend(parameters.rate_total.map(|rate| ("Rate in all", format!("{rate}/s"))));
    rows.extend(parameters.users.map(|users| ("Users", count(users.into()))));
    rows.extend([
        ("Load from", machine.system.clone()),
        ("Processor", format!("{} × {}", machine.processors, machine.processor)),
        ("Descriptors", count(machine.descriptors)),
        ("Busy with load", report.generator.cpu.map_or("unknown".to_owned(), |cpu| format!("{cpu:.2} processors"))),
        ("Silverback", report.silverback.to_owned()),
    ]);
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    table(page, "Circumstances", &rows);
}

fn table(page: &mut String, title: &str, rows: &[(String, String)]) {
    let _ = writeln!(page, "<section><h2>{title}</h2><table>");
    for (name, value) in rows {
        let _ = writeln!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
    }
    *page += "</table></section>\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        assert_eq!(escaped("<img onerror='x' a=\"&\">"), "&lt;img onerror=&#39;x&#39; a=&quot;&amp;&quot;&gt;");
    }
}
