import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { descendantsOf, killHard } from '../house/processes.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { type TcpProxy } from '../proxy/tcp-proxy.js';
import { type Random } from '../wire/random.js';

/** What a fault may lay its hands on. */
export interface FaultContext {
  readonly platform: RunningPlatform;
  /** Between `events` and Postgres. */
  readonly proxy: TcpProxy;
  readonly random: Random;
  /** How many times this fault has struck in this run. */
  readonly strike: number;
}

/** One way in which the world breaks. */
export interface Fault {
  readonly id: string;
  readonly title: string;
  /** Strikes in the short form, at random times under load. */
  readonly strikes: number;
  /** @returns what was done, in a few words. */
  readonly strike: (context: FaultContext) => Promise<string>;
}

const kill =
  (name: string) =>
  ({ platform }: FaultContext): Promise<string> => {
    const pid = platform.local.pids[name];
    return Promise.resolve(killHard(pid) ? `${name} ${pid}` : `${name} was not there`);
  };

function killIngress(context: FaultContext): Promise<string> {
  const primary = context.platform.local.pids['ingress'];
  const workers = primary === undefined ? [] : descendantsOf(primary);
  // A worker first: the primary must bring it back; then the primary, whose workers must not live on alone.
  if (workers.length === 0 || context.strike % 2 === 1) return kill('ingress')(context);
  const pid = context.random.pick(workers);
  return Promise.resolve(killHard(pid) ? `a worker ${pid}` : 'the worker was not there');
}

async function wipeNats(context: FaultContext): Promise<string> {
  const store = join(context.platform.dataDir, 'nats');
  await rm(store, { recursive: true, force: true });
  const killed = await kill('nats')(context);
  await rm(store, { recursive: true, force: true });
  return `store deleted, ${killed}`;
}

/** The faults of the short form. Numbers: the fault matrix of the house. */
export const FAULTS: readonly Fault[] = [
  { id: 'F0', title: 'no fault', strikes: 0, strike: () => Promise.resolve('nothing') },
  { id: 'F1', title: 'kill -9 ingress', strikes: 2, strike: killIngress },
  { id: 'F2', title: 'kill -9 events', strikes: 2, strike: kill('events') },
  { id: 'F3', title: 'kill -9 dispatcher', strikes: 2, strike: kill('dispatcher') },
  { id: 'F4', title: 'kill -9 postgres', strikes: 2, strike: kill('postgres') },
  {
    id: 'F6',
    title: 'cut at COMMIT',
    strikes: 4,
    strike: ({ proxy, strike }) => {
      const mode = strike % 4 === 3 ? 'withheld' : 'forwarded';
      proxy.armCuts(mode);
      return Promise.resolve(`the next commit is cut, ${mode}`);
    },
  },
  { id: 'F10', title: 'kill -9 nats-server', strikes: 3, strike: kill('nats') },
  { id: 'F11', title: 'NATS store deleted', strikes: 1, strike: wipeNats },
];
