//! What callers of the existing exporter rely on: paths, statuses, headers and bodies, byte for byte.

mod support;

use std::net::TcpStream;
use std::path::Path;

use support::{Node, container, info, output, say};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const ONE: &str = r#"{"shop":{"web-0":{"cri-o://aa":{"os":"gdk3V0V_mIUj","osVersion":"a1HUMd9dfxQc"}}}}"#;

/// Two containers when asked for all, else those asked for.
fn two_containers(root: &Path, question: &str, stream: &mut TcpStream) {
    let (out, line) = output(root);
    for (pid, id, os) in [("10", "cri-o://aa", "debian"), ("11", "cri-o://bb", "rhel")] {
        if question.is_empty() || question.split(',').any(|asked| asked == id || id.ends_with(asked)) {
            let os = format!("os-release-id={os}\nos-release-version-id=12\n");
            container(
                &out,
                pid,
                &[("container-info.txt", &info("shop", "web-0", id)), ("os.txt", &os)],
            );
        }
    }
    say(stream, &line);
}

#[test]
fn requests_and_replies() {
    let node = Node::new(two_containers);
    let both = r#"{"shop":{"web-0":{"cri-o://aa":{"os":"gdk3V0V_mIUj","osVersion":"a1HUMd9dfxQc"},"cri-o://bb":{"os":"yqx1WBefoIAq","osVersion":"a1HUMd9dfxQc"}}}}"#;
    let clear = r#"{"shop":{"web-0":{"cri-o://aa":{"os":"debian","osVersion":"12"}}}}"#;
    let invalid = "{\"error\": \"Invalid JSON in request body\"}\n";
    let required = "{\"error\": \"containerIds field is required\"}\n";
    let method = "Method is not supported.\n";
    let missing = "404 page not found\n";
    let path = "/gather_runtime_info";
    let (hash_false, hash_one) = ("/gather_runtime_info?hash=false", "/gather_runtime_info?hash=1");
    let a = r#"{"containerIds":["cri-o://aa"]}"#;
    let rows: &[(&str, &str, &str, &str, u16, &str, &str)] = &[
        ("GET answers every container", "GET", path, "", 200, JSON, both),
        (
            "the body of a GET does not matter",
            "GET",
            path,
            "{\"containerIds\":[]}",
            200,
            JSON,
            both,
        ),
        ("POST answers those asked for", "POST", path, a, 200, JSON, ONE),
        (
            "IDs without a prefix match too",
            "POST",
            path,
            r#"{"containerIds":["aa"]}"#,
            200,
            JSON,
            ONE,
        ),
        (
            "what follows the first JSON value does not matter",
            "POST",
            path,
            r#"{"containerIds":["aa"],"x":1} y"#,
            200,
            JSON,
            ONE,
        ),
        ("hash=false answers clear text", "POST", hash_false, a, 200, JSON, clear),
        ("any odd value of hash too", "POST", hash_one, a, 200, JSON, clear),
        (
            "unknown IDs are silently absent",
            "POST",
            path,
            r#"{"containerIds":["cc"]}"#,
            200,
            JSON,
            "{}",
        ),
        (
            "an empty list answers nothing",
            "POST",
            path,
            r#"{"containerIds":[]}"#,
            200,
            JSON,
            "{}",
        ),
        (
            "a list of nothing usable too",
            "POST",
            path,
            r#"{"containerIds":["", "a,b", null]}"#,
            200,
            JSON,
            "{}",
        ),
        ("not JSON", "POST", path, "containerIds", 400, TEXT, invalid),
        (
            "a wrong type",
            "POST",
            path,
            r#"{"containerIds":"aa"}"#,
            400,
            TEXT,
            invalid,
        ),
        ("an empty body", "POST", path, "", 400, TEXT, invalid),
        ("no field", "POST", path, "{}", 400, TEXT, required),
        ("null", "POST", path, r#"{"containerIds":null}"#, 400, TEXT, required),
        ("HEAD", "HEAD", path, "", 404, TEXT, ""),
        ("PUT", "PUT", path, a, 404, TEXT, method),
        ("DELETE", "DELETE", path, "", 404, TEXT, method),
        ("OPTIONS", "OPTIONS", path, "", 404, TEXT, method),
        ("the root", "GET", "/", "", 404, TEXT, missing),
        (
            "a trailing slash",
            "GET",
            "/gather_runtime_info/",
            "",
            404,
            TEXT,
            missing,
        ),
        ("hyphens", "GET", "/gather-runtime-info", "", 404, TEXT, missing),
        ("PUT elsewhere", "PUT", "/x", "", 404, TEXT, missing),
        ("health", "GET", "/healthz", "", 200, TEXT, "ok"),
        ("PUT to health", "PUT", "/healthz", "", 404, TEXT, method),
    ];
    for (name, verb, path, body, status, content_type, expected) in rows {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let reply = node.ask(&format!("{verb} {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n{body}"));
        assert_eq!(
            (reply.status, reply.header("Content-Type")),
            (*status, Some(*content_type)),
            "{name}"
        );
        assert_eq!(reply.body, *expected, "{name}");
        let nosniff = (*status >= 400).then_some("nosniff");
        assert_eq!(reply.header("X-Content-Type-Options"), nosniff, "{name}");
        let bytes = if *verb == "HEAD" { method.len() } else { expected.len() };
        assert_eq!(
            reply.header("Content-Length"),
            Some(bytes.to_string().as_str()),
            "{name}"
        );
    }
    assert_eq!(
        node.left_over(),
        Vec::<std::path::PathBuf>::new(),
        "output directories are removed"
    );
    assert_eq!(
        node.asked()[..3],
        ["", "", "cri-o://aa"],
        "the question is the IDs up to the end of the stream"
    );
    assert!(
        node.asked().iter().all(|text| text != "a,b"),
        "a forged ID is not passed on"
    );
    assert_eq!(
        node.metric("runtime_insights_exporter_requests_total{code=\"200\"}"),
        10.0
    );
    assert_eq!(
        node.metric("runtime_insights_exporter_requests_total{code=\"400\"}"),
        5.0
    );
    assert_eq!(
        node.metric("runtime_insights_exporter_requests_total{code=\"404\"}"),
        4.0
    );
    assert_eq!(
        node.metric("runtime_insights_exporter_containers_total{recognised=\"false\"}"),
        9.0
    );
}

#[test]
fn chunked_bodies_are_read() {
    let node = Node::new(two_containers);
    let reply = node.ask(concat!(
        "POST /gather_runtime_info HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "10\r\n{\"containerIds\":\r\n8\r\n [\"aa\"]}\r\n0\r\n\r\n"
    ));
    assert_eq!((reply.status, reply.body.as_str()), (200, ONE));
}

#[test]
fn a_client_that_closed_its_sending_side_gets_its_answer() {
    use std::io::Write;
    let node = Node::new(|root, question, stream| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        two_containers(root, question, stream);
    });
    let mut stream = node.connect();
    stream
        .write_all(b"GET /gather_runtime_info HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("send");
    stream.shutdown(std::net::Shutdown::Write).expect("half close");
    assert_eq!(support::receive(&mut stream).status, 200);
}

#[test]
fn failures_of_the_extractor() {
    let long = "x".repeat(10_000);
    let rows: Vec<(&str, String, &str)> = vec![
        ("closed without bytes", String::new(), "EOF\n"),
        ("a line that is not ended", "data/out-1".into(), "EOF\n"),
        ("an endless line", long, "EOF\n"),
        ("an empty line", "\n".into(), "stat : no such file or directory\n"),
        (
            "a path that is not there",
            "data/out-7\n\n".into(),
            "stat data/out-7: no such file or directory\n",
        ),
        (
            "another path",
            "/etc\n".into(),
            "The extractor answered with an unexpected path\n",
        ),
        (
            "a path that leads out",
            "data/out-1/../..\n".into(),
            "The extractor answered with an unexpected path\n",
        ),
        (
            "an absolute path",
            "/data/out-1\n".into(),
            "The extractor answered with an unexpected path\n",
        ),
        (
            "text",
            "Usage: coordinator\n".into(),
            "The extractor answered with an unexpected path\n",
        ),
    ];
    for (name, line, expected) in rows {
        let node = Node::new(move |_, _, stream| say(stream, &line));
        let reply = node.get("/gather_runtime_info");
        assert_eq!((reply.status, reply.body.as_str()), (500, expected), "{name}");
        assert_eq!(reply.header("Content-Type"), Some(TEXT), "{name}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{name}");
    }
    let node = Node::without_extractor();
    let reply = node.post("/gather_runtime_info", r#"{"containerIds":["aa"]}"#);
    assert_eq!(reply.status, 500);
    assert!(
        reply.body.starts_with("dial tcp 127.0.0.1:") && reply.body.ends_with(": connect: connection refused\n"),
        "{}",
        reply.body
    );
    assert_eq!(
        node.metric("runtime_insights_exporter_extraction_failures_total{reason=\"unreachable\"}"),
        1.0
    );
}

#[test]
fn white_space_around_the_path_does_not_matter() {
    let node = Node::new(|root, _, stream| {
        let (_, line) = output(root);
        say(stream, &format!("  {} \r\n", line.trim()));
    });
    let reply = node.get("/gather_runtime_info");
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
}
