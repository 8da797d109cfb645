import { mkdtemp, rm } from 'node:fs/promises';
import Module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildServer } from './child-server.js';

/** What setup leaves for teardown: both run in Jest's own process. */
export interface RunServers {
  readonly dir: string;
  readonly servers: readonly ChildServer[];
}

declare global {
  var posthornRunServers: RunServers | undefined;
}

/** Starts the servers of a test run, unless their URLs are given, and makes the certificates of the services. */
export default async function setUp(): Promise<void> {
  resolveSources();
  const { makeCertificates } = await import('./certificates.js');
  const { startNats } = await import('./nats-server.js');
  const { startPostgres } = await import('./postgres-server.js');
  const { CERTIFIED, TEST_CERTIFICATES } = await import('./test-certificates.js');
  const { TEST_DATABASE_URL, TEST_NATS_URL } = await import('./test-servers.js');
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-test-'));
  const servers: ChildServer[] = [];
  try {
    const [postgres, nats] = await Promise.all([
      process.env[TEST_DATABASE_URL]
        ? undefined
        : startPostgres({ dataDir: join(dir, 'postgres'), endsWithParent: true }),
      process.env[TEST_NATS_URL]
        ? undefined
        : startNats({ storeDir: join(dir, 'nats'), endsWithParent: true }),
    ]);
    if (postgres !== undefined) process.env[TEST_DATABASE_URL] = postgres.url;
    if (nats !== undefined) process.env[TEST_NATS_URL] = nats.url;
    servers.push(...[postgres, nats].filter((server) => server !== undefined));
    process.env[TEST_CERTIFICATES] = join(dir, 'certificates');
    await makeCertificates(process.env[TEST_CERTIFICATES], CERTIFIED);
    globalThis.posthornRunServers = { dir, servers };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Lets './x.js' in our sources mean './x.ts' here, too.
 * Why: Jest loads this file by Node's own require, outside of its resolver.
 */
function resolveSources(): void {
  type Resolve = (request: string, parent: { filename?: string } | undefined, ...rest: unknown[]) => string;
  const loader = Module as unknown as { _resolveFilename: Resolve };
  const original = loader._resolveFilename;
  loader._resolveFilename = (request, parent, ...rest) => {
    const isOurs = request.startsWith('./') && parent?.filename?.endsWith('.ts') === true;
    return original(isOurs ? request.replace(/\.js$/, '.ts') : request, parent, ...rest);
  };
}
