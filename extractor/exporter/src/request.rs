//! What a request asks for: query and body, decoded as the existing exporter decodes them.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::patterns::is_container_reference;

/// The two switches of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Values are hashed.
    pub hash: bool,
    /// Each container carries `detail`, in clear text.
    pub detail: bool,
}

/// The options of a query string. `hash` is off for every value but none, empty and `true`, as callers know it.
pub fn options(query: &str) -> Options {
    let hash = first_value(query, b"hash");
    Options {
        hash: hash.is_empty() || hash == b"true",
        detail: first_value(query, b"detail") == b"true",
    }
}

/// The first value of a key, empty when absent. A pair with a semicolon or a broken escape does not count.
fn first_value(query: &str, key: &[u8]) -> Vec<u8> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name)?, unescape(value)?))
        })
        .find(|(name, _)| name == key)
        .map_or_else(Vec::new, |(_, value)| value)
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| (b? as char).to_digit(16);
                (digit(bytes.next())? * 16 + digit(bytes.next())?) as u8
            }
            other => other,
        });
    }
    Some(plain)
}

/// Why a body cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyProblem {
    /// Not JSON, or a type that does not fit.
    Invalid,
    /// No list of container IDs.
    NoContainerIds,
}

/// The container IDs of a body as the extractor takes them: separated by commas, without those that cannot name
/// a container. Only the first JSON value counts; key case, unknown keys and what follows do not matter.
pub fn container_ids(body: &[u8]) -> Result<String, BodyProblem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    match json.deserialize_option(Body) {
        Ok(Some(ids)) => Ok(ids),
        Ok(None) => Err(BodyProblem::NoContainerIds),
        Err(_) => Err(BodyProblem::Invalid),
    }
}

/// The object around the list. The last of several lists counts, a `null` unsets it.
struct Body;

impl<'de> Visitor<'de> for Body {
    type Value = Option<String>;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("an object with containerIds")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = None;
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("containerIds") {
                ids = map.next_value_seed(List)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(ids)
    }
}

/// The list, joined while it is read so that memory holds no list of strings.
struct List;

impl<'de> serde::de::DeserializeSeed<'de> for List {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Option<String>;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a list of container IDs")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut ids = String::new();
        while let Some(item) = list.next_element::<Option<String>>()? {
            let id = item.as_deref().unwrap_or_default().trim();
            if is_container_reference(id) {
                if !ids.is_empty() {
                    ids.push(',');
                }
                ids.push_str(id);
            }
        }
        Ok(Some(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_off_only_for_other_values() {
        for (query, hash, detail) in [
            ("", true, false),
            ("hash", true, false),
            ("hash=", true, false),
            ("hash=true", true, false),
            ("hash=false", false, false),
            ("hash=1", false, false),
            ("hash=TRUE", false, false),
            ("ha%73h=false", false, false),
            ("hash=true&hash=false", true, false),
            ("hash=%zz", true, false),
            ("hash=%f", true, false),
            ("hash=false;x=1", true, false),
            ("x=1&hash=false&detail=true", false, true),
            ("detail=1", true, false),
            ("detail=true&detail=false", true, true),
        ] {
            assert_eq!(options(query), Options { hash, detail }, "query {query:?}");
        }
    }

    #[test]
    fn bodies() {
        let cases: &[(&str, Result<&str, BodyProblem>)] = &[
            (r#"{"containerIds":["a","cri-o://b"]}"#, Ok("a,cri-o://b")),
            (r#" {"x":[1,{"y":null}],"containerIds":["a"]} trailing"#, Ok("a")),
            (r#"{"CONTAINERIDS":["a"]}"#, Ok("a")),
            (r#"{"containerIds":["a"],"containerIds":["b"]}"#, Ok("b")),
            (r#"{"containerIds":[]}"#, Ok("")),
            (r#"{"containerIds":["", " ", null, "--help", "a,b", "c\nd"]}"#, Ok("")),
            (r#"{"containerIds":[" a "]}"#, Ok("a")),
            (
                r#"{"containerIds":["a"],"containerIds":null}"#,
                Err(BodyProblem::NoContainerIds),
            ),
            (r#"{"containerIds":null}"#, Err(BodyProblem::NoContainerIds)),
            (r#"{}"#, Err(BodyProblem::NoContainerIds)),
            (r#"{"other":1}"#, Err(BodyProblem::NoContainerIds)),
            ("null", Err(BodyProblem::NoContainerIds)),
            ("", Err(BodyProblem::Invalid)),
            ("{", Err(BodyProblem::Invalid)),
            ("[]", Err(BodyProblem::Invalid)),
            ("\"a\"", Err(BodyProblem::Invalid)),
            (r#"{"containerIds":"a"}"#, Err(BodyProblem::Invalid)),
            (r#"{"containerIds":[1]}"#, Err(BodyProblem::Invalid)),
            (r#"{"containerIds":{}}"#, Err(BodyProblem::Invalid)),
        ];
        for (body, expected) in cases {
            assert_eq!(
                &container_ids(body.as_bytes()).as_deref().map_err(|p| match p {
                    BodyProblem::Invalid => BodyProblem::Invalid,
                    BodyProblem::NoContainerIds => BodyProblem::NoContainerIds,
                }),
                expected,
                "body {body}"
            );
        }
        assert_eq!(container_ids(b"{\"a\xff\":1}"), Err(BodyProblem::Invalid), "not UTF-8");
        assert_eq!(
            container_ids("[".repeat(100_000).as_bytes()),
            Err(BodyProblem::Invalid),
            "deep nesting"
        );
    }
}
