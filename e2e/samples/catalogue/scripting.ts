/** Ruby, PHP, Perl, Erlang and Elixir of Debian. */
import { debianTree } from "../../../hack/images/debian.ts";
import { symlink, text } from "../../../hack/images/entries.ts";
import { layerOf } from "../../../hack/images/layer.ts";
import type { CatalogueEntry } from "../entry.ts";
import { type Ground, maintenance, shell, treeLayer, upstreamVersion } from "./ground.ts";

export async function scriptingEntries(ground: Ground): Promise<readonly CatalogueEntry[]> {
  return [...(await rubyEntries(ground)), ...(await phpEntries(ground)), ...(await otherEntries(ground))];
}

async function rubyEntries({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const { root, versions } = await debianTree(["ruby", "ruby-rails", "puma"], maintenance);
  const version = (name: RegExp) => upstreamVersion(versions, name);
  const layers = [...system, await treeLayer(root)];
  const ruby = version(/^ruby\d+\.\d+$/);
  const puma = `Puma ${version(/^puma$/)}`;
  return [
    {
      name: "ruby",
      about: "Ruby, a script by its first line, as another user",
      layers: [...layers, await layerOf([text("srv/work", "#!/usr/bin/ruby3.1\nsleep\n", 0o755)])],
      command: ["/srv/work"],
      uid: 1001,
      expected: is("Ruby", ruby),
    },
    {
      name: "puma",
      about: "Puma with two workers, each of which overwrites its title",
      layers: [...layers, await layerOf([text("srv/app/config.ru", 'run ->(env) { [200, {}, ["ok"]] }\n')])],
      command: shell("cd /srv/app && exec ruby3.1 /usr/bin/puma -w 2 -b unix:///tmp/puma.sock config.ru"),
      uid: 1001,
      expected: is("Ruby", ruby, puma),
    },
    {
      name: "rails",
      about: "Ruby on Rails on Puma",
      layers: [...layers, await layerOf(railsApplication)],
      command: shell("cd /srv/shop && exec ruby3.1 /usr/bin/puma -b unix:///tmp/shop.sock config.ru"),
      env: { RAILS_ENV: "production", SECRET_KEY_BASE: "sample" },
      uid: 1001,
      expected: is("Ruby", ruby, puma, `Ruby on Rails ${version(/^ruby-rails$/)}`),
    },
  ];
}

const railsApplication = [
  text("srv/shop/config.ru", 'require_relative "config/environment"\nrun Rails.application\n'),
  text("srv/shop/config/environment.rb", 'require_relative "application"\nRails.application.initialize!\n'),
  text(
    "srv/shop/config/application.rb",
    `require "rails"
require "action_controller/railtie"

class Shop < Rails::Application
  config.eager_load = true
  config.logger = Logger.new($stderr)
  config.root = "/srv/shop"
end
`,
  ),
  text("srv/shop/config/routes.rb", 'Rails.application.routes.draw { root to: ->(env) { [200, {}, ["shop"]] } }\n'),
];

async function phpEntries({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const packages = ["php8.2-cli", "php8.2-fpm", "libapache2-mod-php8.2", "apache2-bin"];
  const { root, versions } = await debianTree(packages, maintenance);
  const php = upstreamVersion(versions, /^php8\.2-cli$/);
  const httpd = `Apache HTTP Server ${upstreamVersion(versions, /^apache2-bin$/)}`;
  const layers = [...system, await treeLayer(root), await layerOf(phpSettings)];
  return [
    {
      name: "php",
      about: "PHP on the command line, as another user",
      layers,
      command: ["php8.2", "-r", "while (true) sleep(1000);"],
      uid: 1001,
      expected: is("PHP", php),
    },
    {
      name: "php-fpm",
      about: "PHP-FPM, whose workers are of another user",
      layers,
      command: ["php-fpm8.2", "-F", "-y", "/srv/fpm.conf"],
      expected: is("PHP", php, `PHP-FPM ${php}`),
    },
    {
      name: "mod-php",
      about: "PHP inside Apache HTTP Server",
      layers,
      command: ["apache2", "-DFOREGROUND", "-f", "/srv/php.conf"],
      expected: is("PHP", php, httpd),
    },
    {
      name: "httpd",
      about: "Apache HTTP Server, its workers of another user",
      layers,
      command: ["apache2", "-DFOREGROUND", "-f", "/srv/plain.conf"],
      expected: is("C/C++", "", httpd),
    },
  ];
}

const httpdSettings = (name: string, modules: readonly string[]): string =>
  [
    "ServerRoot /usr/lib/apache2",
    "ServerName sample",
    "PidFile /tmp/httpd.pid",
    "DefaultRuntimeDir /tmp",
    "Mutex posixsem",
    ...modules.map((module) => `LoadModule ${module}`),
    `Listen ${name === "php" ? 3811 : 3812}`,
    "ErrorLog /dev/null",
    "User www-data",
    "Group www-data",
    "",
  ].join("\n");

const phpSettings = [
  text(
    "srv/fpm.conf",
    `[global]
error_log = /dev/null
daemonize = no
[www]
user = www-data
group = www-data
listen = /tmp/fpm.sock
pm = static
pm.max_children = 2
`,
  ),
  text(
    "srv/php.conf",
    httpdSettings("php", [
      "mpm_prefork_module modules/mod_mpm_prefork.so",
      "php_module modules/libphp8.2.so",
      "authz_core_module modules/mod_authz_core.so",
    ]),
  ),
  text(
    "srv/plain.conf",
    httpdSettings("plain", [
      "mpm_event_module modules/mod_mpm_event.so",
      "authz_core_module modules/mod_authz_core.so",
    ]),
  ),
];

async function otherEntries({ system, is }: Ground): Promise<readonly CatalogueEntry[]> {
  const perl = await debianTree(["perl"], /^(dpkg|tar|libc6)$/);
  const erlang = await debianTree(["erlang-base", "elixir"], maintenance);
  const otp = upstreamVersion(erlang.versions, /^erlang-base$/);
  const beam = [...system, await treeLayer(erlang.root), await layerOf([symlink("usr/local/bin/sh", "/bin/busybox")])];
  return [
    {
      name: "perl",
      about: "Perl, a script by its first line",
      layers: [
        ...system,
        await treeLayer(perl.root),
        await layerOf([text("srv/report", "#!/usr/bin/perl\nsleep;\n", 0o755)]),
      ],
      command: ["/srv/report"],
      expected: is("Perl", upstreamVersion(perl.versions, /^perl$/)),
    },
    {
      name: "erlang",
      about: "Erlang without a terminal, as another user",
      layers: beam,
      command: ["/usr/lib/erlang/bin/erl", "-noshell", "-eval", "timer:sleep(infinity)."],
      env: { HOME: "/tmp" },
      uid: 1001,
      expected: is("Erlang", otp),
    },
    {
      name: "elixir",
      about: "Elixir, which is Erlang with its own libraries",
      layers: beam,
      command: ["/usr/lib/elixir/bin/elixir", "--no-halt", "-e", "1"],
      env: { HOME: "/tmp" },
      expected: is("Erlang", otp, `Elixir ${upstreamVersion(erlang.versions, /^elixir$/)}`),
    },
  ];
}
