// `node tools/pin-base.mjs`: asks the registry for the digest of the base image and writes it to deploy/base-image, the one
// place that names it. Part of every release; the digest is what the registry says, never typed by hand.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = join(resolve(dirname(fileURLToPath(import.meta.url)), '..'), 'deploy/base-image');
const [name] = readFileSync(file, 'utf8').trim().split('@');
execFileSync('docker', ['pull', name], { stdio: 'inherit' });
const [{ RepoDigests: found }] = JSON.parse(
  execFileSync('docker', ['image', 'inspect', name], { encoding: 'utf8' }),
);
const digest = found.map((each) => each.split('@')[1]).find((each) => /^sha256:[0-9a-f]{64}$/.test(each));
if (digest === undefined) {
  console.error(`${name} has no digest of a registry`);
  process.exit(1);
}
writeFileSync(file, `${name}@${digest}\n`);
console.log(`deploy/base-image: ${name}@${digest}`);
