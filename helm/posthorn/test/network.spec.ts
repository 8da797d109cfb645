import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { componentOf, type Manifest, ofKind, render, ROOT, SERVICES, VALUE_SETS } from './chart-rig.js';

interface Peer {
  readonly podSelector?: { matchLabels?: Record<string, string> };
  readonly namespaceSelector?: unknown;
  readonly ipBlock?: { cidr: string; except: string[] };
}
interface Rule {
  readonly from?: Peer[];
  readonly to?: Peer[];
  readonly ports: { port: number | string; protocol: string; endPort?: number }[];
}

const PRIVATE_RANGES = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
];
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const policiesOf = (manifests: readonly Manifest[]): Manifest[] => ofKind(manifests, 'NetworkPolicy');
const componentOfPeer = (peer: Peer): string | undefined =>
  peer.podSelector?.matchLabels?.['app.kubernetes.io/component'];

/** Who can dial whom, as the programs say: the addresses that each service reads. */
function arrowsOfCode(): string[] {
  return SERVICES.flatMap((service) => {
    const config = read(`apps/${service}/src/config.ts`);
    return [...config.matchAll(/env: '([A-Z]+)_ADDRESS'/g)].map(
      ([, peer]) => `${service} → ${peer!.toLowerCase()}`,
    );
  }).sort();
}

/** The arrows between services that the policies let out of their callers, and those they let in. */
function arrowsOfPolicies(manifests: readonly Manifest[], side: 'egress' | 'ingress'): string[] {
  const isService = (name: string | undefined): name is string =>
    SERVICES.some((service) => service === name);
  return policiesOf(manifests)
    .filter((policy) => isService(componentOf(policy)))
    .flatMap((policy) =>
      (policy.spec[side] as Rule[]).flatMap((rule) =>
        (rule.to ?? rule.from ?? [])
          .map(componentOfPeer)
          .filter(isService)
          .map((other) => {
            expect(rule.ports).toEqual([{ protocol: 'TCP', port: 'grpc' }]);
            const own = componentOf(policy);
            return side === 'egress' ? `${own} → ${other}` : `${other} → ${own}`;
          }),
      ),
    )
    .sort();
}

test.each(VALUE_SETS)(
  'I3 %s: between services, the policies draw exactly the arrows of the programs, at both ends',
  (set) => {
    const manifests = render(set);
    expect(arrowsOfPolicies(manifests, 'egress')).toEqual(arrowsOfCode());
    expect(arrowsOfPolicies(manifests, 'ingress')).toEqual(arrowsOfCode());
  },
);

test('B11 every arrow ends at a service that lets this caller in by its certificate', () => {
  for (const arrow of arrowsOfCode()) {
    const [caller, callee] = arrow.split(' → ') as [string, string];
    const callers = [...read(`apps/${callee}/src/app.module.ts`).matchAll(/callers: \[([^\]]+)\]/g)];
    expect(`${arrow}: ${callers.some(([, names]) => names!.includes(`'${caller}'`))}`).toBe(`${arrow}: true`);
  }
});

test('the page of who connects to whom says the same', () => {
  const page = read('docs/operations.md');
  const table = page.slice(page.indexOf('## Who connects to whom'));
  const listed = [...table.matchAll(/^\| `([a-z]+)` +\| ([^|]*)\|/gm)].flatMap(([, caller, callees]) =>
    [...callees!.matchAll(/`([a-z]+)`/g)].map(([, callee]) => `${caller} → ${callee}`),
  );
  expect(listed.sort()).toEqual(arrowsOfCode());
});

test('I3 the drawing of ARCHITECTURE.md has these arrows and no other, and every service is a box of it', () => {
  // Would break: the drawing that people decide by would show a way that is closed, or hide one that is open.
  const drawing = /```\n([^]*?)\n```/.exec(read('ARCHITECTURE.md'))![1]!;
  const drawn = [...drawing.matchAll(/^ +([a-z]+) +→ ([a-z ]+)$/gm)].flatMap(([, caller, callees]) =>
    callees!.split(' ').map((callee) => `${caller} → ${callee}`),
  );
  expect(drawn.sort()).toEqual(arrowsOfCode());
  const picture = drawing.slice(0, drawing.indexOf('who dials whom'));
  for (const service of SERVICES)
    expect(picture).toMatch(new RegExp(`│ ${service} +[│├]|[│┤├▶┘] ${service} [├│┼]`));
});

