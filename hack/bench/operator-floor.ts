/** The least that an operator in Node.js is: client-node, one connection, one watch that stays open. Bundled like the operator. */
import { KubeConfig, Watch } from "@kubernetes/client-node";

const [kubeconfig = "", path = ""] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
await new Watch(config).watch(
  path,
  {},
  () => undefined,
  (problem: unknown) => {
    console.error(String(problem));
    process.exit(1);
  },
);
console.log("watching");
setInterval(() => undefined, 60_000);
