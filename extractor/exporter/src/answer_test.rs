use super::*;
use crate::records::{detail, properties};

fn info(os: &str, kind: &str, runtimes: &[&str]) -> RuntimeInfo {
    let runtimes: Vec<_> = runtimes.iter().map(|text| properties(text.as_bytes())).collect();
    RuntimeInfo::from_properties(&properties(os.as_bytes()), &properties(kind.as_bytes()), &runtimes).0
}

fn json(info: RuntimeInfo, details: Vec<Detail>, with_hash: bool, with_detail: bool) -> String {
    Container {
        name: "app".into(),
        info,
        details,
    }
    .json(with_hash, with_detail)
    .expect("JSON")
}

#[test]
fn fields_stand_in_their_order_and_empty_ones_are_left_out() {
    let full = info(
        "os-release-version-id=12\nos-release-id=debian\n",
        "runtime-kind=Java\nruntime-kind-version=17.0.7\nruntime-kind-implementer=Red Hat, Inc.\n",
        &["Quarkus=2.13.8.Final-redhat-00004\n"],
    );
    for (name, info, with_hash, expected) in [
        ("nothing known", RuntimeInfo::default(), true, "{}"),
        (
            "only the OS",
            info("os-release-id=rhel\n", "", &[]),
            true,
            r#"{"os":"yqx1WBefoIAq"}"#,
        ),
        (
            "everything, hashed",
            full.clone(),
            true,
            r#"{"os":"gdk3V0V_mIUj","osVersion":"a1HUMd9dfxQc","kind":"wbpgzhNYZQOi","kindVersion":"cAsoUDy8JFNV","kindImplementer":"DzP5-GS6tDOQ","runtimes":[{"name":"zBVuVhrrC_vC","version":"lyAE7Oh63WPU"}]}"#,
        ),
        (
            "everything, in clear text",
            full,
            false,
            r#"{"os":"debian","osVersion":"12","kind":"Java","kindVersion":"17.0.7","kindImplementer":"Red Hat, Inc.","runtimes":[{"name":"Quarkus","version":"2.13.8.Final-redhat-00004"}]}"#,
        ),
        (
            "frameworks by file, then by name; a version may be missing",
            info("", "", &["B=1\nA=\n", "A=2\n"]),
            false,
            r#"{"runtimes":[{"name":"A"},{"name":"B","version":"1"},{"name":"A","version":"2"}]}"#,
        ),
        (
            "HTML characters are escaped",
            info("", "runtime-kind-implementer=AT&T\n", &[]),
            false,
            r#"{"kindImplementer":"AT\u0026T"}"#,
        ),
    ] {
        assert_eq!(json(info, Vec::new(), with_hash, false), expected, "{name}");
    }
}

#[test]
fn a_value_that_deviates_is_dropped_and_the_rest_stays() {
    let long = format!("runtime-kind-version={}\n", "1".repeat(129));
    for (name, os, kind, fingerprints, expected, dropped) in [
        (
            "free text",
            "os-release-id=<script>\nos-release-version-id=12\n",
            "",
            "",
            r#"{"osVersion":"12"}"#,
            1,
        ),
        ("too long", "", long.as_str(), "", "{}", 1),
        ("NUL", "os-release-id=deb\0ian\n", "", "", "{}", 1),
        (
            "a framework's version",
            "",
            "",
            "Quarkus=\u{1b}[2J\n",
            r#"{"runtimes":[{"name":"Quarkus"}]}"#,
            1,
        ),
        ("a framework's name", "", "", "\u{202e}x=1\n", "{}", 1),
    ] {
        let (info, count) = RuntimeInfo::from_properties(
            &properties(os.as_bytes()),
            &properties(kind.as_bytes()),
            &[properties(fingerprints.as_bytes())],
        );
        assert_eq!(
            (json(info, Vec::new(), false, false).as_str(), count),
            (expected, dropped),
            "{name}"
        );
    }
}

