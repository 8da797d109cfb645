import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../house/running-platform.js';
import { waitFor } from '../wire/time.js';
import { type ClusterArguments } from './arguments.js';
import { type Kube } from './kube.js';
import { valuesOf } from './manifests.js';

const NAME = 'posthorn';
const CHART = join(ROOT, 'helm/posthorn');
const HELM_TIMEOUT = '10m';
const SETTLE_TIMEOUT_MS = 300_000;
const SETTLE_POLL_MS = 500;

/** The chart, installed. */
export class Release {
  constructor(
    readonly kube: Kube,
    private readonly args: ClusterArguments,
  ) {}

  labels = (component: string): Record<string, string> => ({
    'app.kubernetes.io/name': NAME,
    'app.kubernetes.io/instance': NAME,
    'app.kubernetes.io/component': component,
  });

  /** What the chart calls an object of this kind of thing. */
  name = (part: string): string => `${NAME}-${part}`;

  async install(): Promise<void> {
    await this.apply('install', this.args.from);
  }

  async upgrade(): Promise<void> {
    await this.apply('upgrade', this.args.to);
    await this.assertVersion(this.args.to);
  }

  async rollBack(): Promise<void> {
    await this.kube.helm(['rollback', NAME, '--wait', '--timeout', HELM_TIMEOUT]);
    await this.settled();
    await this.assertVersion(this.args.from);
  }

  async test(): Promise<void> {
    await this.kube.helm(['test', NAME, '--timeout', HELM_TIMEOUT]);
  }

  async uninstall(): Promise<void> {
    await this.kube.helm(['uninstall', NAME, '--wait', '--timeout', HELM_TIMEOUT]);
  }

  /** Waits until every pod that should be there is ready and every other is gone. */
  async settled(): Promise<void> {
    let missing = '';
    const check = async (): Promise<true | undefined> => {
      const workloads = await this.kube.list('deployments,statefulsets');
      const waiting = workloads.filter(({ metadata, spec, status }) => {
        const { observedGeneration = 0, readyReplicas = 0, updatedReplicas = 0, replicas = 0 } = status;
        const { generation = 0 } = metadata as { generation?: number };
        const isWhole = [readyReplicas, updatedReplicas, replicas].every((count) => count === spec.replicas);
        return !isWhole || observedGeneration < generation;
      });
      const leaving = (await this.kube.list('pods')).filter(({ metadata }) => metadata.deletionTimestamp);
      missing = [...waiting, ...leaving].map(({ metadata }) => metadata.name).join(', ');
      return missing === '' ? true : undefined;
    };
    await waitFor('the pods are ready', check, {
      timeoutMs: SETTLE_TIMEOUT_MS,
      pollMs: SETTLE_POLL_MS,
    }).catch((cause: unknown) => {
      throw new Error(`not settled after ${SETTLE_TIMEOUT_MS / 1000} s: ${missing}`, { cause });
    });
  }

  private async apply(verb: 'install' | 'upgrade', tag: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'posthorn-cluster-'));
    try {
      const file = join(folder, 'values.json'); // JSON is YAML
      await writeFile(file, JSON.stringify(valuesOf(this.args, tag)));
      const values = [file, ...this.args.values].flatMap((each) => ['--values', each]);
      await this.kube.helm([verb, NAME, CHART, ...values, '--wait', '--timeout', HELM_TIMEOUT]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    await this.settled();
  }

  /** @throws Error when a pod of a service runs anything else. */
  private async assertVersion(tag: string): Promise<void> {
    const deployments = await this.kube.list('deployments');
    const images = deployments.map(({ spec }) => spec.template.spec.containers[0].image as string);
    const others = images.filter((image) => !image.endsWith(`:${tag}`));
    if (images.length === 0 || others.length > 0) throw new Error(`not ${tag}: ${others.join(', ')}`);
  }
}
