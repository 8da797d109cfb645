import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import YAML from 'yaml';

export const ROOT = resolve(import.meta.dirname, '../../..');
export const CHART = join(ROOT, 'helm/posthorn');
export const SERVICES = ['api', 'compliance', 'dispatcher', 'events', 'ingress', 'tenants'] as const;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Names of the value sets in `ci/`. */
export const VALUE_SETS: readonly string[] = readdirSync(join(CHART, 'ci'))
  .map((file) => file.replace(/\.yaml$/, ''))
  .sort();

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly env?: readonly { name: string; value?: string; valueFrom?: unknown }[];
  readonly resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  readonly securityContext?: Record<string, unknown>;
  readonly volumeMounts?: readonly { name: string; mountPath: string }[];
  readonly ports?: readonly { name: string; containerPort: number }[];
  readonly [probe: string]: unknown;
}
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly securityContext?: Record<string, unknown>;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly volumes?: readonly { name: string }[];
  readonly [key: string]: unknown;
}
export interface Manifest {
  readonly kind: string;
  readonly metadata: { name: string; labels: Record<string, string>; annotations?: Record<string, string> };
  // Each kind has its own; a test reads what it asserts.
  readonly spec: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly data?: Record<string, string>;
}

function helm(args: readonly string[]): string {
  return execFileSync(process.execPath, [join(ROOT, 'tools/helm.mjs'), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: OUTPUT_BYTES_MAX,
  });
}

const valuesOf = (set: string): string[] => ['--values', join(CHART, 'ci', `${set}.yaml`)];

const rendered = new Map<string, readonly Manifest[]>();

/** The objects that an install of this value set would make, hooks and tests included. Not to be changed. */
export function render(set: string, args: readonly string[] = [], chart = CHART): readonly Manifest[] {
  const command = ['template', 'posthorn', chart, '--namespace', 'mail', ...valuesOf(set), ...args];
  const known = rendered.get(command.join());
  if (known !== undefined) return known;
  const documents = YAML.parseAllDocuments(helm(command)) as { toJSON(): Manifest | null }[];
  const manifests = documents.map((each) => each.toJSON()).filter((each) => each !== null);
  rendered.set(command.join(), manifests);
  return manifests;
}

/** What `helm lint --strict` says. Throws when it complains. */
export const lint = (set: string): string => helm(['lint', '--strict', CHART, ...valuesOf(set)]);

/** Why the chart refuses these values. */
export function refusal(set: string, args: readonly string[]): string {
  const command = [join(ROOT, 'tools/helm.mjs'), 'template', 'posthorn', CHART, ...valuesOf(set), ...args];
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? 'it was not refused' : stderr;
}

export const ofKind = (manifests: readonly Manifest[], kind: string): Manifest[] =>
  manifests.filter((manifest) => manifest.kind === kind);

export const componentOf = ({ metadata }: Manifest): string =>
  metadata.labels['app.kubernetes.io/component']!;

/** Every pod that the chart describes, with the name of what describes it. */
export function podsOf(manifests: readonly Manifest[]): { name: string; pod: PodSpec }[] {
  return manifests.flatMap((manifest) => {
    const pod: PodSpec | undefined =
      manifest.kind === 'Pod'
        ? manifest.spec
        : manifest.spec?.template?.spec?.containers && manifest.spec.template.spec;
    return pod === undefined ? [] : [{ name: `${manifest.kind} ${manifest.metadata.name}`, pod }];
  });
}

export const containersOf = (pod: PodSpec): Container[] => [...(pod.initContainers ?? []), ...pod.containers];
