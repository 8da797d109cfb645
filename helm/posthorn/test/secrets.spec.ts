import { expect, test } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CHART,
  componentOf,
  containersOf,
  type Manifest,
  ofKind,
  refusal,
  render,
  SERVICES,
  VALUE_SETS,
} from './chart-rig.js';

const NAMESPACE_HOST = 'posthorn-events.mail.svc';
const text = (manifest: Manifest, key: string): string =>
  Buffer.from(manifest.data![key]!, 'base64').toString();
const secretOf = (manifests: readonly Manifest[], name: string): Manifest =>
  ofKind(manifests, 'Secret').find(({ metadata }) => metadata.name === name)!;
const certificatesIn = (pem: string): X509Certificate[] =>
  pem.match(/-----BEGIN[^]+?-----END CERTIFICATE-----/g)!.map((each) => new X509Certificate(each));

test.each(VALUE_SETS)('B6 %s: secrets are named, never written into a pod', (set) => {
  const manifests = render(set);
  if (set !== 'evaluation')
    for (const { metadata } of ofKind(manifests, 'Secret'))
      expect(metadata.name).toMatch(/-(tls|authorities|operator-key)$/);
  for (const manifest of manifests)
    for (const container of containersOf(manifest.spec?.template?.spec ?? { containers: [] }))
      for (const { name, value } of container.env ?? [])
        expect(`${name}=${value ?? ''}`).not.toMatch(/(PASSWORD|KEY|SECRET|TOKEN)=.|:\/\/[^/$]*:[^/$]*@/);
});

test('B11 each service has a certificate whose name is its own, and trusts the authority that signed it', () => {
  const manifests = render('minimal');
  for (const service of SERVICES) {
    const secret = secretOf(manifests, `posthorn-${service}-tls`);
    const certificate = new X509Certificate(text(secret, 'tls.crt'));
    const [authority] = certificatesIn(text(secret, 'ca.crt'));
    expect(certificate.subject).toContain(`CN=${service}`);
    expect(certificate.checkHost(service)).toBe(service);
    expect(certificate.checkPrivateKey(createPrivateKey(text(secret, 'tls.key')))).toBe(true);
    expect(authority!.ca).toBe(true);
    expect(certificate.verify(authority!.publicKey)).toBe(true);
  }
  const events = new X509Certificate(text(secretOf(manifests, 'posthorn-events-tls'), 'tls.crt'));
  expect(events.checkHost(NAMESPACE_HOST)).toBe(NAMESPACE_HOST);
});

test('B11 while an authority is replaced both are trusted, and the named one signs', () => {
  const args = ['--set-json', 'tls.chart.trusted=[1,2]', '--set', 'tls.chart.signer=2'];
  const secret = secretOf(render('minimal', args), 'posthorn-api-tls');
  const authorities = certificatesIn(text(secret, 'ca.crt'));
  const certificate = new X509Certificate(text(secret, 'tls.crt'));
  expect(authorities.map(({ publicKey }) => certificate.verify(publicKey))).toEqual([false, true]);
  expect(refusal('minimal', ['--set', 'tls.chart.signer=3'])).toContain('tls.chart.signer');
});

test('B11 cert-manager gives the same names, and the bundle of both authorities is mounted', () => {
  const manifests = render('production');
  expect(ofKind(manifests, 'Secret')).toEqual([]);
  expect(
    ofKind(manifests, 'Certificate')
      .map(({ spec }) => spec.commonName)
      .sort(),
  ).toEqual([...SERVICES]);
  for (const { spec } of ofKind(manifests, 'Certificate'))
    expect(spec.usages).toEqual(expect.arrayContaining(['client auth', 'server auth']));
  for (const { spec } of ofKind(manifests, 'Deployment'))
    expect(JSON.stringify(spec.template.spec.volumes)).toContain(
      '"path":"ca.crt"}],"name":"posthorn-authorities"',
    );
});

