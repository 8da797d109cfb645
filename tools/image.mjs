// `node tools/image.mjs [service …]`: builds the images, prints their sizes, writes an SBOM and the provenance of each.
// Options: --tag T --repository R --base IMAGE --network N --out FOLDER --push (needs a pinned base; also writes the digests).
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bomOf, provenanceOf } from './image-papers.mjs';

/** Run inside the image: what is really there, not what should be. */
const LIST_PACKAGES = `
  const { readdirSync, readFileSync } = require('node:fs');
  const found = new Set();
  for (const name of readdirSync('/app', { recursive: true })) {
    if (!/(^|\\/)node_modules\\/(@[^/]+\\/)?[^/]+\\/package\\.json$/.test(name)) continue;
    const { name: own, version } = JSON.parse(readFileSync('/app/' + name, 'utf8'));
    if (own && version && !own.startsWith('@posthorn/')) found.add(own + '@' + version);
  }
  console.log(JSON.stringify([...found].sort()));`;
const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api'];
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tag: { type: 'string', default: version },
    repository: { type: 'string', default: 'localhost/posthorn' },
    base: { type: 'string', default: readFileSync(join(root, 'deploy/base-image'), 'utf8').trim() },
    network: { type: 'string', default: 'default' },
    out: { type: 'string', default: join(root, '.posthorn/images') },
    push: { type: 'boolean', default: false },
  },
});
const services = positionals.length === 0 ? SERVICES : positionals;
const unknown = services.filter((service) => !SERVICES.includes(service));
if (unknown.length > 0) fail(`unknown: ${unknown.join(', ')}; services are ${SERVICES.join(', ')}`);
const isPinned = /@sha256:[0-9a-f]{64}$/.test(options.base);
if (options.push && !isPinned) fail('A release needs a base with a digest: node tools/pin-base.mjs');
if (!isPinned)
  console.log(`${options.base} has no digest: good for a trial, not for a release (node tools/pin-base.mjs)`);

const revision = git('rev-parse', 'HEAD');
const isDirty = git('status', '--porcelain') !== '';
const digests = {};
mkdirSync(options.out, { recursive: true });
for (const service of services) {
  const image = `${options.repository}/${service}:${options.tag}`;
  const startedOn = new Date().toISOString();
  build(service, image);
  const { Id: id, Size: size } = JSON.parse(docker('image', 'inspect', image))[0];
  const packages = JSON.parse(
    docker('run', '--rm', '--network=none', '--entrypoint=node', image, '--eval', LIST_PACKAGES),
  );
  const digest = options.push ? push(image) : id;
  digests[service] = digest;
  write(`${service}.cdx.json`, bomOf({ root, service, version, image, digest, packages }));
  const times = { startedOn, finishedOn: new Date().toISOString() };
  write(
    `${service}.provenance.json`,
    provenanceOf({ service, image, digest, base: options.base, revision, isDirty, times }),
  );
  console.log(`${image}: ${(size / 1e6).toFixed(0)} MB, ${packages.length} packages, ${digest}`);
}
if (options.push) {
  const lines = Object.entries(digests).map(([service, digest]) => `    ${service}: ${digest}`);
  const values = [
    'image:',
    `  repository: ${options.repository}`,
    `  tag: '${options.tag}'`,
    '  digests:',
    ...lines,
  ];
  writeFileSync(join(options.out, 'values-images.yaml'), `${values.join('\n')}\n`);
  console.log(`Give the chart --values ${join(options.out, 'values-images.yaml')}`);
}

function build(service, image) {
  const args = Object.entries({
    BASE_IMAGE: options.base,
    SERVICE: service,
    VERSION: version,
    REVISION: revision,
  });
  execFileSync(
    'docker',
    [
      ...['build', '--file', 'deploy/Dockerfile', '--tag', image, '--network', options.network],
      ...args.flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      '.',
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, DOCKER_BUILDKIT: '1' } },
  );
}

/** The digest by which others can pull it. */
function push(image) {
  docker('push', image);
  const [{ RepoDigests: found }] = JSON.parse(docker('image', 'inspect', image));
  return found.map((each) => each.split('@')[1])[0] ?? fail(`${image} has no digest after the push`);
}

function docker(...args) {
  return execFileSync('docker', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}
function git(...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
}
function write(name, value) {
  writeFileSync(join(options.out, name), `${JSON.stringify(value, null, 2)}\n`);
}
function fail(message) {
  console.error(message);
  process.exit(1);
}
