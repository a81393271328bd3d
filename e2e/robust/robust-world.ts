/** An API server with our manifests and kinds, a proxy in front of it, and one operator process that knows the proxy only. */
import { join } from "node:path";
import type { ApiServerOptions } from "../../hack/cluster/apiserver.ts";
import { kubectl } from "../../hack/kubectl.ts";
import { OperatorWorld } from "../api/operator-world.ts";
import { ApiProxy } from "./api-proxy.ts";
import { namespace, OperatorProcess, type OperatorProcessOptions } from "./operator-process.ts";

export interface RobustWorld {
  /** Straight to the API server, as its administrator. */
  readonly api: OperatorWorld;
  readonly proxy: ApiProxy;
  readonly operator: OperatorProcess;
  /** One more process at the same proxy; ended by `stop`. */
  another(options: Omit<OperatorProcessOptions, "kubeconfig">): OperatorProcess;
  /** For processes that start from now on; a service account that was made anew makes old tokens worthless. */
  renewToken(): Promise<void>;
  stop(): Promise<void>;
}

/** The operator is not started yet; OpenShift's kinds and ours are served. */
export async function startRobustWorld(options: Pick<ApiServerOptions, "controllers">): Promise<RobustWorld> {
  const api = await OperatorWorld.start(options);
  await api.applyCrds();
  const proxy = await ApiProxy.start(api.server);
  const kubeconfig = join(api.server.dir, "proxy.kubeconfig");
  const renewToken = async () => {
    const token = await kubectl(api.server, [
      ...["-n", namespace, "create", "token", "runtime-insights-operator", "--duration", "24h"],
    ]);
    proxy.writeKubeconfig(kubeconfig, token.trim());
  };
  await renewToken();
  const operators = [new OperatorProcess({ kubeconfig, lease: "default" })] as const;
  const others: OperatorProcess[] = [];
  return {
    ...{ api, proxy, operator: operators[0], renewToken },
    another: (options) => {
      const other = new OperatorProcess({ ...options, kubeconfig });
      others.push(other);
      return other;
    },
    stop: async () => {
      await Promise.all([...operators, ...others].map((one) => one.kill()));
      await proxy.stop();
      await api.stop();
    },
  };
}
