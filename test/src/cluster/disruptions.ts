import { type Random } from '../wire/random.js';
import { pause, waitFor } from '../wire/time.js';
import { type Kube } from './kube.js';
import { type Release } from './release.js';
import { type SteadyLoad } from './steady-load.js';

const SERVICES = ['ingress', 'api', 'tenants', 'events', 'compliance', 'dispatcher'] as const;
const SERVERS = ['postgres', 'nats'] as const;
/** Load before, between and after what is done. */
const CALM_MS = 8_000;
const EVICT_TIMEOUT_MS = 120_000;
const EVICT_POLL_MS = 1_000;

/** What is done to the platform, and to what. */
export interface Disruption {
  readonly release: Release;
  readonly load: SteadyLoad;
  readonly random: Random;
}

/** Nothing, for comparison; then the other version, and back. */
export async function changeVersions({ release, load }: Disruption): Promise<void> {
  load.begin('nothing');
  await pause(CALM_MS);
  load.begin('upgrade');
  await release.upgrade();
  await pause(CALM_MS);
  load.begin('roll back');
  await release.rollBack();
  await pause(CALM_MS);
}

/** One pod of everything, without any notice. */
export async function killPods({ release, load, random }: Disruption): Promise<void> {
  for (const component of [...SERVICES, ...SERVERS]) {
    load.begin(`kill ${component}`, component === 'ingress');
    const pods = await release.kube.readyPods(component);
    await release.kube.killPod(random.pick(pods).metadata.name);
    await pause(EVICT_POLL_MS);
    await release.settled();
    await pause(CALM_MS);
  }
}

/**
 * Every pod of every service leaves as from a node that is drained, one budget after the other.
 * @returns what a budget should have refused, and did not.
 */
export async function drain({ release, load }: Disruption): Promise<string[]> {
  const problems: string[] = [];
  const { kube } = release;
  for (const component of SERVICES) {
    load.begin(`drain ${component}`);
    const pods = (await kube.readyPods(component)).map(({ metadata }) => metadata.name);
    for (const [at, name] of pods.entries()) {
      await evicted(kube, name);
      const next = pods[at + 1];
      // At once: its fellow has no successor yet.
      if (next !== undefined && (await kube.evict(next)))
        problems.push(`the budget of ${component} let two pods go at once`);
    }
    await release.settled();
  }
  load.begin('nothing again');
  await pause(CALM_MS);
  return problems;
}

async function evicted(kube: Kube, name: string): Promise<void> {
  const evict = async (): Promise<true | undefined> => ((await kube.evict(name)) ? true : undefined);
  await waitFor(`${name} may be evicted`, evict, { timeoutMs: EVICT_TIMEOUT_MS, pollMs: EVICT_POLL_MS });
}
