//! Open Liberty.

use super::artifact::below;
use super::class_path;
use super::runtime;
use crate::java;
use crate::path;
use crate::properties::lookup;
use crate::rule::{Rule, Runtime, Tier};
use crate::view::View;

/// What starts a server, below its home.
const STARTER: &[u8] = b"bin/tools/ws-server.jar";
const PRODUCT: &[u8] = b"lib/versions/openliberty.properties";
const MAX_BYTES: usize = 16 * 1024;

/// The rule.
pub const RULE: Rule = Rule {
    name: "Open Liberty",
    tier: Tier::Product,
    of: &[java::KIND],
    about: "its `ws-server.jar` is started; version in `lib/versions/openliberty.properties` of its home",
    find,
};

fn find(view: &mut dyn View) -> Vec<Runtime> {
    let path = class_path::of(view);
    let elements = path.launch.jar.iter().chain(&path.launch.class_path);
    let Some(jar) = elements.clone().find(|element| element.ends_with(STARTER)) else {
        return Vec::new();
    };
    let file = below(path::folder(path::folder(path::folder(jar))), PRODUCT);
    let Some(properties) = view.read(&file, MAX_BYTES) else {
        return Vec::new();
    };
    match lookup(&properties, "com.ibm.websphere.productName") {
        Some(name) if name == RULE.name.as_bytes() => {
            let version = lookup(&properties, "com.ibm.websphere.productVersion");
            vec![runtime(RULE.name, version, &file, view)]
        }
        _ => Vec::new(),
    }
}
