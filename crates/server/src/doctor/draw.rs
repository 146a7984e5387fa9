//! The examination for people: one line a stage, at most 80 columns wide.

use std::fmt::Write as _;

use super::finding::{Finding, Mark, spoken};
use super::lines::{Lines, lines};
use super::proxy::Proxy;
use super::stage::Stage;
use super::verdict::Verdict;
use crate::wrapped::wrapped;

const WIDTH: usize = 80;

/// Where what came begins: behind the mark and the title.
const INDENT: usize = 19;

/// What a time takes at the right.
const TIME: usize = 9;

/// How it looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawing {
    pub(super) has_colours: bool,
}

#[derive(Clone, Copy)]
enum Style {
    Good,
    Bad,
    Dim,
    Bold,
    Code,
}

impl Drawing {
    fn styled(self, style: Style, text: &str) -> String {
        if !self.has_colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Dim => "2",
            Style::Bold => "1",
            Style::Code => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    pub(super) fn head(self, address: &str) -> String {
        format!("\n  {} {}\n\n", self.styled(Style::Dim, "silverback doctor"), self.styled(Style::Bold, &cut(address, WIDTH - 22)))
    }

    /// What stands there while a stage is going on.
    pub(super) fn waiting(self, stage: Stage) -> String {
        self.styled(Style::Dim, &format!("  · {:<14}…", stage.title()))
    }

    pub(super) fn finding(self, finding: &Finding) -> String {
        let (mark, style) = match finding.mark {
            Mark::Good => ("✓", Style::Good),
            Mark::Bad => ("✗", Style::Bad),
            Mark::Neutral => ("–", Style::Dim),
        };
        let title = format!("{:<15}", finding.stage.title());
        let title = if finding.mark == Mark::Neutral { self.styled(Style::Dim, &title) } else { title };
        let mut text = format!("  {} {title}", self.styled(style, mark));
        let time = finding.took.filter(|_| finding.mark != Mark::Neutral).map(spoken).unwrap_or_default();
        let mut came = wrapped(&finding.came, WIDTH - INDENT - TIME).into_iter();
        let first = came.next().unwrap_or_default();
        let gap = (WIDTH - INDENT).saturating_sub(first.chars().count() + time.chars().count());
        let first = if finding.mark == Mark::Neutral { self.styled(Style::Dim, &first) } else { first };
        let _ = if time.is_empty() {
            writeln!(text, "{first}")
        } else {
            writeln!(text, "{first}{}{}", " ".repeat(gap), self.styled(Style::Dim, &time))
        };
        let blank = " ".repeat(INDENT);
        for line in came {
            let line = if finding.mark == Mark::Neutral { self.styled(Style::Dim, &line) } else { line };
            let _ = writeln!(text, "{blank}{line}");
        }
        let expected = finding.expected.as_ref().map(|expected| format!("expected: {expected}"));
        for line in expected.iter().chain(&finding.details).flat_map(|detail| hung(detail, WIDTH - INDENT)) {
            let _ = writeln!(text, "{blank}{}", self.styled(Style::Dim, &line));
        }
        text
    }

    /// The stages that could not be, together.
    pub(super) fn beyond_reach(self, stages: &[Stage]) -> String {
        if stages.is_empty() {
            return String::new();
        }
        let titles: Vec<_> = stages.iter().map(|stage| stage.title()).collect();
        let mut text = String::new();
        for (at, line) in wrapped(&format!("not come to: {}", titles.join(", ")), WIDTH - 4).iter().enumerate() {
            let lead = if at == 0 { "  – " } else { "    " };
            let _ = writeln!(text, "{}", self.styled(Style::Dim, &format!("{lead}{line}")));
        }
        text
    }

    pub(super) fn verdict(self, verdict: &Verdict, shown: &[Proxy], is_chosen: bool) -> String {
        let mut text = String::from("\n");
        let (mark, style) = if verdict.is_well() { ("✓", Style::Good) } else { ("✗", Style::Bad) };
        for (at, line) in wrapped(&verdict.title, WIDTH - 4).iter().enumerate() {
            let mark = if at == 0 { self.styled(style, mark) } else { " ".to_owned() };
            let _ = writeln!(text, "  {mark} {}", self.styled(Style::Bold, line));
        }
        for line in wrapped(&verdict.words, WIDTH - 4) {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(topic) = verdict.topic {
            for proxy in shown {
                let Lines { at, lines } = lines(topic, *proxy);
                text.push('\n');
                for line in wrapped(&format!("For {}, {at}:", proxy.name()), WIDTH - 4) {
                    let _ = writeln!(text, "    {line}");
                }
                text.push('\n');
                for line in lines.lines() {
                    let _ = writeln!(text, "        {}", self.styled(Style::Code, line));
                }
            }
            if !is_chosen {
                let others: Vec<_> = Proxy::ALL.iter().filter(|proxy| !shown.contains(proxy)).map(|proxy| proxy.id()).collect();
                let lead = if shown.is_empty() { "Behind a proxy? Its lines to change" } else { "Others" };
                text.push('\n');
                for line in wrapped(&format!("{lead}: --for {}", others.join(", ")), WIDTH - 4) {
                    let _ = writeln!(text, "    {}", self.styled(Style::Dim, &line));
                }
            }
        }
        if !verdict.is_well() {
            let _ = writeln!(text, "\n    {}", self.styled(Style::Dim, &format!("cause: {}", verdict.cause)));
        }
        text.push('\n');
        text
    }
}

/// As `wrapped`, with later lines indented.
fn hung(text: &str, width: usize) -> Vec<String> {
    let lines = wrapped(text, width - 2);
    lines.into_iter().enumerate().map(|(at, line)| if at == 0 { line } else { format!("  {line}") }).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width { text.to_owned() } else { text.chars().take(width - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let finding = Finding {
            stage: Stage::Tcp,
            mark: Mark::Bad,
            came: "x".repeat(100) + " and more words than fit into one line of a terminal by far",
            expected: Some("y".repeat(90)),
            details: vec!["a detail that is longer than the line that it is to stand on, which happens".to_owned()],
            took: Some(Duration::from_millis(1234)),
        };
        let text = Drawing { has_colours: false }.finding(&finding);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("1.2 s"), "{text}");
    }

    #[test]
    fn words_are_broken_only_where_they_must_be() {}
}
