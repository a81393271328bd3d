import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ImageInfo } from "../api/workload.ts";
import { scriptedApi } from "./api.fixture.ts";
import type { Api } from "./connection.ts";
import { ImageCache, ImageReader } from "./images.ts";

const info: ImageInfo = { layerIDs: ["sha256:l"], firstCommand: "", firstArg: "", repository: "" };
const ids = (count: number) => Array.from({ length: count }, (_, n) => `sha256:${n}`);

test("the cache keeps 5000 images and as many missing ones; what is used longest ago goes first", () => {
  const cache = new ImageCache();
  for (const id of ids(5_000)) {
    cache.add(id, info);
    cache.addMissing(`no-${id}`, 0);
  }
  assert.equal([cache.get("sha256:0"), cache.isMissing("no-sha256:0", 1)], [info, true]);
  cache.add("sha256:new", info);
  cache.addMissing("no-sha256:new", 0);
  assert.equal([cache.get("sha256:1"), cache.isMissing("no-sha256:0", 1)], [undefined, false]);
  assert.equal([cache.get("sha256:0"), cache.get("sha256:new"), cache.get("sha256:2")], [info, info, info]);
  assert.ok(cache.isMissing("no-sha256:new", 1));
});

test("a few images are read at a time, all of them once, and who wants them never waits", async () => {
  const api = await scriptedApi(() => ({ body: { dockerImageLayers: [{ name: "sha256:l" }] } }));
  let [now, most] = [0, 0];
  const counted: Api = {
    call: async (call) => {
      now += 1;
      most = Math.max(most, now);
      await sleep(2);
      return api.connection.call(call).finally(() => {
        now -= 1;
      });
    },
  };
  try {
    const { signal } = new AbortController();
    const reader = new ImageReader(counted, { cache: new ImageCache(), signal, nowMs: () => 0 });
    reader.want(ids(60));
    reader.want(ids(90));
    const { found, complete, failed } = await reader.finish(20_000);
    assert.equal([found.size, complete, failed, api.requests.length], [90, true, 0, 90]);
    assert.is(most, 8);
  } finally {
    await api.close();
  }
});

test.run();