test('B6 B9 only tenants holds the key-encryption keys, and each service its own password alone', () => {
  for (const manifest of ofKind(render('production'), 'Deployment')) {
    const volumes = JSON.stringify(manifest.spec.template.spec.volumes);
    expect(volumes.includes('posthorn-kek')).toBe(componentOf(manifest) === 'tenants');
    expect(volumes).not.toContain('posthorn-superuser');
    if (volumes.includes('posthorn-passwords'))
      expect(volumes).toContain(`"items":[{"key":"${componentOf(manifest)}"`);
  }
});

test('I3 migrations run before the upgrade, one service after the other; at a trial’s first install with it', () => {
  const jobOf = (set: string, args: string[] = []): Manifest => ofKind(render(set, args), 'Job')[0]!;
  const { metadata, spec } = jobOf('minimal');
  expect(metadata.annotations!['helm.sh/hook']).toBe('pre-install,pre-upgrade');
  const pod = spec.template.spec;
  expect(containersOf(pod).map(({ name }) => name)).toEqual([
    'tenants',
    'events',
    'compliance',
    'dispatcher',
  ]);
  expect(containersOf(pod)[1]!.env!.find(({ name }) => name === 'DATABASE_ADMIN_URL')!.value).toBe(
    'postgres://$(ADMIN_USER):$(ADMIN_PASSWORD)@posthorn-rw:5432/posthorn?sslmode=require',
  );
  expect(jobOf('evaluation').metadata.annotations).toBeUndefined();
  expect(jobOf('evaluation', ['--is-upgrade']).metadata.annotations!['helm.sh/hook']).toContain(
    'pre-upgrade',
  );
});

test('the keys that a trial makes are what the services read', () => {
  const manifests = render('evaluation');
  const kek = JSON.parse(text(secretOf(manifests, 'posthorn-evaluation-kek'), 'kek.json')) as {
    keys: Record<string, string>;
  };
  expect(Buffer.from(kek.keys['1']!, 'base64')).toHaveLength(32);
  expect(text(secretOf(manifests, 'posthorn-operator-key'), 'operator-key')).toMatch(
    /^phop_[A-Za-z0-9_-]{43}$/,
  );
  const nats = secretOf(manifests, 'posthorn-evaluation-nats');
  expect(text(nats, 'nats.conf')).toContain(new URL(text(nats, 'url')).password);
});

test('H4 every dashboard and rule file of the chart becomes an object, unchanged', () => {
  const chart = mkdtempSync(join(tmpdir(), 'posthorn-chart-'));
  try {
    cpSync(CHART, chart, { recursive: true });
    for (const folder of ['alerts', 'dashboards'])
      mkdirSync(join(chart, 'files', folder), { recursive: true });
    const rules =
      "groups:\n  - name: planted\n    rules:\n      - { alert: A, expr: up == 0, annotations: { s: '{{ $labels.pod }}' } }\n";
    const dashboard = JSON.stringify({ title: '{{ planted }}', panels: [] }, null, 2);
    writeFileSync(join(chart, 'files/alerts/planted.yaml'), rules);
    writeFileSync(join(chart, 'files/dashboards/planted.json'), dashboard);
    const manifests = render('production', [], chart);
    const rule = ofKind(manifests, 'PrometheusRule').find(({ metadata }) =>
      metadata.name.endsWith('-planted'),
    )!;
    expect(rule.metadata.labels['release']).toBe('prometheus');
    expect(rule.spec.groups[0].rules[0].annotations.s).toBe('{{ $labels.pod }}');
    const map = ofKind(manifests, 'ConfigMap').find(({ metadata }) => metadata.name.endsWith('-planted'))!;
    expect(JSON.parse(map.data!['planted.json']!)).toEqual(JSON.parse(dashboard));
  } finally {
    rmSync(chart, { recursive: true, force: true });
  }
});
