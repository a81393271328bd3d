//! What the program counts, in the text format of Prometheus. Every series exists at zero from the start.

use std::cell::RefCell;
use std::fmt::Write;
use std::time::Duration;

use crate::reader::Counts;

const STATUSES: [u16; 8] = [200, 400, 404, 408, 413, 500, 503, 504];
const FAILURES: [&str; 6] = ["busy", "empty", "malformed", "timeout", "unreachable", "unreadable"];
const BOUNDS_SECONDS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0];

#[derive(Default)]
struct Numbers {
    requests: [u64; STATUSES.len()],
    failures: [u64; FAILURES.len()],
    extractions: Histogram,
    containers: Counts,
    cleanup_failures: u64,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BOUNDS_SECONDS.len()],
    count: u64,
    sum_seconds: f64,
}

/// The counters of one server.
#[derive(Default)]
pub struct Metrics(RefCell<Numbers>);

impl Metrics {
    /// Counts a request by the status of its reply.
    pub fn request(&self, status: u16) {
        if let Some(at) = STATUSES.iter().position(|known| *known == status) {
            self.0.borrow_mut().requests[at] += 1;
        }
    }

    /// Counts an extraction that gave no answer; the reason is one of the closed set.
    pub fn failure(&self, reason: &str) {
        if let Some(at) = FAILURES.iter().position(|known| *known == reason) {
            self.0.borrow_mut().failures[at] += 1;
        }
    }

    /// Counts an extraction, answered or not, by how long it took.
    pub fn extraction(&self, took: Duration) {
        let histogram = &mut self.0.borrow_mut().extractions;
        let seconds = took.as_secs_f64();
        histogram.count += 1;
        histogram.sum_seconds += seconds;
        for (bound, bucket) in BOUNDS_SECONDS.iter().zip(&mut histogram.buckets) {
            *bucket += u64::from(seconds <= *bound);
        }
    }

    /// Adds what one output directory held.
    pub fn containers(&self, counts: &Counts) {
        let containers = &mut self.0.borrow_mut().containers;
        containers.recognised += counts.recognised;
        containers.unrecognised += counts.unrecognised;
        containers.dropped += counts.dropped;
    }

    /// Counts an output directory that could not be removed.
    pub fn cleanup_failure(&self) {
        self.0.borrow_mut().cleanup_failures += 1;
    }

    /// All series as text.
    pub fn text(&self) -> String {
        let numbers = self.0.borrow();
        let mut out = String::with_capacity(4096);
        family(
            &mut out,
            "requests_total",
            "counter",
            "Requests to /gather_runtime_info by status of the reply.",
        );
        for (status, value) in STATUSES.iter().zip(numbers.requests) {
            series(&mut out, "requests_total", &format!("{{code=\"{status}\"}}"), value);
        }
        family(
            &mut out,
            "extraction_failures_total",
            "counter",
            "Extractions without an answer by reason.",
        );
        for (reason, value) in FAILURES.iter().zip(numbers.failures) {
            series(
                &mut out,
                "extraction_failures_total",
                &format!("{{reason=\"{reason}\"}}"),
                value,
            );
        }
        let name = "extraction_duration_seconds";
        family(
            &mut out,
            name,
            "histogram",
            "From the question to the extractor until its output is read.",
        );
        let histogram = &numbers.extractions;
        for (bound, value) in BOUNDS_SECONDS.iter().zip(histogram.buckets) {
            series(
                &mut out,
                &format!("{name}_bucket"),
                &format!("{{le=\"{bound}\"}}"),
                value,
            );
        }
        series(&mut out, &format!("{name}_bucket"), "{le=\"+Inf\"}", histogram.count);
        series(&mut out, &format!("{name}_sum"), "", histogram.sum_seconds);
        series(&mut out, &format!("{name}_count"), "", histogram.count);
        family(
            &mut out,
            "containers_total",
            "counter",
            "Containers in answers, by whether a runtime was recognised.",
        );
        series(
            &mut out,
            "containers_total",
            "{recognised=\"true\"}",
            numbers.containers.recognised,
        );
        series(
            &mut out,
            "containers_total",
            "{recognised=\"false\"}",
            numbers.containers.unrecognised,
        );
        let help = "Containers, files, records and values left out because they deviated or were too long.";
        family(&mut out, "dropped_total", "counter", help);
        series(&mut out, "dropped_total", "", numbers.containers.dropped);
        family(
            &mut out,
            "cleanup_failures_total",
            "counter",
            "Output directories that could not be removed.",
        );
        series(&mut out, "cleanup_failures_total", "", numbers.cleanup_failures);
        out
    }
}

const PREFIX: &str = "runtime_insights_exporter_";

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
}

fn series(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{PREFIX}{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_at_zero() {
        let text = Metrics::default().text();
        let values: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values.len(),
            STATUSES.len() + FAILURES.len() + BOUNDS_SECONDS.len() + 3 + 2 + 2
        );
        for line in values {
            assert!(line.ends_with(" 0"), "{line}");
        }
    }

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        metrics.extraction(Duration::from_millis(300));
        metrics.extraction(Duration::from_secs(300));
        let text = metrics.text();
        for line in [
            "bucket{le=\"0.25\"} 0",
            "bucket{le=\"0.5\"} 1",
            "bucket{le=\"+Inf\"} 2",
            "sum 300.3",
            "count 2",
        ] {
            assert!(
                text.contains(&format!("extraction_duration_seconds_{line}\n")),
                "{line} in {text}"
            );
        }
    }
}
