// `node tools/compose.mjs <arguments of docker compose>`: deploy/compose.yaml with keys and certificates made at the first
// start and kept in .posthorn/compose, beside what must outlive the database. Build the images first (node tools/image.mjs), or let `build` do it.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { prepare } from './prepare.mjs';

const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api'];
/** What services write outside of the database: of the user that they run as, which a volume of docker's would not be. */
const KEPT = ['audit-checkpoints', 'erasures'];
/** The image's own user. */
const NOBODY = 10_001;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const keys = join(root, '.posthorn/compose');
const load = (path) => import(pathToFileURL(join(root, path)).href);
const read = (path) => readFileSync(path, 'utf8').trim();

// Without the plugin docker takes our arguments for its own, and says `unknown flag: --file`.
if (spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status !== 0) {
  console.error(
    'This needs docker with its compose plugin (package docker-compose-plugin, or docker-compose-v2 of Debian and Ubuntu): https://docs.docker.com/compose/install/',
  );
  process.exit(1);
}

prepare(root);
const { ensureLocalSecrets } = await load('deploy/local/dist/local-secrets.js');
const { makeCertificates } = await load('libs/testing/dist/certificates.js');
const { databasePasswordFile } = await ensureLocalSecrets(keys);
await makeCertificates(join(keys, 'certificates'), SERVICES);
for (const name of KEPT) mkdirSync(join(keys, name), { recursive: true, mode: 0o700 });

/** The files are one user's alone, so the processes are that user, too; never root, who gives them away. */
function userOfKeys() {
  if (process.getuid?.() !== 0) return `${process.getuid?.() ?? NOBODY}:${process.getgid?.() ?? NOBODY}`;
  for (const name of ['.', ...readdirSync(keys, { recursive: true })])
    chownSync(join(keys, name), NOBODY, NOBODY);
  return `${NOBODY}:${NOBODY}`;
}

const { status } = spawnSync(
  'docker',
  ['compose', '--file', join(root, 'deploy/compose.yaml'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: {
      POSTHORN_TAG: JSON.parse(read(join(root, 'package.json'))).version,
      BASE_IMAGE: read(join(root, 'deploy/base-image')),
      ...process.env,
      POSTHORN_KEYS: keys,
      POSTHORN_USER: userOfKeys(),
      POSTGRES_PASSWORD: read(databasePasswordFile),
    },
  },
);
process.exit(status ?? 1);
