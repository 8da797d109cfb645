import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { type ConfigEntry, loadConfig } from '@posthorn/server/config.js';
import {
  componentOf,
  type Container,
  containersOf,
  lint,
  ofKind,
  type PodSpec,
  podsOf,
  refusal,
  render,
  ROOT,
  SERVICES,
  VALUE_SETS,
} from './chart-rig.js';

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'];
/** Node's own variables; every other one must be a key of the service's configuration. */
const NODE_VARIABLES = ['NODE_ENV'];

test.each(VALUE_SETS)('I3 %s: helm finds nothing to complain about', (set) => {
  expect(lint(set)).toContain('0 chart(s) failed');
});

test.each(VALUE_SETS)('I3 %s: no container runs as root, writes to its image or may become more', (set) => {
  const pods = podsOf(render(set));
  expect(pods.length).toBeGreaterThanOrEqual(8);
  for (const { name, pod } of pods) {
    expect({ name, ...pod.securityContext }).toMatchObject({
      name,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.securityContext!['runAsUser']).toBeGreaterThan(0);
    expect({ name, token: pod.automountServiceAccountToken }).toEqual({ name, token: false });
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod[key]).toBeUndefined();
    expect(JSON.stringify(pod.volumes)).not.toContain('hostPath');
    for (const container of containersOf(pod))
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        privileged: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
  }
});

test.each(VALUE_SETS)(
  'I3 %s: every container has requests and limits, so that none starves its node',
  (set) => {
    for (const { name, pod } of podsOf(render(set)))
      for (const { resources } of containersOf(pod)) {
        const given = [resources?.requests, resources?.limits].map((each) => Object.keys(each ?? {}).sort());
        expect({ name, given }).toEqual({
          name,
          given: [
            ['cpu', 'memory'],
            ['cpu', 'memory'],
          ],
        });
      }
  },
);

