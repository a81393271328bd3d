//! The broker of Apache Kafka.

use super::artifact::stem;
use super::class_path;
use super::runtime;
use crate::java;
use crate::rule::{Rule, Runtime, Tier};
use crate::view::View;

/// What starts a broker or controller. Kafka's many tools have classes of their own.
const BROKERS: [&[u8]; 2] = [b"kafka.Kafka", b"io.confluent.support.metrics.SupportedKafka"];

/// The rule.
pub const RULE: Rule = Rule {
    name: "Apache Kafka",
    tier: Tier::Product,
    of: &[java::KIND],
    about: "the broker's main class is started, and the jar `kafka_<Scala version>` lies on the class path: version in its name; Kafka's tools and clients are not told",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    if !BROKERS.contains(&path.main_class.as_slice()) {
        return Vec::new();
    }
    for jar in &path.jars {
        if let Some(version) = version(jar.name())
            && jar.is_there(view)
        {
            return vec![runtime(RULE.name, Some(version), &jar.place(), view)];
        }
    }
    Vec::new()
}

/// The version in the name of the broker's jar, which also names the version of Scala.
fn version(file: &[u8]) -> Option<&[u8]> {
    let rest = stem(file)?.strip_prefix(b"kafka_")?;
    let dash = rest.iter().position(|byte| *byte == b'-')?;
    let (scala, version) = (&rest[..dash], &rest[dash + 1..]);
    let is_scala = !scala.is_empty() && scala.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (is_scala && version.first().is_some_and(u8::is_ascii_digit)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jar_of_the_broker_is_told_by_its_name() {
        for (file, expected) in [
            ("kafka_2.13-4.1.0.jar", Some("4.1.0")),
            ("kafka_2.12-3.6.0.redhat-00009.jar", Some("3.6.0.redhat-00009")),
            ("kafka_2.13-7.5.0-ccs.jar", Some("7.5.0-ccs")),
            ("kafka-clients-4.1.0.jar", None),
            ("kafka_2.13-test.jar", None),
            ("kafka_x-4.1.0.jar", None),
            ("kafka_2.13-4.1.0.txt", None),
        ] {
            assert_eq!(version(file.as_bytes()), expected.map(str::as_bytes), "{file}");
        }
    }
}
