/** By which secrets images are pulled: of service accounts, pods, and what has a pod template. */
import { z } from "zod";

const secretsSchema = z
  .array(z.object({ name: z.string().optional().default("") }))
  .nullish()
  .transform((secrets) => (secrets ?? []).map(({ name }) => name).filter((name) => name !== ""));
const podSchema = z.object({ imagePullSecrets: secretsSchema });
const objectSchema = podSchema.extend({
  spec: podSchema.extend({ template: z.object({ spec: podSchema.optional() }).optional() }).optional(),
});
const listSchema = z.object({ items: z.array(objectSchema) });

/** Of every object of the list; what OpenShift gives each account for its own registry is that account's alone. */
export function decodePullSecrets(list: unknown): readonly string[] {
  return listSchema
    .parse(list)
    .items.flatMap(namesIn)
    .filter((name) => !isOpenShifts(name));
}

/** Of one service account, OpenShift's included. */
export function pullSecretsOf(account: unknown): readonly string[] {
  const decoded = objectSchema.safeParse(account);
  return decoded.success ? namesIn(decoded.data) : [];
}

const namesIn = ({ imagePullSecrets, spec }: z.output<typeof objectSchema>) => [
  ...imagePullSecrets,
  ...(spec?.imagePullSecrets ?? []),
  ...(spec?.template?.spec?.imagePullSecrets ?? []),
];

function isOpenShifts(name: string): boolean {
  return /-dockercfg-[a-z0-9]{5}$/.test(name);
}
