//! All rules, in the order in which they are tried. A new one is a file of its own, a line here, a sample that it must
//! recognise, and a line in the generated documentation.

use crate::jvm::{jboss, kafka, keycloak, liberty, libraries, machine, quarkus, spring_boot, tomcat};
use crate::process::{Access, Process};
use crate::rule::{self, Identity, Platform, Rule};
use crate::servers::{envoy, haproxy, httpd, mysql, nginx, postgresql, redis};
use crate::{
    bun, compiled, deno, dotnet, erlang, go, graal, java, node, node_packages, perl, php, python, python_packages,
};
use crate::{ruby, ruby_gems};

/// Language platforms: the first that finds something counts. What the executed file itself carries comes before what is
/// mapped into it, and what is mapped before what is only likely. Those that imitate Node.js come before it, so that their many
/// megabytes are searched once, and the compilers come last, as all of these were made by some.
pub const PLATFORMS: &[Platform] = &[
    go::PLATFORM,
    deno::PLATFORM,
    bun::PLATFORM,
    node::EXECUTABLE,
    python::EXECUTABLE,
    php::PLATFORM,
    perl::PLATFORM,
    erlang::PLATFORM,
    graal::PLATFORM,
    dotnet::PLATFORM,
    java::PLATFORM,
    ruby::PLATFORM,
    node::LIBRARY,
    python::LIBRARY,
    node::LARGE,
    compiled::RUST_PLATFORM,
    compiled::C_PLATFORM,
];

/// Frameworks, libraries and servers: all that fit are told.
pub const RULES: &[Rule] = &[
    node_packages::RULE,
    python_packages::RULE,
    dotnet::WEB_RULE,
    erlang::ELIXIR_RULE,
    graal::QUARKUS_RULE,
    graal::FRAMEWORK_RULE,
    graal::VERSION_RULE,
    php::EMBEDDED_RULE,
    php::FPM_RULE,
    ruby_gems::RAILS_RULE,
    ruby_gems::PUMA_RULE,
    envoy::RULE,
    haproxy::RULE,
    httpd::RULE,
    mysql::MARIADB_RULE,
    mysql::MYSQL_RULE,
    nginx::RULE,
    postgresql::RULE,
    redis::REDIS_RULE,
    redis::VALKEY_RULE,
    // Before the other rules for Java, as the file that these two read is still open then.
    machine::GRAALVM_JDK,
    machine::OPENJ9,
    jboss::RULE,
    kafka::RULE,
    keycloak::RULE,
    liberty::RULE,
    quarkus::RULE,
    spring_boot::RULE,
    tomcat::RULE,
    libraries::EMBEDDED_TOMCAT_RULE,
    libraries::HELIDON_RULE,
    libraries::JETTY_RULE,
    libraries::KOTLIN_RULE,
    libraries::MICRONAUT_RULE,
    libraries::NETTY_RULE,
    libraries::SCALA_RULE,
    libraries::UNDERTOW_RULE,
    libraries::VERTX_RULE,
];

/// What a process is, by these rules.
pub fn identify<A: Access>(process: &mut Process<A>) -> Identity {
    rule::identify(PLATFORMS, RULES, process)
}
