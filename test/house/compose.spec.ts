import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import YAML from 'yaml';
import { type ConfigEntry, loadConfig } from '@posthorn/server/config.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api'];

interface Service {
  readonly environment?: Record<string, string>;
  readonly secrets?: readonly (string | { source: string; target: string })[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}
/** As docker compose puts variables in: `${NAME}` and `${NAME:-default}`. */
const filled = (text: string): string => text.replace(/\$\{[A-Z_]+(?::[-?]([^}]*))?\}/g, '$1');
const compose: unknown = YAML.parse(readFileSync(join(root, 'deploy/compose.yaml'), 'utf8'), { merge: true });
const { services, secrets } = JSON.parse(filled(JSON.stringify(compose))) as {
  services: Record<string, Service>;
  secrets: Record<string, unknown>;
};
const targets = (service: Service): string[] =>
  (service.secrets ?? []).map((each) => `/run/secrets/${typeof each === 'string' ? each : each.target}`);

test.each(SERVICES)(
  'I3 compose: %s takes its environment, and each file that it names is mounted',
  async (name) => {
    const service = services[name]!;
    const path = pathToFileURL(join(root, 'apps', name, 'src/config.ts')).href;
    const { CONFIG_SCHEMA } = (await import(path)) as { CONFIG_SCHEMA: Record<string, ConfigEntry> };
    expect(() => loadConfig(CONFIG_SCHEMA, service.environment)).not.toThrow();
    const files = Object.values(service.environment!).filter((value) =>
      String(value).startsWith('/run/secrets/'),
    );
    expect(targets(service).sort()).toEqual([...files].sort());
    const sources = service.secrets!.map((each) => (typeof each === 'string' ? each : each.source));
    expect(sources.filter((source) => secrets[source] === undefined)).toEqual([]);
  },
);

test('E6 compose: what must outlive the database is kept beside it', () => {
  // Would break: a restored database would bring people back, and nobody could tell an audit log that was cut.
  const kept = { events: 'ERASURE_JOURNAL_DIR', tenants: 'AUDIT_CHECKPOINT_DIR' };
  for (const [name, variable] of Object.entries(kept)) {
    const { environment, volumes } = services[name]!;
    const directory = environment![variable];
    expect(directory).toMatch(/^\/var\/lib\/posthorn\//);
    const [host] = volumes!.filter((volume) => volume.endsWith(`:${directory}`));
    expect(host).toBeDefined();
    expect(services['postgres']!.volumes!.some((volume) => volume.startsWith(host!.split(':')[0]!))).toBe(
      false,
    );
  }
});

test('I3 compose: what we built runs without rights and without writing; only this machine reaches it', () => {
  const ours = Object.entries(services).filter(([name]) => SERVICES.includes(name.replace('migrate-', '')));
  expect(ours).toHaveLength(10);
  for (const [, service] of ours) expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  for (const { ports = [] } of Object.values(services))
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
});
