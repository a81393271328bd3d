import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type Certificate,
  type CertificateInput,
  type CertificatePlan,
  caLifetimeMs,
  planCertificates,
  servingLifetimeMs,
} from "./certificates.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const nowMs = 1_000 * dayMs;
const certificate = (
  fingerprint: string,
  ageMs: number,
  lifetimeMs: number,
  more: Partial<Certificate> = {},
): Certificate => ({
  fingerprint,
  notBeforeMs: nowMs - ageMs,
  notAfterMs: nowMs - ageMs + lifetimeMs,
  dnsNames: [],
  issuer: undefined,
  ...more,
});
const ca = (fingerprint: string, ageMs: number) => certificate(fingerprint, ageMs, caLifetimeMs);
const leaf = (issuer: string | undefined, ageMs: number, dnsNames = ["a.svc"]) =>
  certificate("leaf", ageMs, servingLifetimeMs, { issuer, dnsNames });
const input = (changes: Partial<CertificateInput>): CertificateInput => ({
  nowMs,
  ca: ca("new", 30 * dayMs),
  trusted: [ca("new", 30 * dayMs)],
  serving: { exporter: leaf("new", dayMs), gatherer: leaf("new", dayMs) },
  dnsNames: { exporter: ["a.svc"], gatherer: ["a.svc"] },
  wanted: ["exporter", "gatherer"],
  lastGatherMs: undefined,
  ...changes,
});

const none = { exporter: undefined, gatherer: undefined };
const both = (certificate: Certificate) => ({ exporter: certificate, gatherer: certificate });
const rows: readonly {
  readonly rule: string;
  readonly input: CertificateInput;
  readonly expected: Omit<CertificatePlan, "afterMs">;
}[] = [
  {
    rule: "nothing there: a CA and both certificates",
    input: input({ ca: undefined, trusted: [], serving: none }),
    expected: { issueCa: true, keepTrusted: [], issue: ["exporter", "gatherer"] },
  },
  { rule: "all young: nothing to do", input: input({}), expected: { issueCa: false, keepTrusted: [], issue: [] } },
  {
    rule: "only what is wanted is issued",
    input: input({ serving: none, wanted: ["gatherer"] }),
    expected: { issueCa: false, keepTrusted: [], issue: ["gatherer"] },
  },
  {
    rule: "a lost certificate is issued at once, also during a gather",
    input: input({ serving: { exporter: undefined, gatherer: leaf("new", dayMs) }, lastGatherMs: nowMs }),
    expected: { issueCa: false, keepTrusted: [], issue: ["exporter"] },
  },
  {
    rule: "a certificate of nobody we trust is replaced at once",
    input: input({ serving: both(leaf(undefined, dayMs)), lastGatherMs: nowMs }),
    expected: { issueCa: false, keepTrusted: [], issue: ["exporter", "gatherer"] },
  },
  {
    rule: "a certificate of another name is replaced at once",
    input: input({ serving: { exporter: leaf("new", dayMs, ["b.svc"]), gatherer: leaf("new", dayMs) } }),
    expected: { issueCa: false, keepTrusted: [], issue: ["exporter"] },
  },
  {
    rule: "the CA at two thirds of its life: a new one beside the old, the certificates stay",
    input: input({
      ca: ca("old", (caLifetimeMs * 2) / 3),
      trusted: [ca("old", (caLifetimeMs * 2) / 3)],
      serving: both(leaf("old", dayMs)),
    }),
    expected: { issueCa: true, keepTrusted: ["old"], issue: [] },
  },
  {
    rule: "five minutes after: the new one has not spread, nothing changes",
    input: input({
      ca: ca("new", 10 * minuteMs),
      trusted: [ca("new", 10 * minuteMs), ca("old", 700 * dayMs)],
      serving: both(leaf("old", dayMs)),
    }),
    expected: { issueCa: false, keepTrusted: ["old"], issue: [] },
  },
  {
    rule: "ten minutes after: the certificates follow",
    input: input({
      ca: ca("new", 15 * minuteMs),
      trusted: [ca("new", 15 * minuteMs), ca("old", 700 * dayMs)],
      serving: both(leaf("old", dayMs)),
    }),
    expected: { issueCa: false, keepTrusted: ["old"], issue: ["exporter", "gatherer"] },
  },
  {
    rule: "a gather that a wrong clock put into the future is not near",
    input: input({
      ca: ca("new", 15 * minuteMs),
      trusted: [ca("new", 15 * minuteMs), ca("old", 700 * dayMs)],
      serving: both(leaf("old", dayMs)),
      lastGatherMs: nowMs + dayMs,
    }),
    expected: { issueCa: false, keepTrusted: ["old"], issue: ["exporter", "gatherer"] },
  },
  {
    rule: "but not while a gather is near",
    input: input({
      ca: ca("new", 15 * minuteMs),
      trusted: [ca("new", 15 * minuteMs), ca("old", 700 * dayMs)],
      serving: both(leaf("old", dayMs)),
      lastGatherMs: nowMs - 2 * minuteMs,
    }),
    expected: { issueCa: false, keepTrusted: ["old"], issue: [] },
  },
  {
    rule: "a day after: the old CA goes",
    input: input({ ca: ca("new", dayMs), trusted: [ca("new", dayMs), ca("old", 700 * dayMs)] }),
    expected: { issueCa: false, keepTrusted: [], issue: [] },
  },
  {
    rule: "a day after, with a certificate of the old one still served: it stays",
    input: input({
      ca: ca("new", dayMs),
      trusted: [ca("new", dayMs), ca("old", 700 * dayMs)],
      serving: both(leaf("old", dayMs)),
      lastGatherMs: nowMs,
    }),
    expected: { issueCa: false, keepTrusted: ["old"], issue: [] },
  },
  {
    rule: "an old CA that has run out goes at once, and what it signed is replaced",
    input: input({
      ca: ca("new", minuteMs),
      trusted: [ca("new", minuteMs), ca("old", 4 * 365 * dayMs)],
      serving: both(leaf("old", dayMs)),
    }),
    expected: { issueCa: false, keepTrusted: [], issue: ["exporter", "gatherer"] },
  },
  {
    rule: "a certificate at two thirds of its life is replaced in a quiet moment",
    input: input({ serving: { exporter: leaf("new", (servingLifetimeMs * 2) / 3), gatherer: leaf("new", dayMs) } }),
    expected: { issueCa: false, keepTrusted: [], issue: ["exporter"] },
  },
  {
    rule: "the CA's key was lost: a new CA, and what the old one signed is trusted until it is replaced",
    input: input({ ca: undefined, trusted: [ca("old", 30 * dayMs)], serving: both(leaf("old", dayMs)) }),
    expected: { issueCa: true, keepTrusted: ["old"], issue: [] },
  },
];
for (const { rule, input: given, expected } of rows)
  test(rule, () => {
    const { issueCa, keepTrusted, issue } = planCertificates(given);
    assert.equal({ issueCa, keepTrusted, issue }, expected);
  });

test("while something rotates the next look is near", () => {
  const rotating = input({
    ca: ca("new", 10 * minuteMs),
    trusted: [ca("old", 700 * dayMs)],
    serving: both(leaf("old", dayMs)),
  });
  assert.ok(planCertificates(rotating).afterMs <= 15 * minuteMs);
  assert.is(planCertificates(input({})).afterMs, 60 * minuteMs);
});

test.run();