#[test]
fn the_main_process_is_chosen_among_the_users() {
    let process =
        |pid: u32, start: u64, role: &str, kind: &str| format!("process\t{pid}\t{start}\t{role}\t{kind}\t\t\t\t\n");
    for (name, files, expected) in [
        ("no process", vec![String::new()], ""),
        ("no main", vec![process(1, 1, "init", "Java")], ""),
        (
            "a recognised kind before an older process",
            vec![process(1, 1, "main", ""), process(2, 2, "main", "Java")],
            "Java",
        ),
        (
            "the older of two recognised",
            vec![process(1, 9, "main", "Python"), process(2, 5, "main", "Java")],
            "Java",
        ),
        (
            "the lower pid of equally old",
            vec![process(8, 5, "main", "Python"), process(7, 5, "main", "Java")],
            "Java",
        ),
    ] {
        let details: Vec<_> = files.iter().map(|file| detail(file.as_bytes())).collect();
        assert_eq!(RuntimeInfo::from_details(&details).kind, expected, "{name}");
    }
}

#[test]
fn detail_is_one_more_key_in_clear_text() {
    let file = "os\tdebian\t12\t/etc/os-release\nprocess\t9\t20\tmain\tJava\t17.0.7\tDebian\tmapped libjvm.so\trelease\n\
                process\t5\t10\tinit\t\t\t\t\t\nruntime\t9\tQuarkus\t3.8.1\tjar <a>\tanswer\nnote\tkind\tbudget\tb\nnote\tkind\tbudget\ta\n";
    let details = vec![detail(file.as_bytes()), detail(b"note\tkind\tbudget\ta\n")];
    let info = RuntimeInfo::from_details(&details);
    assert_eq!(
        json(info, details, true, true),
        concat!(
            r#"{"os":"gdk3V0V_mIUj","osVersion":"a1HUMd9dfxQc","kind":"wbpgzhNYZQOi","kindVersion":"cAsoUDy8JFNV","#,
            r#""kindImplementer":"gdk3V0V_mIUjX","runtimes":[{"name":"zBVuVhrrC_vC","version":"V381"}],"#,
            r#""detail":{"containerName":"app","runtimeInfo":{"os":"debian","osVersion":"12","kind":"Java","#,
            r#""kindVersion":"17.0.7","kindImplementer":"Debian","runtimes":[{"name":"Quarkus","version":"3.8.1"}]},"#,
            r#""osEvidence":"/etc/os-release","processes":[{"pid":5,"role":"init"},{"pid":9,"role":"main","kind":"Java","#,
            r#""version":"17.0.7","implementer":"Debian","evidence":"mapped libjvm.so","versionEvidence":"release","#,
            r#""runtimes":[{"name":"Quarkus","version":"3.8.1","evidence":"jar \u003ca\u003e"}]}],"#,
            r#""notes":[{"about":"kind","reason":"budget","message":"a"},{"about":"kind","reason":"budget","message":"b"}]}}"#
        )
        .replace("gdk3V0V_mIUjX", &hash("Debian"))
        .replace("V381", &hash("3.8.1"))
    );
    assert_eq!(
        json(info_of_os(), Vec::new(), false, true),
        r#"{"os":"rhel","detail":{"containerName":"app","runtimeInfo":{"os":"rhel"},"processes":[],"notes":[]}}"#,
        "files of the existing project: processes and notes are there and empty"
    );
}

fn info_of_os() -> RuntimeInfo {
    info("os-release-id=rhel\n", "", &[])
}

#[test]
fn the_tree_is_sorted_and_nested() {
    let place = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str, &'a str)], &'a str);
    let cases: &[Row] = &[
        ("nothing", &[], "{}"),
        ("one", &[("n", "p", "c")], r#"{"n":{"p":{"c":{}}}}"#),
        (
            "several",
            &[("b", "p", "c"), ("a", "q", "c"), ("a", "p", "d"), ("a", "p", "c")],
            r#"{"a":{"p":{"c":{},"d":{}},"q":{"c":{}}},"b":{"p":{"c":{}}}}"#,
        ),
        (
            "the same pod name in two namespaces",
            &[("a", "p", "c"), ("b", "p", "d")],
            r#"{"a":{"p":{"c":{}}},"b":{"p":{"d":{}}}}"#,
        ),
    ];
    for (name, places, expected) in cases {
        let containers = places
            .iter()
            .map(|(a, b, c)| (place(a, b, c), "{}".to_owned()))
            .collect();
        assert_eq!(
            String::from_utf8(tree(containers).expect("tree")).expect("UTF-8"),
            *expected,
            "{name}"
        );
    }
}