test.each(VALUE_SETS)('I3 %s: nobody gets rights in the cluster', (set) => {
  const kinds = new Set(render(set).map(({ kind }) => kind));
  for (const kind of ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'])
    expect(kinds).not.toContain(kind);
});

test.each(VALUE_SETS)('I3 %s: whatever is mounted exists, and nothing is declared for nobody', (set) => {
  for (const { name, pod } of podsOf(render(set))) {
    const volumes = (pod.volumes ?? []).map((volume) => volume.name);
    const mounted = containersOf(pod).flatMap(({ volumeMounts }) =>
      (volumeMounts ?? []).map((mount) => mount.name),
    );
    const claimed = name.startsWith('StatefulSet') ? ['data'] : [];
    expect({ name, mounted: [...new Set(mounted)].sort() }).toEqual({
      name,
      mounted: [...volumes, ...claimed].sort(),
    });
  }
});

test.each(VALUE_SETS)(
  'I3 %s: the six services differ in values only, and each has all of its objects',
  (set) => {
    const manifests = render(set);
    for (const kind of ['Deployment', 'ServiceAccount', 'PodDisruptionBudget'])
      expect(ofKind(manifests, kind).map(componentOf).sort()).toEqual([...SERVICES]);
    for (const kind of ['Service', 'NetworkPolicy'])
      expect(ofKind(manifests, kind).map(componentOf)).toEqual(expect.arrayContaining([...SERVICES]));
    const shapes = ofKind(manifests, 'Deployment').map(({ spec }) =>
      Object.keys(spec.template.spec.containers[0]).sort().join(),
    );
    expect(new Set(shapes).size).toBe(1);
  },
);

test.each(VALUE_SETS)(
  'I3 %s: probes ask the port that answers them, and readiness is not liveness',
  (set) => {
    for (const { spec } of ofKind(render(set), 'Deployment')) {
      const [container] = spec.template.spec.containers as [Container];
      const ports = container.ports!.map(({ name }) => name);
      const asked = PROBES.map(
        (probe) => (container[probe] as { httpGet: { path: string; port: string } }).httpGet,
      );
      expect(asked.map(({ path }) => path)).toEqual(['/health/live', '/health/live', '/health/ready']);
      for (const { port } of asked) {
        expect(['http', 'health']).toContain(port);
        expect(ports).toContain(port);
      }
    }
  },
);

test.each(VALUE_SETS)(
  'I3 %s: a pod that ends has time to be forgotten, then to drain, before it is killed',
  (set) => {
    for (const { spec } of ofKind(render(set), 'Deployment')) {
      const pod = spec.template.spec;
      const [{ lifecycle, env }] = pod.containers;
      const drainMs = Number(env.find(({ name }: { name: string }) => name === 'DRAIN_TIMEOUT_MS').value);
      expect(lifecycle.preStop.sleep.seconds).toBeGreaterThan(0);
      expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(
        lifecycle.preStop.sleep.seconds * 1_000 + drainMs,
      );
      expect(spec.strategy.rollingUpdate.maxUnavailable).toBe(0);
    }
  },
);

test.each(VALUE_SETS)('I3 %s: each service takes the environment that it is given', async (set) => {
  for (const manifest of ofKind(render(set), 'Deployment')) {
    const service = componentOf(manifest);
    const path = pathToFileURL(join(ROOT, 'apps', service, 'src/config.ts')).href;
    const { CONFIG_SCHEMA } = (await import(path)) as { CONFIG_SCHEMA: Record<string, ConfigEntry> };
    const [container] = manifest.spec.template.spec.containers as [Container];
    // What a Secret holds is not rendered: the broker's URL is the only such variable.
    const env = Object.fromEntries(
      container.env!.map(({ name, value, valueFrom }) => [
        name,
        valueFrom ? 'tls://user:secret@nats:4222' : value,
      ]),
    );
    const known = [...Object.values(CONFIG_SCHEMA).map((entry) => entry.env), ...NODE_VARIABLES];
    expect({ service, unknown: Object.keys(env).filter((name) => !known.includes(name)) }).toEqual({
      service,
      unknown: [],
    });
    expect(() => loadConfig(CONFIG_SCHEMA, env)).not.toThrow();
  }
});

test('E6 the journal of erasures is on a claim that outlives the release, one of its own or a given one', () => {
  // Would break: a restored database would bring people back who were erased after the backup.
  const directory = '/var/lib/posthorn/erasures';
  const journalOf = (args: string[], set = 'minimal') => {
    const manifests = render(set, args);
    const kept = ofKind(manifests, 'Deployment').flatMap((manifest) => {
      const pod = manifest.spec.template.spec;
      const [{ env, volumeMounts }] = pod.containers as [Container];
      const isSet = env!.some(({ name, value }) => name === 'ERASURE_JOURNAL_DIR' && value === directory);
      const mount = volumeMounts!.find(({ mountPath }) => mountPath === directory);
      const volume = pod.volumes.find(({ name }: { name: string }) => name === mount?.name);
      return isSet ? [[componentOf(manifest), volume?.persistentVolumeClaim.claimName as string]] : [];
    });
    return { kept, claims: ofKind(manifests, 'PersistentVolumeClaim') };
  };
  expect(journalOf([])).toEqual({ kept: [], claims: [] });
  const given = journalOf(['--set', 'erasureJournal.claim=shared', '--set', 'erasureJournal.size=1Gi']);
  expect(given).toEqual({ kept: [['events', 'shared']], claims: [] });
  const { kept, claims } = journalOf([], 'production');
  expect(kept).toEqual([['events', 'posthorn-erasures']]);
  expect(claims).toHaveLength(1);
  expect(claims[0]).toMatchObject({
    metadata: { name: 'posthorn-erasures', annotations: { 'helm.sh/resource-policy': 'keep' } },
    spec: {
      accessModes: ['ReadWriteMany'],
      storageClassName: 'shared',
      resources: { requests: { storage: '1Gi' } },
    },
  });
});

test('I3 what must be said is asked for by name, and a password in a URL is refused', () => {
  expect(refusal('minimal', ['--set', 'database.url='])).toContain('database.url');
  expect(refusal('minimal', ['--set', 'keyEncryption.secret='])).toContain('keyEncryption.secret');
  expect(refusal('minimal', ['--set', 'database.url=postgres://me:secret@db/posthorn'])).toContain(
    '/database/url',
  );
  expect(refusal('minimal', ['--set', 'nats.url=nats://me:secret@nats'])).toContain('/nats/url');
  expect(refusal('minimal', ['--set', 'unheardOf=1'])).toContain('unheardOf');
});

test('bounds of an autoscaler that contradict each other are refused, by the name of the service', () => {
  const tooFew = ['--set', 'services.events.scaling.max=1'];
  expect(refusal('minimal', tooFew)).toContain('services.events.scaling: max (1) is below min (2)');
  expect(refusal('minimal', [...tooFew, '--set', 'autoscaling.enabled=false'])).toBe('it was not refused');
  expect(refusal('minimal', ['--set', 'services.events.scaling.max=2'])).toBe('it was not refused');
});

test('B11 a store that would be spoken to in the clear is refused, unless its URL says so', () => {
  expect(refusal('minimal', ['--set', 'nats.url=nats://nats:4222'])).toContain('nats.url: tls://');
  expect(refusal('minimal', ['--set', 'database.url=postgres://db/posthorn'])).toContain('must say sslmode');
  const said = ['--set', 'nats.url=nats://nats:4222?tls=disable'];
  expect(refusal('minimal', said)).toBe('it was not refused');
});

test('B11 authority and certificate for the broker reach who speaks to it, by path, and nobody else', () => {
  const files = { NATS_CA_FILE: '', NATS_CERT_FILE: '', NATS_KEY_FILE: '' };
  for (const manifest of ofKind(render('production'), 'Deployment')) {
    const pod = manifest.spec.template.spec as PodSpec;
    const [{ env, volumeMounts }] = pod.containers as [Container];
    const given = env!.filter(({ name }) => name in files).map(({ name, value }) => [name, value]);
    const isUser = env!.some(({ name }) => name === 'NATS_URL');
    expect([componentOf(manifest), Object.fromEntries(given)]).toEqual([
      componentOf(manifest),
      isUser
        ? {
            NATS_CA_FILE: '/etc/posthorn/nats/ca.crt',
            NATS_CERT_FILE: '/etc/posthorn/nats-client/tls.crt',
            NATS_KEY_FILE: '/etc/posthorn/nats-client/tls.key',
          }
        : {},
    ]);
    const mounted = volumeMounts!.map(({ mountPath }) => mountPath);
    for (const path of ['/etc/posthorn/nats', '/etc/posthorn/nats-client'])
      expect([componentOf(manifest), path, mounted.includes(path)]).toEqual([
        componentOf(manifest),
        path,
        isUser,
      ]);
  }
});

test('I3 the six ways to install are rendered: least, all, a trial, secrets from outside, no autoscaler, closed network', () => {
  const asked = [
    'minimal',
    'production',
    'evaluation',
    'external-secrets',
    'no-autoscaling',
    'network-restricted',
  ];
  expect(VALUE_SETS).toEqual(expect.arrayContaining(asked));
});

test('I3 I6 the gRPC services are headless, and their callers ask for every address', () => {
  for (const manifest of ofKind(render('minimal'), 'Service')) {
    const isGrpc = manifest.spec.ports.some(({ name }: { name: string }) => name === 'grpc');
    expect([componentOf(manifest), manifest.spec.clusterIP]).toEqual([
      componentOf(manifest),
      isGrpc ? 'None' : undefined,
    ]);
  }
  const [deployment] = ofKind(render('minimal'), 'Deployment').filter((each) => componentOf(each) === 'api');
  const { env } = deployment!.spec.template.spec.containers[0] as Container;
  const address = env!.find(({ name }) => name === 'EVENTS_ADDRESS')!.value!;
  expect(address).toBe('posthorn-events.mail.svc:9000');
  const channel = new Client(address, credentials.createInsecure());
  expect(channel.getChannel().getTarget()).toBe(`dns:${address}`);
  channel.close();
});

test('I3 autoscaling: an autoscaler and a fixed number of replicas never argue', () => {
  const scaled = (set: string, kind: string): string[] => ofKind(render(set), kind).map(componentOf).sort();
  const withBounds = SERVICES.filter((service) => service !== 'tenants');
  expect(scaled('minimal', 'HorizontalPodAutoscaler')).toEqual(withBounds);
  expect(scaled('keda', 'ScaledObject')).toEqual(withBounds);
  expect(scaled('keda', 'HorizontalPodAutoscaler')).toEqual([]);
  expect(scaled('no-autoscaling', 'HorizontalPodAutoscaler')).toEqual([]);
  const fixed = (set: string): string[] =>
    ofKind(render(set), 'Deployment')
      .filter(({ spec }) => spec.replicas !== undefined)
      .map(componentOf)
      .sort();
  expect(fixed('minimal')).toEqual(['tenants']);
  expect(fixed('no-autoscaling')).toEqual([...SERVICES]);
});

test('I3 autoscaling by backlog asks for metrics that the services have', () => {
  for (const manifest of ofKind(render('production'), 'HorizontalPodAutoscaler')) {
    const names = (manifest.spec.metrics as { type: string; pods?: { metric: { name: string } } }[]).flatMap(
      ({ pods }) => (pods === undefined ? [] : [pods.metric.name]),
    );
    for (const name of names) expect(metricNames(componentOf(manifest))).toContain(name);
  }
});

test('README and schema say what values.yaml says', () => {
  const check = [join(ROOT, 'tools/chart-docs.mjs'), '--check'];
  const { status, stderr } = spawnSync(process.execPath, check, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('a value laid over an object reaches it', () => {
  const deployments = ofKind(render('no-autoscaling'), 'Deployment');
  const classes = deployments.map((each) => [componentOf(each), each.spec.template.spec.runtimeClassName]);
  expect(Object.fromEntries(classes)).toMatchObject({ ingress: 'gvisor', api: undefined });
});

/** Names of metrics in the text of a service and of the libraries that it runs. */
function metricNames(service: string): Set<string> {
  const listed = ['application', 'transport'].flatMap((room) =>
    textsUnder(join('apps', service, 'src', room)),
  );
  const shared = textsUnder('libs/jetstream/src');
  return new Set(
    [...listed, ...shared].flatMap((text) =>
      [...text.matchAll(/'(posthorn_[a-z_]+)'/g)].map(([, name]) => name!),
    ),
  );
}

function textsUnder(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, folder, name), 'utf8'));
}
