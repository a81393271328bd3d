/** RuntimeGathers of a world whose time the test moves. */
import * as assert from "uvu/assert";
import { z } from "zod";
import { waitFor } from "../../hack/kubectl.ts";
import { decodeRequest, type GatherRequest } from "../../src/api/request.ts";
import { decodeKeyPair } from "../../src/api/tls.ts";
import { names } from "../../src/core/operands.ts";
import { phaseOf } from "../../src/core/requests.ts";
import { configPath, gathersPath, OperatorWorld, type StartOptions } from "./operator-world.ts";

export class GathersWorld {
  readonly world: OperatorWorld;
  #offsetMs = 0;

  private constructor(world: OperatorWorld) {
    this.world = world;
  }

  /** With our kinds, and the gate disabled. */
  static async start(): Promise<GathersWorld> {
    const world = await OperatorWorld.start({ controllers: false });
    await world.applyCrds();
    await world.setGate("disabled");
    return new GathersWorld(world);
  }

  nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  /** An operator whose clock is this world's, in place of the one that may run. */
  async startOperator(options: StartOptions = {}): Promise<void> {
    await this.world.stopOperator();
    await this.world.startOperator({ nowMs: () => this.nowMs(), ...options });
  }

  async requests(): Promise<readonly GatherRequest[]> {
    const answer = await this.world.admin.call({ path: gathersPath });
    return z
      .object({ items: z.array(z.unknown()) })
      .parse(answer.body)
      .items.map(decodeRequest);
  }

  async find(name: string): Promise<GatherRequest | undefined> {
    return (await this.requests()).find((request) => request.name === name);
  }

  async make(name: string, spec: object = {}): Promise<string> {
    const { status, text: said } = await this.world.create(gathersPath, {
      apiVersion: "runtimes.insights.openshift.io/v1alpha1",
      kind: "RuntimeGather",
      metadata: { name },
      spec,
    });
    assert.is(status, 201, said);
    return name;
  }

  async waitForPhase(name: string, phase: string): Promise<GatherRequest> {
    let last = "";
    return waitFor(
      `${name} to be ${phase}`,
      async () => {
        const request = await this.find(name);
        last = request === undefined ? "not there" : phaseOf(request);
        return request !== undefined && last === phase ? request : undefined;
      },
      { timeoutMs: 120_000, everyMs: 100 },
    ).catch(() => {
      throw new Error(`${name} is ${last}, not ${phase}`);
    });
  }

  /** Time passes for the operator, which is woken by a change of an object. */
  async pass(ms: number): Promise<void> {
    this.#offsetMs += ms;
    const [any] = await this.requests();
    const path = any === undefined ? configPath : `${gathersPath}/${any.name}`;
    await this.world.patch(path, { metadata: { annotations: { now: `${this.#offsetMs}` } } });
    await this.world.patch(configPath, { metadata: { annotations: { now: `${this.#offsetMs}` } } });
  }

  /** The pair in a TLS Secret, the gatherer's unless told otherwise. */
  async servingPair(name: string = names.gathererTls): Promise<{ readonly cert: string; readonly key: string }> {
    const pair = decodeKeyPair(await this.world.operand({ kind: "Secret", name }));
    if (pair === undefined) throw new Error("there is no serving certificate");
    return { cert: pair.certificate, key: pair.key };
  }

  /** Time goes on while no operator looks. */
  skip(ms: number): void {
    this.#offsetMs += ms;
  }
}
