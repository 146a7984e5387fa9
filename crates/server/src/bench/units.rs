//! Numbers as people read them.

use std::time::Duration;

/// Microseconds, with three digits.
pub(super) fn time(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..10_000 => format!("{:.2} ms", microseconds as f64 / 1e3),
        10_000..100_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        100_000..1_000_000 => format!("{:.0} ms", microseconds as f64 / 1e3),
        1_000_000..10_000_000 => format!("{:.2} s", microseconds as f64 / 1e6),
        _ => format!("{:.1} s", microseconds as f64 / 1e6),
    }
}

/// `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate: whole where it is large.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { count(per_second.round() as u64) }
}

/// Bytes a second, in decimal units as networks have them.
pub(super) fn bytes(per_second: f64) -> String {
    match per_second {
        ..1e3 => format!("{per_second:.0} B/s"),
        ..1e6 => format!("{:.1} kB/s", per_second / 1e3),
        ..1e9 => format!("{:.1} MB/s", per_second / 1e6),
        _ => format!("{:.2} GB/s", per_second / 1e9),
    }
}

/// A time of the plan, without more digits than were meant.
pub(super) fn duration(time: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))).to_string()
}

/// `3 connections`, `1 connection`.
pub(super) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!(
            [7, 1234, 12_345, 123_456, 1_234_567, 60_000_000].map(time),
            ["7 µs", "1.23 ms", "12.3 ms", "123 ms", "1.23 s", "60.0 s"]
        );
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.5, 1234.4].map(rate), ["0.5", "1,234"]);
        assert_eq!([12.0, 15_400_000.0].map(bytes), ["12 B/s", "15.4 MB/s"]);
        assert_eq!([counted(1, "loss"), counted(2, "user")], ["1 loss", "2 users"]);
    }
}
