import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ERRORS } from '@posthorn/errors/registry.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const packages = tracked
  .filter((path) => /^(apps|libs)\/[^/]+\/package\.json$/.test(path))
  .map((path) => ({ path, folder: dirname(path), json: JSON.parse(text(path)) as PackageJson }));

interface PackageJson {
  name: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  nx?: { tags?: string[] };
}

test('there is no barrel: an index file grows until everything imports everything', () => {
  expect(tracked.filter((path) => /(^|\/)index\.ts$/.test(path))).toEqual([]);
});

test('every package declares each workspace package that it imports: without that the Nx graph has no edges and its rules pass silently', () => {
  const undeclared = packages.flatMap(({ folder, json }) => {
    const declared = new Set([
      ...Object.keys(json.dependencies ?? {}),
      ...Object.keys(json.devDependencies ?? {}),
      json.name,
    ]);
    const sources = tracked.filter((path) => path.startsWith(`${folder}/`) && path.endsWith('.ts'));
    const imported = new Set(
      sources.flatMap((path) =>
        [...text(path).matchAll(/from '(@posthorn\/[a-z-]+)\//g)].map(([, name]) => name!),
      ),
    );
    return [...imported].filter((name) => !declared.has(name)).map((name) => `${json.name} → ${name}`);
  });
  expect(undeclared).toEqual([]);
});

test('the Nx graph has the edges of the packages, and every one of them is an arrow of the house', () => {
  const graphFile = join(root, '.nx', 'house-graph.json');
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/nx/dist/bin/nx.js'), 'graph', `--file=${graphFile}`],
    { cwd: root, stdio: 'ignore', env: { ...process.env, NX_DAEMON: 'false' } },
  );
  const { graph } = JSON.parse(readFileSync(graphFile, 'utf8')) as {
    graph: {
      nodes: Record<string, { data: { tags?: string[] } }>;
      dependencies: Record<string, { target: string }[]>;
    };
  };
  const layerOf = (name: string): string =>
    graph.nodes[name]!.data.tags!.map((tag) =>
      tag === 'type:app' ? 'app' : (/^layer:(.*)$/.exec(tag)?.[1] ?? ''),
    ).find((layer) => layer !== '')!;
  const allowed: Record<string, string[]> = {
    app: ['platform', 'contract', 'domain', 'base', 'test'],
    platform: ['contract', 'base'],
    domain: ['base'],
    contract: [],
    base: ['base'],
    test: ['test', 'platform', 'contract', 'domain', 'base'],
  };
  const edges = Object.entries(graph.dependencies).flatMap(([from, targets]) =>
    targets
      .filter(({ target }) => target.startsWith('@posthorn/'))
      .map(({ target }) => [from, target] as const),
  );
  expect(edges.length).toBeGreaterThan(40);
  expect(edges.filter(([from, to]) => !allowed[layerOf(from)]!.includes(layerOf(to)))).toEqual([]);
}, 60_000);

test('each provider has its four files', () => {
  const folders = readdirSync(join(root, 'libs/providers/src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(folders.sort()).toEqual([...PROVIDERS.keys()].sort());
  for (const name of folders) {
    for (const file of [`${name}.ts`, `${name}.spec.ts`, `${name}.vectors.json`, 'README.md']) {
      expect(`${name}/${file} ${existsSync(join(root, 'libs/providers/src', name, file))}`).toBe(
        `${name}/${file} true`,
      );
    }
  }
});

test('each error code is documented', () => {
  const page = text('docs/errors.md');
  expect(Object.keys(ERRORS).filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
});

test('each configuration key is documented', () => {
  const page = text('docs/configuration.md');
  const configs = [
    ...tracked.filter((path) => /^apps\/[^/]+\/src\/config\.ts$/.test(path)),
    'libs/server/src/config.ts',
  ];
  const keys = configs.flatMap((path) =>
    [...text(path).matchAll(/env: '([A-Z0-9_]+)'/g)].map(([, key]) => key!),
  );
  expect(keys.length).toBeGreaterThan(20);
  expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
});

test('every project is on the map', () => {
  const map = text('ARCHITECTURE.md');
  for (const folder of [...packages.map(({ folder }) => folder), 'deploy/local', 'test'])
    expect(map).toContain(`\`${folder}\``);
});

test('every command that README and CONTRIBUTING name exists, and every script points to a file', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
  const named = [...`${text('README.md')}${text('CONTRIBUTING.md')}`.matchAll(/npm run ([a-z:]+)/g)].map(
    ([, name]) => name!,
  );
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  const files = Object.values(scripts).flatMap((script) =>
    [...script.matchAll(/node (tools\/\S+)/g)].map(([, file]) => file!),
  );
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

test('links between documents lead somewhere', () => {
  const broken = tracked
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      [...text(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, target]) => ({
        path,
        target: target!,
      })),
    )
    .filter(({ path, target }) => !existsSync(join(root, dirname(path), target)));
  expect(broken).toEqual([]);
});

test('ADRs are numbered without gaps', () => {
  const numbers = tracked
    .filter((path) => path.startsWith('docs/adr/'))
    .map((path) => Number(/(\d{4})-/.exec(path)?.[1]));
  expect(numbers.sort((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
});
