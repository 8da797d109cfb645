import { rm } from 'node:fs/promises';
import type {} from './jest-global-setup.js';

/** Stops what setup started and removes its folder. Jest calls it after failed runs as well. */
export default async function tearDown(): Promise<void> {
  const run = globalThis.posthornRunServers;
  if (run === undefined) return;
  await Promise.all(run.servers.map((server) => server.stop()));
  await rm(run.dir, { recursive: true, force: true });
}