test.each(VALUE_SETS)(
  'I3 %s: stores are reached by those that have them, the internet by those that hold an egress client',
  (set) => {
    const manifests = render(set);
    const natsPort = 4222;
    const usersOf = (port: number): string[] =>
      policiesOf(manifests)
        .filter(({ spec }) =>
          ((spec.egress ?? []) as Rule[]).some(({ ports }) =>
            ports.some((each) => Number(each.port) === port),
          ),
        )
        .map(componentOf)
        .sort();
    const databasePort = set === 'external-secrets' ? 6432 : 5432;
    const having = (group: string): string[] =>
      SERVICES.filter((service) => read(`apps/${service}/src/config.ts`).includes(group));
    expect(usersOf(databasePort)).toEqual([...having('...DATABASE_CONFIG'), 'migration'].sort());
    expect(usersOf(natsPort)).toEqual(having('...NATS_CONFIG'));
    const outside = policiesOf(manifests).filter(({ spec }) =>
      ((spec.egress ?? []) as Rule[]).some(reachesAnywhere),
    );
    expect(outside.map(componentOf)).toEqual(SERVICES.filter(holdsEgressClient));
  },
);

/** Whether a source file of the service imports the one client that may call out. */
function holdsEgressClient(service: string): boolean {
  const files = readdirSync(join(ROOT, 'apps', service, 'src'), { recursive: true, encoding: 'utf8' });
  return files.some(
    (file) =>
      /(?<!\.spec)\.ts$/.test(file) && read(`apps/${service}/src/${file}`).includes("'@posthorn/egress/"),
  );
}

const reachesAnywhere = ({ to, ports }: Rule): boolean =>
  (to ?? []).some(({ ipBlock }) => ipBlock !== undefined && /^(0\.0\.0\.0|::)\/0$/.test(ipBlock.cidr)) ||
  // No peers: any address; only stores and collectors on a port of their own may have that.
  (to === undefined && ports.some(({ endPort }) => endPort !== undefined));

test('F6 what calls out may reach the internet, but no address of a cluster, a machine or its metadata', () => {
  const callingOut = policiesOf(render('minimal')).filter(({ spec }) =>
    ((spec.egress ?? []) as Rule[]).some(reachesAnywhere),
  );
  expect(callingOut.length).toBeGreaterThan(0);
  for (const { spec } of callingOut) {
    const blocks = (spec.egress as Rule[]).flatMap(({ to }) =>
      (to ?? []).flatMap(({ ipBlock }) => ipBlock ?? []),
    );
    expect(blocks.map(({ cidr }) => cidr)).toEqual(['0.0.0.0/0', '::/0']);
    expect(blocks[0]!.except).toEqual(expect.arrayContaining(PRIVATE_RANGES));
    expect(blocks[1]!.except).toEqual(expect.arrayContaining(['fc00::/7', 'fe80::/10', '::1/128']));
  }
});

test.each(VALUE_SETS)(
  'I3 %s: every pod stands under a policy of both directions, and only the two doors are open',
  (set) => {
    const manifests = render(set);
    const covered = new Map(policiesOf(manifests).map((policy) => [componentOf(policy), policy]));
    const components = manifests
      .filter(({ kind }) => ['Deployment', 'StatefulSet', 'Job', 'Pod'].includes(kind))
      .map(componentOf);
    for (const component of components)
      expect(covered.get(component)?.spec.policyTypes).toEqual(['Ingress', 'Egress']);
    const open = [...covered.values()].filter(({ spec }) =>
      ((spec.ingress ?? []) as Rule[]).some(({ from }) => from === undefined),
    );
    expect(open.map(componentOf).sort()).toEqual(set === 'network-restricted' ? [] : ['api', 'ingress']);
  },
);

test('I3 the public routes show neither health nor metrics', () => {
  for (const set of ['production', 'external-secrets']) {
    const manifests = render(set);
    const routes = [...ofKind(manifests, 'HTTPRoute'), ...ofKind(manifests, 'Ingress')];
    expect(routes.map(componentOf).sort()).toEqual(['api', 'ingress']);
    for (const { spec } of routes) {
      const paths = [...JSON.stringify(spec).matchAll(/"(?:value|path)":"(\/[^"]*)"/g)].map(
        ([, path]) => path!,
      );
      expect(paths.length).toBeGreaterThan(0);
      for (const path of paths)
        expect('/health/ready'.startsWith(path) || '/metrics'.startsWith(path)).toBe(false);
    }
  }
});
