import { waitFor } from '../wire/time.js';
import { type Drawing, isDrawn, placesOf, STRANGERS, targetsOf } from './drawing.js';
import { isReady, Kube, type KubeObject } from './kube.js';
import { restrictedPod } from './manifests.js';

const CONNECT_TIMEOUT_MS = 3_000;
const POD_TIMEOUT_MS = 120_000;
const PORTS = { door: 8080, grpc: 9000, health: 9090, postgres: 5432, nats: 4222, dns: 53, kubelet: 10250 };

interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** What the policies let through, compared with the drawing. */
export interface ProbeResult {
  readonly open: number;
  readonly closed: number;
  /** Ways that are other than drawn. */
  readonly problems: readonly string[];
}

/** What is needed to try the ways. */
export interface ProbeOptions {
  readonly kube: Kube;
  /** A namespace beside the platform's. */
  readonly beside: Kube;
  readonly drawing: Drawing;
  /** An image with Node. */
  readonly image: string;
  readonly labels: (component: string) => Readonly<Record<string, string>>;
  /** A server of ours that is not in the cluster, at an address of no private range. */
  readonly outside: { readonly host: string; readonly port: number };
}

/** Tries every way from every kind of pod to everything that listens. */
export async function probe(options: ProbeOptions): Promise<ProbeResult> {
  const { kube, beside, drawing, image, labels } = options;
  await kube.apply(restrictedPod('probe-migration', image, labels('migration')));
  await kube.apply(restrictedPod('probe-stranger', image));
  await beside.apply(restrictedPod('probe-foreigner', image));
  const guests = { migration: kube, stranger: kube, foreigner: beside };
  for (const [name, where] of Object.entries(guests)) await untilReady(where, `probe-${name}`);
  const targets = await Promise.all(targetsOf(drawing).map((name) => targetOf(options, name)));
  const problems: string[] = [];
  let open = 0;
  for (const from of placesOf(drawing)) {
    const reached = new Set(await reachedFrom(options, from, scriptOf(targets)));
    open += reached.size;
    for (const { name } of targets) {
      const expected = isDrawn(drawing, from, name);
      if (reached.has(name) !== expected)
        problems.push(`${from} → ${name} is ${expected ? 'closed, and drawn' : 'open, and not drawn'}`);
    }
  }
  for (const [name, where] of Object.entries(guests))
    await where.kubectl(['delete', 'pod', `probe-${name}`, '--grace-period=1', '--wait=false']);
  return { open, closed: placesOf(drawing).length * targets.length - open, problems };
}

async function targetOf({ kube, outside }: ProbeOptions, name: string): Promise<Target> {
  if (name === 'internet') return { name, ...outside };
  if (name === 'dns') return { name, host: await clusterAddress('kube-system', 'kube-dns'), port: PORTS.dns };
  if (name === 'kubernetes') return { name, host: await clusterAddress('default', 'kubernetes'), port: 443 };
  if (name === 'node') return { name, host: await nodeAddress(kube), port: PORTS.kubelet };
  const [component, port] = name.split(' ');
  // The last: who asks its own kind asks from the first, and so not itself.
  const pod = (await kube.readyPods(component!)).at(-1);
  if (pod === undefined) throw new Error(`no pod of ${component} is ready`);
  const kind = port ?? (component === 'ingress' || component === 'api' ? 'door' : component!);
  return { name, host: pod.status.podIP as string, port: PORTS[kind as keyof typeof PORTS] ?? PORTS.grpc };
}

const clusterAddress = async (namespace: string, service: string): Promise<string> =>
  (await new Kube(namespace).get('service', service)).spec.clusterIP as string;

async function nodeAddress(kube: Kube): Promise<string> {
  const [node] = await kube.list('nodes');
  const addresses = node!.status.addresses as { type: string; address: string }[];
  return addresses.find(({ type }) => type === 'InternalIP')!.address;
}

/** Prints the names of what it could connect to. */
const scriptOf = (targets: readonly Target[]): string => `
  const { connect } = require('node:net');
  const reach = ({ name, host, port }) => new Promise((done) => {
    const socket = connect({ host, port, timeout: ${CONNECT_TIMEOUT_MS} });
    const end = (reached) => { socket.destroy(); done(reached); };
    socket.once('connect', () => end(name)).once('timeout', () => end()).once('error', () => end());
  });
  Promise.all(${JSON.stringify(targets)}.map(reach)).then((names) => console.log(JSON.stringify(names.filter(Boolean))));`;

async function reachedFrom(options: ProbeOptions, from: string, script: string): Promise<string[]> {
  const { kube, beside } = options;
  const exec = (where: Kube, pod: string): Promise<string> =>
    where.kubectl(['exec', pod, '--', 'node', '--eval', script]);
  let printed: string;
  if (from === 'postgres' || from === 'nats') printed = await besideServer(options, from, script);
  else if (from === 'migration' || STRANGERS.includes(from))
    printed = await exec(from === 'foreigner' ? beside : kube, `probe-${from}`);
  else printed = await exec(kube, (await kube.readyPods(from))[0]!.metadata.name);
  return JSON.parse(printed) as string[];
}

/** The images of the servers hold nothing to try with: a container for debugging shares the network of their pod. */
async function besideServer({ kube, image }: ProbeOptions, server: string, script: string): Promise<string> {
  const [pod] = await kube.readyPods(server);
  const { name } = pod!.metadata;
  const container = `probe-${Date.now().toString(36)}`;
  const args = [
    'debug',
    name,
    `--image=${image}`,
    '--image-pull-policy=IfNotPresent',
    '--profile=restricted',
  ];
  await kube.kubectl([...args, `--container=${container}`, '--', 'node', '--eval', script]);
  const hasEnded = async (): Promise<true | undefined> => {
    const statuses = ((await kube.get('pod', name)).status.ephemeralContainerStatuses ?? []) as {
      name: string;
      state: { terminated?: object };
    }[];
    return statuses.some((each) => each.name === container && each.state.terminated) ? true : undefined;
  };
  await waitFor(`the probe beside ${server} ends`, hasEnded, { timeoutMs: POD_TIMEOUT_MS, pollMs: 500 });
  return kube.kubectl(['logs', name, '--container', container]);
}

async function untilReady(kube: Kube, name: string): Promise<KubeObject> {
  const find = async (): Promise<KubeObject | undefined> => {
    const pod = await kube.get('pod', name);
    return isReady(pod) ? pod : undefined;
  };
  return waitFor(`${name} is ready`, find, { timeoutMs: POD_TIMEOUT_MS, pollMs: 500 });
}
