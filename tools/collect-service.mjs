// `node tools/collect-service.mjs <service> <folder>`: everything that one built service needs to run, and nothing else.
// Why not `npm ci --omit=dev --workspace`: it also installs what the service's dev dependencies need, whole servers among them.
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Types, maps and pages: nothing at run time reads them. Maps of our own code stay, for stack traces. */
const UNUSED = /\.(d\.[cm]?ts|[cm]?ts|tsbuildinfo|map|md|markdown|flow)$/;
const UNUSED_FOLDERS = /(^|\/)(test|tests|__tests__|docs|example|examples|benchmark|benchmarks|\.github)$/;

/**
 * Copies the service, the libraries of ours that it depends on, and their production dependencies.
 * @returns the npm packages that were copied, as `name@version`, sorted.
 * @throws Error when the service is not built, or a dependency is not installed.
 */
export function collectService(service, folder) {
  const packages = new Map();
  const visit = (at) => {
    const path = relative(root, at);
    if (packages.has(path)) return;
    const { name, version, dependencies = {}, optionalDependencies = {} } = readPackage(at);
    packages.set(path, { name, version });
    if (isOurs(path)) copyOurs(path, folder);
    else copyInstalled(path, folder);
    for (const dependency of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = findInstalled(dependency, at);
      if (found !== undefined) visit(found);
      else if (optionalDependencies[dependency] === undefined)
        throw new Error(`${name} needs ${dependency}: npm ci`);
    }
  };
  visit(join(root, 'apps', service));
  linkOurs(packages, folder);
  // One path for all services: the image's command names it.
  symlinkSync(join('apps', service), join(folder, 'service'));
  const installed = [...packages].filter(([path]) => !isOurs(path));
  return [...new Set(installed.map(([, { name, version }]) => `${name}@${version}`))].sort();
}

const readPackage = (at) => JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
const isOurs = (path) => !path.split(sep).includes('node_modules');

/** As Node looks for it: upwards from the package that needs it. */
function findInstalled(name, from) {
  for (let at = from; at.startsWith(root); at = dirname(at)) {
    const found = join(at, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return realpathSync(found);
  }
  return undefined;
}

function copyOurs(path, folder) {
  if (!existsSync(join(root, path, 'dist'))) throw new Error(`${path} is not built: npm run build`);
  mkdirSync(join(folder, path), { recursive: true });
  cpSync(join(root, path, 'package.json'), join(folder, path, 'package.json'));
  cpSync(join(root, path, 'dist'), join(folder, path, 'dist'), {
    recursive: true,
    filter: (from) => !from.endsWith('.vectors.json'),
  });
}

function copyInstalled(path, folder) {
  const from = join(root, path);
  cpSync(from, join(folder, path), {
    recursive: true,
    filter: (each) => {
      const inside = relative(from, each);
      // What is nested has its own visit, when something needs it.
      return (
        inside === '' ||
        !(/(^|\/)node_modules(\/|$)/.test(inside) || UNUSED.test(inside) || UNUSED_FOLDERS.test(inside))
      );
    },
  });
}

/** The links by which npm makes our libraries importable. */
function linkOurs(packages, folder) {
  for (const [path, { name }] of packages) {
    if (!isOurs(path)) continue;
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(relative(dirname(link), join(folder, path)), link);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [service, folder] = process.argv.slice(2);
  if (folder === undefined) {
    console.error('usage: node tools/collect-service.mjs <service> <folder>');
    process.exit(1);
  }
  const copied = collectService(service, resolve(folder));
  console.log(`${service}: ${copied.length} packages in ${folder}`);
}
